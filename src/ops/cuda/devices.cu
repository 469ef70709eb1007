// Asks the CUDA runtime alone.
#include <cuda_runtime_api.h>

#include <cstdio>

#include "devices.h"

namespace {

int fail(cudaError_t status, char* error, size_t error_size) {
  std::snprintf(error, error_size, "%s", cudaGetErrorString(status));
  return -1;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int nala_cuda_devices(NalaCudaDevice* devices,
                                                                        int capacity,
                                                                        char* error,
                                                                        size_t error_size) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorNoDevice) {
    return 0;
  }
  if (status != cudaSuccess) {
    return fail(status, error, error_size);
  }
  for (int i = 0; i < count && i < capacity; ++i) {
    cudaDeviceProp properties;
    const cudaError_t asked = cudaGetDeviceProperties(&properties, i);
    if (asked != cudaSuccess) {
      return fail(asked, error, error_size);
    }
    std::snprintf(devices[i].name, sizeof(devices[i].name), "%s", properties.name);
    devices[i].memory_bytes = properties.totalGlobalMem;
    devices[i].major = properties.major;
    devices[i].minor = properties.minor;
  }
  return count;
}
