// What the dispatcher calls under nala::attention_epilogue_forward and _backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>

#include "ops/epilogue.h"
#include "ops/export.h"

namespace nala::ops {

/// The output (B, N, C) and what the backward wants to know again: mean and 1/sqrt(variance + eps)
/// of every row of y + lepe, (B, N) of the dtype computed in.
struct EpilogueResult {
  at::Tensor out, mean, rstd;
};

/// Gradients, contiguous, with the dtypes of y, gate, weight and bias; dx is that of y and of lepe.
/// dgate is empty (0) without a gate.
struct EpilogueGradients {
  at::Tensor dx, dgate, dweight, dbias;
};

/// Throws c10::Error naming the argument unless the shapes, dtypes and devices are those of
/// Epilogue. Sizes may be symbolic.
void check_epilogue(const Epilogue& epilogue);
void check_epilogue_backward(const Epilogue& epilogue,
                             const EpilogueResult& result,
                             const at::Tensor& dout);

/// By ATen, on any device: what the vectorised kernels are measured against.
NALA_OPS_API EpilogueResult reference_epilogue_forward(const Epilogue& epilogue);
NALA_OPS_API EpilogueGradients reference_epilogue_backward(const Epilogue& epilogue,
                                                           const EpilogueResult& result,
                                                           const at::Tensor& dout);

/// Shapes and strides alone.
EpilogueResult meta_epilogue_forward(const Epilogue& epilogue);
EpilogueGradients meta_epilogue_backward(const Epilogue& epilogue,
                                         const EpilogueResult& result,
                                         const at::Tensor& dout);

/// Go through the dispatcher to the kernel of the tensors' device.
EpilogueResult dispatch_epilogue_forward(const Epilogue& epilogue);
EpilogueGradients dispatch_epilogue_backward(const Epilogue& epilogue,
                                             const EpilogueResult& result,
                                             const at::Tensor& dout);

/// C++ types of the schemas in library.cpp.
using EpilogueForwardSchema =
    std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor& y,
                                                   const std::optional<at::Tensor>& lepe,
                                                   const std::optional<at::Tensor>& gate,
                                                   const at::Tensor& weight,
                                                   const at::Tensor& bias,
                                                   double eps);
using EpilogueBackwardSchema = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(
    const at::Tensor& dout,
    const at::Tensor& y,
    const std::optional<at::Tensor>& lepe,
    const std::optional<at::Tensor>& gate,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& mean,
    const at::Tensor& rstd);

}  // namespace nala::ops
