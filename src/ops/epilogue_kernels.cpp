#include "ops/epilogue_kernels.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "ops/arguments.h"

namespace nala::ops {
namespace {

constexpr const char* kName = "nala::attention_epilogue";

void check_tokens(const char* name, const at::Tensor& x, const at::Tensor& y) {
  TORCH_CHECK(x.sym_sizes() == y.sym_sizes(), kName, ": ", name, " has shape ", x.sym_sizes(),
              ", y has ", y.sym_sizes(), "; they must be equal");
  TORCH_CHECK(at::isFloatingType(x.scalar_type()), kName, ": ", name, " is ", x.scalar_type(),
              ", expected a floating dtype");
  TORCH_CHECK(x.device() == y.device(), kName, ": ", name, " is on ", x.device(), ", y on ",
              y.device());
}

void check_parameter(const char* name, const at::Tensor& x, const at::Tensor& y) {
  TORCH_CHECK(x.defined() && x.dim() == 1 && x.sym_size(0) == y.sym_size(2), kName, ": ", name,
              " must have shape (C) = (", y.sym_size(2), ")");
  TORCH_CHECK(at::isFloatingType(x.scalar_type()), kName, ": ", name, " is ", x.scalar_type(),
              ", expected a floating dtype");
  TORCH_CHECK(x.device() == y.device(), kName, ": ", name, " is on ", x.device(), ", y on ",
              y.device());
}

std::optional<at::Tensor> or_none(const at::Tensor& x) {
  return x.defined() ? std::optional(x) : std::nullopt;
}

// y + lepe in the dtype computed in.
at::Tensor normalised_input(const Epilogue& e) {
  const at::ScalarType dtype = compute_type(e.y.scalar_type());
  return e.lepe.defined() ? e.y.to(dtype) + e.lepe.to(dtype) : e.y.to(dtype);
}

at::Tensor gate_gradient(const Epilogue& e, const EpilogueResult& result, const at::Tensor& dout) {
  const at::ScalarType dtype = dout.scalar_type();
  const at::Tensor xhat =
      (normalised_input(e) - result.mean.unsqueeze(-1)) * result.rstd.unsqueeze(-1);
  const at::Tensor normed = xhat * e.weight.to(dtype) + e.bias.to(dtype);
  return at::silu_backward(dout * normed, e.gate.to(dtype));
}

// (B, N, C) like `x`, contiguous whatever its strides are.
at::Tensor contiguous_like(const at::Tensor& x) {
  return at::empty_symint(x.sym_sizes(), x.options());
}

}  // namespace

void check_epilogue(const Epilogue& e) {
  TORCH_CHECK(e.y.defined() && e.y.dim() == 3, kName, ": y must have shape (B, N, C)");
  check_tokens("y", e.y, e.y);
  TORCH_CHECK(e.y.sym_size(2) >= 1, kName, ": C must be at least 1, y has shape ", e.y.sym_sizes());
  if (e.lepe.defined()) {
    check_tokens("lepe", e.lepe, e.y);
  }
  if (e.gate.defined()) {
    check_tokens("gate", e.gate, e.y);
  }
  check_parameter("weight", e.weight, e.y);
  check_parameter("bias", e.bias, e.y);
}

void check_epilogue_backward(const Epilogue& e,
                             const EpilogueResult& result,
                             const at::Tensor& dout) {
  check_epilogue(e);
  check_tokens("dout", dout, e.y);
  for (const at::Tensor& x : {result.mean, result.rstd}) {
    TORCH_CHECK(x.sym_sizes() == e.y.sym_sizes().slice(0, 2), kName, ": mean and rstd have shape ",
                x.sym_sizes(), ", expected (B, N) = ", e.y.sym_sizes().slice(0, 2));
    TORCH_CHECK(x.scalar_type() == compute_type(e.y.scalar_type()), kName, ": mean and rstd are ",
                x.scalar_type(), ", expected ", compute_type(e.y.scalar_type()));
  }
}

EpilogueResult reference_epilogue_forward(const Epilogue& e) {
  const at::Tensor x = normalised_input(e);
  const at::ScalarType dtype = x.scalar_type();
  auto [normed, mean, rstd] =
      at::native_layer_norm(x, {x.size(-1)}, e.weight.to(dtype), e.bias.to(dtype), e.eps);
  const at::Tensor out = e.gate.defined() ? normed * at::silu(e.gate.to(dtype)) : normed;
  return {out.to(e.y.scalar_type()).contiguous(), mean.squeeze(-1), rstd.squeeze(-1)};
}

EpilogueGradients reference_epilogue_backward(const Epilogue& e,
                                              const EpilogueResult& result,
                                              const at::Tensor& dout) {
  const at::Tensor x = normalised_input(e);
  const at::ScalarType dtype = x.scalar_type();
  const at::Tensor wide = dout.to(dtype);
  const at::Tensor dnormed = e.gate.defined() ? wide * at::silu(e.gate.to(dtype)) : wide;
  const auto [dx, dweight, dbias] = at::native_layer_norm_backward(
      dnormed, x, {x.size(-1)}, result.mean.unsqueeze(-1), result.rstd.unsqueeze(-1),
      e.weight.to(dtype), e.bias.to(dtype), {true, true, true});
  const at::Tensor dgate =
      e.gate.defined() ? gate_gradient(e, result, wide).to(e.gate.scalar_type()).contiguous()
                       : at::empty({0}, e.y.options());
  return {dx.to(e.y.scalar_type()).contiguous(), dgate, dweight.to(e.weight.scalar_type()),
          dbias.to(e.bias.scalar_type())};
}

EpilogueResult meta_epilogue_forward(const Epilogue& e) {
  const auto options = e.y.options().dtype(compute_type(e.y.scalar_type()));
  const auto rows = e.y.sym_sizes().slice(0, 2);
  return {contiguous_like(e.y), at::empty_symint(rows, options), at::empty_symint(rows, options)};
}

EpilogueGradients meta_epilogue_backward(const Epilogue& e,
                                         const EpilogueResult&,
                                         const at::Tensor&) {
  return {contiguous_like(e.y),
          e.gate.defined() ? contiguous_like(e.gate) : at::empty({0}, e.y.options()),
          contiguous_like(e.weight), contiguous_like(e.bias)};
}

EpilogueResult dispatch_epilogue_forward(const Epilogue& e) {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("nala::attention_epilogue_forward", "")
                                 .typed<EpilogueForwardSchema>();
  auto [out, mean, rstd] =
      handle.call(e.y, or_none(e.lepe), or_none(e.gate), e.weight, e.bias, e.eps);
  return {std::move(out), std::move(mean), std::move(rstd)};
}

EpilogueGradients dispatch_epilogue_backward(const Epilogue& e,
                                             const EpilogueResult& result,
                                             const at::Tensor& dout) {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("nala::attention_epilogue_backward", "")
                                 .typed<EpilogueBackwardSchema>();
  auto [dx, dgate, dweight, dbias] = handle.call(dout, e.y, or_none(e.lepe), or_none(e.gate),
                                                 e.weight, e.bias, result.mean, result.rstd);
  return {std::move(dx), std::move(dgate), std::move(dweight), std::move(dbias)};
}

}  // namespace nala::ops
