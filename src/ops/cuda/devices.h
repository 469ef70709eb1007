// What CUDA devices this machine has, for `nalaformer doctor`.
//
// Not run on a GPU yet: checked by compilation only.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

/// One device. The name is cut to fit and ends with 0.
struct NalaCudaDevice {
  char name[256];
  uint64_t memory_bytes;
  int major;  ///< compute capability major.minor
  int minor;
};

/// Fills up to `capacity` devices and returns how many there are; 0 without a device, -1 when the
/// driver is missing or fails, with its reason in `error` (cut to `error_size`, ends with 0).
/// Thread-safe.
int nala_cuda_devices(NalaCudaDevice* devices, int capacity, char* error, size_t error_size);
}
