// nala::attention_epilogue_forward and _backward on CUDA tensors. Calls that the kernels do not
// serve (float64, C no multiple of four) go to what is registered for every device.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <limits>

#include "epilogue_launch.h"
#include "ops/cuda/every_device.h"
#include "ops/cuda/tensor_memory.h"
#include "ops/epilogue_kernels.h"

namespace nala::cuda {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

constexpr const char* kName = "nala::attention_epilogue";

bool known_dtype(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16 ||
         x.scalar_type() == at::kHalf;
}

bool matches(const OptionalTensor& x, const at::Tensor& y) {
  return !x || (known_dtype(*x) && x->sizes() == y.sizes() && x->device() == y.device());
}

bool is_parameter(const at::Tensor& x, const at::Tensor& y) {
  return x.dim() == 1 && x.size(0) == y.size(2) && x.device() == y.device() && known_dtype(x);
}

// Anything unusual, errors included, is left to the general implementation and its messages.
bool serves(const at::Tensor& y,
            const OptionalTensor& lepe,
            const OptionalTensor& gate,
            const at::Tensor& weight,
            const at::Tensor& bias) {
  return y.dim() == 3 && known_dtype(y) && y.numel() > 0 && y.size(2) % 4 == 0 &&
         y.size(2) <= kMostEpilogueChannels &&
         y.size(0) * y.size(1) <= std::numeric_limits<int>::max() / 2 && matches(lepe, y) &&
         matches(gate, y) && is_parameter(weight, y) && is_parameter(bias, y);
}

Dtype dtype_of(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kBFloat16:
      return Dtype::bfloat16;
    case at::kHalf:
      return Dtype::float16;
    default:
      return Dtype::float32;
  }
}

TokenRows rows_of(const at::Tensor& x) {
  return {x.data_ptr(), dtype_of(x), x.stride(0), x.stride(1)};
}

// The inputs as the kernels read them; keeps them alive.
struct Inputs {
  at::Tensor y, lepe, gate, weight, bias;

  Inputs(const at::Tensor& given_y,
         const OptionalTensor& given_lepe,
         const OptionalTensor& given_gate,
         const at::Tensor& given_weight,
         const at::Tensor& given_bias)
      : y(readable(given_y)),
        lepe(given_lepe ? readable(*given_lepe) : at::Tensor()),
        gate(given_gate ? readable(*given_gate) : at::Tensor()),
        weight(readable(given_weight.to(at::kFloat))),
        bias(readable(given_bias.to(at::kFloat))) {}

  EpilogueInputs view(const at::Tensor& mean, const at::Tensor& rstd) const {
    EpilogueInputs in;
    in.rows = static_cast<int>(y.size(0) * y.size(1));
    in.tokens = static_cast<int>(y.size(1));
    in.channels = static_cast<int>(y.size(2));
    in.y = rows_of(y);
    in.lepe = lepe.defined() ? rows_of(lepe) : TokenRows{};
    in.gate = gate.defined() ? rows_of(gate) : TokenRows{};
    in.weight = weight.const_data_ptr<float>();
    in.bias = bias.const_data_ptr<float>();
    in.mean = mean.data_ptr<float>();
    in.rstd = rstd.data_ptr<float>();
    return in;
  }
};

std::tuple<at::Tensor, at::Tensor, at::Tensor> forward(const at::Tensor& y,
                                                       const OptionalTensor& lepe,
                                                       const OptionalTensor& gate,
                                                       const at::Tensor& weight,
                                                       const at::Tensor& bias,
                                                       double eps) {
  if (!serves(y, lepe, gate, weight, bias)) {
    static const auto general = c10::Dispatcher::singleton()
                                    .findSchemaOrThrow("nala::attention_epilogue_forward", "")
                                    .typed<ops::EpilogueForwardSchema>();
    return general.redispatch(kEveryDevice, y, lepe, gate, weight, bias, eps);
  }
  const c10::cuda::CUDAGuard device(y.device());
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Inputs inputs(y, lepe, gate, weight, bias);
  const auto floats = y.options().dtype(at::kFloat);
  const at::Tensor out = at::empty(y.sizes(), y.options());           // (B, N, C)
  const at::Tensor mean = at::empty({y.size(0), y.size(1)}, floats);  // (B, N)
  const at::Tensor rstd = at::empty({y.size(0), y.size(1)}, floats);  // (B, N)
  launch_epilogue_forward({inputs.view(mean, rstd), static_cast<float>(eps), rows_of(out)},
                          c10::cuda::getCurrentCUDAStream().stream());
  return {out, mean, rstd};
}

void check_backward(const at::Tensor& dout,
                    const at::Tensor& y,
                    const at::Tensor& mean,
                    const at::Tensor& rstd) {
  TORCH_CHECK(dout.sizes() == y.sizes() && dout.device() == y.device(), kName, ": dout has shape ",
              dout.sizes(), ", y has ", y.sizes(), "; they must be equal");
  for (const at::Tensor& x : {mean, rstd}) {
    TORCH_CHECK(x.sizes() == y.sizes().slice(0, 2) && x.scalar_type() == at::kFloat &&
                    x.is_contiguous() && x.device() == y.device(),
                kName, ": mean and rstd are not what the forward returned: shape ", x.sizes(),
                ", expected contiguous float32 ", y.sizes().slice(0, 2));
  }
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward(const at::Tensor& dout,
                                                                    const at::Tensor& y,
                                                                    const OptionalTensor& lepe,
                                                                    const OptionalTensor& gate,
                                                                    const at::Tensor& weight,
                                                                    const at::Tensor& bias,
                                                                    const at::Tensor& mean,
                                                                    const at::Tensor& rstd) {
  if (!serves(y, lepe, gate, weight, bias) || !known_dtype(dout)) {
    static const auto general = c10::Dispatcher::singleton()
                                    .findSchemaOrThrow("nala::attention_epilogue_backward", "")
                                    .typed<ops::EpilogueBackwardSchema>();
    return general.redispatch(kEveryDevice, dout, y, lepe, gate, weight, bias, mean, rstd);
  }
  check_backward(dout, y, mean, rstd);
  const c10::cuda::CUDAGuard device(y.device());
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Inputs inputs(y, lepe, gate, weight, bias);
  const at::Tensor readable_dout = readable(dout);
  const auto floats = y.options().dtype(at::kFloat);
  const at::Tensor dx = at::empty(y.sizes(), y.options());               // (B, N, C)
  const at::Tensor dgate = gate ? at::empty(y.sizes(), gate->options())  // (B, N, C)
                                : at::empty({0}, y.options());
  const at::Tensor dweight = at::empty({y.size(2)}, floats);  // (C)
  const at::Tensor dbias = at::empty({y.size(2)}, floats);    // (C)
  const EpilogueInputs in = inputs.view(mean, rstd);
  const at::Tensor partial = at::empty({epilogue_workspace_floats(in)}, floats);
  launch_epilogue_backward(
      {in, rows_of(readable_dout), rows_of(dx), gate ? rows_of(dgate) : TokenRows{},
       dweight.data_ptr<float>(), dbias.data_ptr<float>(), partial.data_ptr<float>()},
      c10::cuda::getCurrentCUDAStream().stream());
  return {dx, dgate, dweight.to(weight.scalar_type()), dbias.to(bias.scalar_type())};
}

}  // namespace
}  // namespace nala::cuda

TORCH_LIBRARY_IMPL(nala, CUDA, library) {
  library.impl("attention_epilogue_forward", TORCH_FN(nala::cuda::forward));
  library.impl("attention_epilogue_backward", TORCH_FN(nala::cuda::backward));
}
