// libnala_nccl.so: needs LibTorch's CUDA part, which the program loads before this.
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "train/distributed/backends.h"

/// A new process group that the caller owns.
extern "C" __attribute__((visibility("default"))) nala::train::MakeNccl nala_make_nccl;

extern "C" c10d::Backend* nala_make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                         const nala::train::BackendOptions& options) {
  const auto nccl = c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = options.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, options.rank, options.world, nccl)
      .release();
}
