// Computing again in the backward pass what the forward pass did not keep (Chen et al. 2016).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace nala::models {

/// `function(x)` with nothing kept but x: the backward pass runs `function` once more, under the
/// precision (autocast) of the first time.
///
/// `function` gives one tensor, uses no random state, changes no buffer, and depends on x and
/// `parameters` alone; it is called from another thread's backward at the earliest when this has
/// returned. x must require a gradient where a gradient is wanted. Where none is needed it is a
/// plain call. Throws c10::Error on double backward.
at::Tensor recomputed(const std::function<at::Tensor(const at::Tensor& x)>& function,
                      const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters);

}  // namespace nala::models
