#include "ops/depthwise.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>

#include "ops/cpu/chunks.h"
#include "ops/cpu/machine.h"
#include "ops/once_differentiable.h"

namespace nala::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of a picture per piece of work, and per partial sum of the parameters' gradients.
constexpr int64_t kBandRows = 8;
constexpr int64_t kLargestKernel = 5;

const cpu::LayerKernels* machine_layers() {
  static const cpu::LayerKernels* const kernels =
      cpu::machine_kernels(cpu::Precision::float32).layers;
  return kernels;
}

bool has_kernel(const Depthwise& call) {
  const auto is_float = [](const at::Tensor& x) {
    return x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat;
  };
  const int64_t kernel = call.weight.size(-1);
  return is_float(call.map) && is_float(call.weight) && is_float(call.bias) &&
         call.map.numel() > 0 && (kernel == 3 || kernel == 5) && machine_layers() != nullptr;
}

at::Tensor with_adjacent_channels(const at::Tensor& map) {
  return map.stride(1) == 1 || map.size(1) == 1 ? map
                                                : map.contiguous(at::MemoryFormat::ChannelsLast);
}

// A channels-last map in memory, and zeros for the rows outside of it.
class Rows {
 public:
  explicit Rows(const at::Tensor& map)
      : data_(map.const_data_ptr<float>()),
        height_(map.size(2)),
        batch_stride_(map.stride(0)),
        row_stride_(map.stride(2)),
        pixel_stride_(map.stride(3)),
        zeros_(at::zeros({map.size(3) * map.stride(3) + map.size(1)}, map.options())) {}

  using Window = std::array<const float*, kLargestKernel>;

  // The rows that a kernel of that size sees around row y.
  [[nodiscard]] Window around(int64_t picture, int64_t y, int64_t kernel) const {
    Window window{};
    for (int64_t i = 0; i < kernel; ++i) {
      const int64_t from = y + i - kernel / 2;
      window[static_cast<size_t>(i)] =
          from >= 0 && from < height_ ? row(picture, from) : zeros_.const_data_ptr<float>();
    }
    return window;
  }
  [[nodiscard]] const float* row(int64_t picture, int64_t y) const {
    return data_ + picture * batch_stride_ + y * row_stride_;
  }
  [[nodiscard]] int64_t pixel_stride() const { return pixel_stride_; }

 private:
  const float* data_;
  int64_t height_, batch_stride_, row_stride_, pixel_stride_;
  at::Tensor zeros_;
};

// Calls run(band, picture, y) for every row, bands of a picture's rows in parallel.
template <class Run>
void for_each_row(const at::Tensor& map, const Run& run) {
  const int64_t height = map.size(2);
  const int64_t bands = (height + kBandRows - 1) / kBandRows;
  cpu::for_each_item(map.size(0) * bands, 0, [&](int64_t item, float*) {
    const int64_t first = item % bands * kBandRows;
    for (int64_t y = first; y < std::min(height, first + kBandRows); ++y) {
      run(item, item / bands, y);
    }
  });
}

int64_t bands_of(const at::Tensor& map) {
  return map.size(0) * ((map.size(2) + kBandRows - 1) / kBandRows);
}

// (C, 1, k, k) as (k^2, C), the residual in the middle.
at::Tensor taps(const at::Tensor& weight, bool residual) {
  at::Tensor rows = weight.flatten(1).t().clone(at::MemoryFormat::Contiguous);  // (k^2, C)
  if (residual) {
    rows[rows.size(0) / 2] += 1;
  }
  return rows;
}

at::Tensor convolved(const at::Tensor& map, const at::Tensor& weights, const at::Tensor& bias) {
  const Rows rows(map);
  at::Tensor out = at::empty(
      map.sizes(), map.options().memory_format(at::MemoryFormat::ChannelsLast));  // (B, C, H, W)
  const int64_t channels = map.size(1);
  const int64_t width = map.size(3);
  const int64_t kernel = weights.size(0) == 9 ? 3 : 5;
  auto* const result = out.mutable_data_ptr<float>();
  for_each_row(map, [&](int64_t, int64_t picture, int64_t y) {
    const Rows::Window window = rows.around(picture, y, kernel);
    machine_layers()->depthwise_row({.rows = window.data(),
                                     .pixel_stride = rows.pixel_stride(),
                                     .width = width,
                                     .channels = channels,
                                     .kernel = static_cast<int>(kernel),
                                     .weights = weights.const_data_ptr<float>(),
                                     .weight_stride = channels,
                                     .bias = bias.const_data_ptr<float>(),
                                     .out = result + (picture * map.size(2) + y) * width * channels,
                                     .out_stride = channels});
  });
  return out;
}

// Of weights (k^2, C) and bias (C), in one tensor (k^2 + 1, C).
at::Tensor parameter_gradients(const at::Tensor& map, const at::Tensor& gradient, int64_t kernel) {
  const Rows rows(map);
  const Rows from(gradient);
  const int64_t channels = map.size(1);
  const int64_t values = (kernel * kernel + 1) * channels;
  const at::Tensor sums = at::zeros({bands_of(map), kernel * kernel + 1, channels}, map.options());
  auto* const bands = sums.mutable_data_ptr<float>();
  for_each_row(map, [&](int64_t band, int64_t picture, int64_t y) {
    const Rows::Window window = rows.around(picture, y, kernel);
    machine_layers()->depthwise_gradient_row({.rows = window.data(),
                                              .pixel_stride = rows.pixel_stride(),
                                              .width = map.size(3),
                                              .channels = channels,
                                              .kernel = static_cast<int>(kernel),
                                              .gradient = from.row(picture, y),
                                              .gradient_stride = from.pixel_stride(),
                                              .sums = bands + band * values});
  });
  return sums.sum(0);
}

class DepthwiseFunction : public torch::autograd::Function<DepthwiseFunction> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& given,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            bool residual) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const at::Tensor map = with_adjacent_channels(given);
    context->save_for_backward({map, weight});
    context->saved_data["residual"] = residual;
    return convolved(map, taps(weight, residual), bias.contiguous());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& weight = saved[1];
    const int64_t kernel = weight.size(-1);
    at::Tensor dmap;
    at::Tensor sums;
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      const at::Tensor gradient = with_adjacent_channels(gradients[0]);
      if (context->needs_input_grad(0)) {
        const at::Tensor flipped =
            taps(weight, context->saved_data["residual"].toBool()).flip(0);  // (k^2, C)
        dmap = convolved(gradient, flipped, at::zeros({weight.size(0)}, weight.options()));
      }
      sums = parameter_gradients(saved[0], gradient, kernel);
    }
    const at::Tensor dweight =
        sums.narrow(0, 0, kernel * kernel).t().reshape(weight.sizes());  // (C, 1, k, k)
    variable_list all =
        once_differentiable("nala::depthwise", {dmap, dweight, sums[kernel * kernel]});
    all.resize(4);  // none for the residual
    return all;
  }
};

}  // namespace

at::Tensor depthwise(const Depthwise& call) {
  const at::Tensor& weight = call.weight;
  if (has_kernel(call)) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    return DepthwiseFunction::apply(call.map, weight, call.bias, call.residual);
  }
  const at::Tensor y = at::conv2d(call.map, weight, call.bias, /*stride=*/1, weight.size(-1) / 2,
                                  /*dilation=*/1, weight.size(0));  // (B, C, H, W)
  return call.residual ? call.map + y : y;
}

}  // namespace nala::ops
