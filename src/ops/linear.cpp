#include "ops/linear.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "ops/cpu/chunks.h"
#include "ops/cpu/machine.h"
#include "ops/once_differentiable.h"

namespace nala::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const cpu::LayerKernels* sum_kernels() {
  static const cpu::LayerKernels* const kernels =
      cpu::machine_kernels(cpu::Precision::float32).layers;
  return kernels;
}

bool has_kernels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto is_float = [](const at::Tensor& t) {
    return t.defined() && t.is_cpu() && t.scalar_type() == at::kFloat;
  };
  return is_float(x) && is_float(weight) && is_float(bias) && x.numel() > 0 && weight.size(1) > 1 &&
         !at::autocast::is_autocast_enabled(at::kCPU) && at::globalContext().userEnabledMkldnn() &&
         sum_kernels() != nullptr;
}

// x (rows, in) times the transpose of w (out, in), plus bias (out) where it is defined: (rows,
// out). oneDNN's 1x1 convolution reads both as they are, and is faster than MKL's product on
// processors that are not Intel's.
at::Tensor times_transposed(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  const at::Tensor map = x.unsqueeze(0).unsqueeze(2).permute({0, 3, 1, 2});  // (1, in, rows, 1)
  const at::Tensor kernel = w.unsqueeze(-1).unsqueeze(-1);                   // (out, in, 1, 1)
  const at::Tensor y =
      at::mkldnn_convolution(map, kernel, bias.defined() ? std::optional(bias) : std::nullopt,
                             /*padding=*/{0, 0}, /*stride=*/{1, 1}, /*dilation=*/{1, 1},
                             /*groups=*/1);  // (1, out, rows, 1)
  return y.permute({0, 2, 3, 1}).reshape({x.size(0), w.size(0)});
}

// The sum over rows of x (rows, columns): (columns).
at::Tensor sum_of_rows(const at::Tensor& x) {
  constexpr int64_t kRows = 1024;  // of a piece of work
  constexpr int64_t kAtOnce = 8;   // so that sums are loaded and stored once for all of them
  const int64_t rows = x.size(0);
  const int64_t columns = x.size(1);
  const int64_t pieces = (rows + kRows - 1) / kRows;
  const at::Tensor sums = at::zeros({pieces, columns}, x.options());
  const auto* const from = x.const_data_ptr<float>();
  auto* const to = sums.mutable_data_ptr<float>();
  cpu::for_each_item(pieces, 0, [&](int64_t piece, float*) {
    const int64_t last = std::min(rows, (piece + 1) * kRows);
    for (int64_t row = piece * kRows; row < last; row += kAtOnce) {
      sum_kernels()->add_rows(from + row * columns, columns, std::min(kAtOnce, last - row), columns,
                              to + piece * columns);
    }
  });
  return sums.sum(0);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::Tensor& weight,
                            const at::Tensor& bias) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const at::Tensor rows = x.reshape({-1, x.size(-1)}).contiguous();  // (rows, in)
    context->save_for_backward({rows, weight});
    auto shape = x.sizes().vec();
    context->saved_data["shape"] = shape;
    shape.back() = weight.size(0);
    return times_transposed(rows, weight, bias).view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& rows = saved[0];
    const at::Tensor& weight = saved[1];
    at::Tensor dx;
    at::Tensor dweight;
    at::Tensor dbias;
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      const at::Tensor gradient =
          gradients[0].reshape({rows.size(0), weight.size(0)}).contiguous();  // (rows, out)
      if (context->needs_input_grad(0)) {
        dx = times_transposed(gradient, weight.t().contiguous(), {})
                 .view(context->saved_data["shape"].toIntVector());
      }
      if (context->needs_input_grad(1)) {
        dweight = at::mm(gradient.t(), rows);  // (out, in)
      }
      if (context->needs_input_grad(2)) {
        dbias = sum_of_rows(gradient);  // (out)
      }
    }
    return once_differentiable("nala::linear", {dx, dweight, dbias});
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!has_kernels(x, weight, bias)) {
    return at::linear(x, weight, bias);
  }
  RECORD_FUNCTION("nala::linear", std::vector<c10::IValue>({x, weight, bias}));
  return LinearFunction::apply(x, weight, bias);
}

}  // namespace nala::ops
