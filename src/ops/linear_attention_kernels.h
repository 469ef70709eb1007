// What the dispatcher calls under nala::linear_attention_forward and _backward: the table of
// implementations on real tensors, shapes alone on Meta tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "ops/implementations.h"

namespace nala::ops {

using OptionalTensor = std::optional<at::Tensor>;
using ForwardTuple = std::tuple<at::Tensor, std::vector<at::Tensor>>;
using GradientTuple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

/// C++ types of the two schemas in library.cpp, argument by argument.
using ForwardSchema = ForwardTuple(const at::Tensor& q,
                                   const at::Tensor& k,
                                   const at::Tensor& v,
                                   const OptionalTensor& cos,
                                   const OptionalTensor& sin,
                                   std::string_view feature_map,
                                   bool norm_aware,
                                   double lambd,
                                   double tau,
                                   double alpha,
                                   double eps,
                                   std::string_view implementation);
using BackwardSchema = GradientTuple(const at::Tensor& dy,
                                     const at::Tensor& q,
                                     const at::Tensor& k,
                                     const at::Tensor& v,
                                     const OptionalTensor& cos,
                                     const OptionalTensor& sin,
                                     at::TensorList saved,
                                     std::string_view feature_map,
                                     bool norm_aware,
                                     double lambd,
                                     double tau,
                                     double alpha,
                                     double eps,
                                     std::string_view implementation);

/// Run the implementation that choose_implementation() gives. `saved` is always the three tensors
/// that Forward::saved describes: filled with NaN where the implementation keeps nothing. y and the
/// gradients have memory order (B, N, h, d). Throw c10::Error naming the argument.
ForwardSchema linear_attention_forward;
BackwardSchema linear_attention_backward;

/// The same shapes, strides and checks without values, for symbolic sizes too.
ForwardSchema linear_attention_forward_meta;
BackwardSchema linear_attention_backward_meta;

/// Go through the dispatcher to the kernel of the tensors' device. Thread-safe.
Forward dispatch_forward(const Problem& problem, std::string_view implementation);
Gradients dispatch_backward(const Problem& problem,
                            const Forward& forward,
                            const at::Tensor& dy,
                            std::string_view implementation);

}  // namespace nala::ops
