// The two transports of c10d, each behind one function: their headers are needed nowhere else.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace nala::train {

struct BackendOptions {
  int rank = 0;
  int world = 1;
  std::chrono::milliseconds timeout{};
  std::string address;  ///< of this process, for Gloo; GLOO_SOCKET_IFNAME overrules it
};

c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store,
                                            const BackendOptions& options);

/// From libnala_nccl.so, which is loaded now, from beside the program. Throws Error(usage) when it
/// was not built or does not load.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            const BackendOptions& options);

/// What libnala_nccl.so exports, as `nala_make_nccl`.
using MakeNccl = c10d::Backend*(const c10::intrusive_ptr<c10d::Store>& store,
                                const BackendOptions& options);

}  // namespace nala::train
