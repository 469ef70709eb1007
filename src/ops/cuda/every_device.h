// The way past this library's kernels, to what libnala_ops.so registers for every device.
#pragma once

#include <c10/core/DispatchKeySet.h>

namespace nala::cuda {

/// A dispatch key that no library registers kernels of these operators for: a call redispatched
/// with it finds those registered for every device, which run on whatever device their tensors are
/// on. (The CPU's key will not do: some operators have kernels for the CPU alone.)
inline constexpr c10::DispatchKeySet kEveryDevice(c10::DispatchKey::PrivateUse3);

}  // namespace nala::cuda
