#include "ops/depthwise.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cstddef>

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
  const bool fits = is_float(call.map) ||
                    (call.map.is_cpu() && call.map.scalar_type() == at::ScalarType::BFloat16);
  return fits && is_float(call.weight) && is_float(call.bias) && call.map.numel() > 0 &&
         (kernel == 3 || kernel == 5) && machine_layers() != nullptr;
}

// The parts of a call beside its tensors.
struct Form {
  int64_t kernel = 3;
  bool residual = false;
  cpu::Activation activation = cpu::Activation::none;
};

bool is_bfloat16(const at::Tensor& x) {
  return x.scalar_type() == at::ScalarType::BFloat16;
}

// Whether kernels read the map's rows where they are.
bool read_in_place(const at::Tensor& map, cpu::Activation activation) {
  return !is_bfloat16(map) && activation == cpu::Activation::none;
}

// The map as kernels can read it: adjacent channels, and adjacent pixels if rows are to be
// prepared.
at::Tensor readable(const at::Tensor& map, cpu::Activation activation) {
  const int64_t channels = map.size(1);
  const bool adjacent = map.stride(1) == 1 || channels == 1;
  const bool dense = map.stride(3) == channels || map.size(3) == 1;
  return adjacent && (dense || read_in_place(map, activation))
             ? map
             : map.contiguous(at::MemoryFormat::ChannelsLast);
}

// The rows of a channels-last map, as they are stored.
struct StoredRows {
  StoredRows(const at::Tensor& map, cpu::Activation what)
      : data(static_cast<const std::byte*>(map.const_data_ptr())),
        value_bytes(static_cast<int64_t>(map.element_size())),
        height(map.size(2)),
        row_floats(map.size(3) * map.size(1)),
        batch_stride(map.stride(0)),
        row_stride(map.stride(2)),
        in_place(read_in_place(map, what)),
        pixel_stride(in_place ? map.stride(3) : map.size(1)),
        activation(what),
        zeros(at::zeros({map.size(3) * pixel_stride + map.size(1)}, at::kFloat)) {}

  [[nodiscard]] const void* row(int64_t picture, int64_t y) const {
    return data + (picture * batch_stride + y * row_stride) * value_bytes;
  }
  [[nodiscard]] bool bfloat16() const { return value_bytes == 2; }
  // Floats that a window of that many rows wants.
  [[nodiscard]] int64_t window_floats(int64_t kernel) const {
    return in_place ? 0 : kernel * row_floats;
  }

  const std::byte* data;
  int64_t value_bytes, height, row_floats, batch_stride, row_stride;
  bool in_place;
  int64_t pixel_stride;
  cpu::Activation activation;
  at::Tensor zeros;  // a row outside of the map
};

// The rows that a kernel sees, moving down a picture; rows are prepared once each.
class Window {
 public:
  Window(const StoredRows& rows, int64_t picture, int64_t kernel, float* space)
      : rows_(rows), picture_(picture), kernel_(kernel), space_(space) {}

  // Around row y, which must not become smaller.
  const float* const* around(int64_t y) {
    for (int64_t i = 0; i < kernel_; ++i) {
      const int64_t from = y + i - kernel_ / 2;
      seen_[static_cast<size_t>(i)] =
          from >= 0 && from < rows_.height ? row(from) : rows_.zeros.const_data_ptr<float>();
    }
    return seen_.data();
  }

 private:
  const float* row(int64_t y) {
    const void* const stored = rows_.row(picture_, y);
    if (rows_.in_place) {
      return static_cast<const float*>(stored);
    }
    float* const slot = space_ + y % kernel_ * rows_.row_floats;
    if (y > prepared_) {
      machine_layers()->read_values({.in = stored,
                                     .in_bfloat16 = rows_.bfloat16(),
                                     .activation = rows_.activation,
                                     .count = rows_.row_floats,
                                     .out = slot});
      prepared_ = y;
    }
    return slot;
  }

  const StoredRows& rows_;
  int64_t picture_, kernel_;
  float* space_;
  int64_t prepared_ = -1;
  std::array<const float*, kLargestKernel> seen_{};
};

// Some rows of a picture: a piece of work.
struct Band {
  int64_t index, picture, first, last;
};

int64_t bands_of(const at::Tensor& map) {
  return map.size(0) * ((map.size(2) + kBandRows - 1) / kBandRows);
}

template <class Run>
void for_each_band(const at::Tensor& map, int64_t floats, const Run& run) {
  const int64_t height = map.size(2);
  const int64_t bands = (height + kBandRows - 1) / kBandRows;
  cpu::for_each_item(
      map.size(0) * bands, static_cast<size_t>(floats), [&](int64_t item, float* scratch) {
        const int64_t first = item % bands * kBandRows;
        run(Band{item, item / bands, first, std::min(height, first + kBandRows)}, scratch);
      });
}

// (C, 1, k, k) as (k^2, C), the residual in the middle.
at::Tensor taps(const at::Tensor& weight, bool residual) {
  at::Tensor rows = weight.flatten(1).t().clone(at::MemoryFormat::Contiguous);  // (k^2, C)
  if (residual) {
    rows[rows.size(0) / 2] += 1;
  }
  return rows;
}

at::Tensor channels_last_like(const at::Tensor& map) {
  return at::empty(map.sizes(), map.options().memory_format(at::MemoryFormat::ChannelsLast));
}

at::Tensor convolved(const at::Tensor& map,
                     const at::Tensor& weights,
                     const at::Tensor& bias,
                     const Form& form) {
  const StoredRows rows(map, form.activation);
  const at::Tensor out = channels_last_like(map);  // (B, C, H, W)
  const int64_t channels = map.size(1);
  auto* const result = static_cast<std::byte*>(out.mutable_data_ptr());
  for_each_band(map, rows.window_floats(form.kernel), [&](const Band& band, float* scratch) {
    Window window(rows, band.picture, form.kernel, scratch);
    for (int64_t y = band.first; y < band.last; ++y) {
      const int64_t first = (band.picture * rows.height + y) * rows.row_floats;
      machine_layers()->depthwise_row({.rows = window.around(y),
                                       .pixel_stride = rows.pixel_stride,
                                       .width = map.size(3),
                                       .channels = channels,
                                       .kernel = static_cast<int>(form.kernel),
                                       .weights = weights.const_data_ptr<float>(),
                                       .weight_stride = channels,
                                       .bias = bias.const_data_ptr<float>(),
                                       .out = result + first * rows.value_bytes,
                                       .out_stride = channels,
                                       .out_bfloat16 = rows.bfloat16()});
    }
  });
  return out;
}

struct DepthwiseGradients {
  at::Tensor map;         // (B, C, H, W), like the map; undefined unless wanted
  at::Tensor parameters;  // (k^2 + 1, C) float32, of the weights, then of the bias
};

// One pass over map and gradient: what was convolved is computed again.
class BackwardPass {
 public:
  BackwardPass(const at::Tensor& map,
               const at::Tensor& gradient,
               const at::Tensor& weight,
               const Form& form,
               bool wants_map)
      : map_(map),
        form_(form),
        channels_(map.size(1)),
        rows_(map, form.activation),
        gradient_(gradient, cpu::Activation::none),
        flipped_(taps(weight, form.residual).flip(0)),
        no_bias_(at::zeros({channels_}, at::kFloat)),
        dmap_(wants_map ? channels_last_like(map) : at::Tensor()),
        sums_(at::zeros({bands_of(map), form.kernel * form.kernel + 1, channels_}, at::kFloat)) {}

  DepthwiseGradients run() {
    const int64_t windows =
        rows_.window_floats(form_.kernel) + gradient_.window_floats(form_.kernel);
    for_each_band(map_, windows + rows_.row_floats, [&](const Band& band, float* scratch) {
      Window values(rows_, band.picture, form_.kernel, scratch);
      Window gradients(gradient_, band.picture, form_.kernel,
                       scratch + rows_.window_floats(form_.kernel));
      for (int64_t y = band.first; y < band.last; ++y) {
        const float* const* const seen = gradients.around(y);
        add_parameters(band, values.around(y), seen[form_.kernel / 2]);
        if (dmap_.defined()) {
          write_map(band.picture, y, seen, scratch + windows);
        }
      }
    });
    return {dmap_, sums_.sum(0)};
  }

 private:
  void add_parameters(const Band& band, const float* const* values, const float* gradient) {
    const int64_t floats = (form_.kernel * form_.kernel + 1) * channels_;
    machine_layers()->depthwise_gradient_row(
        {.rows = values,
         .pixel_stride = rows_.pixel_stride,
         .width = map_.size(3),
         .channels = channels_,
         .kernel = static_cast<int>(form_.kernel),
         .gradient = gradient,
         .gradient_stride = gradient_.pixel_stride,
         .sums = sums_.mutable_data_ptr<float>() + band.index * floats});
  }

  void write_map(int64_t picture, int64_t y, const float* const* gradients, float* space) {
    const int64_t first = (picture * rows_.height + y) * rows_.row_floats;
    auto* const out = static_cast<std::byte*>(dmap_.mutable_data_ptr()) + first * rows_.value_bytes;
    float* const before = rows_.in_place ? static_cast<float*>(static_cast<void*>(out)) : space;
    machine_layers()->depthwise_row({.rows = gradients,
                                     .pixel_stride = gradient_.pixel_stride,
                                     .width = map_.size(3),
                                     .channels = channels_,
                                     .kernel = static_cast<int>(form_.kernel),
                                     .weights = flipped_.const_data_ptr<float>(),
                                     .weight_stride = channels_,
                                     .bias = no_bias_.const_data_ptr<float>(),
                                     .out = before,
                                     .out_stride = channels_});
    if (!rows_.in_place) {
      machine_layers()->read_gradient({.gradient = before,
                                       .in = rows_.row(picture, y),
                                       .bfloat16 = rows_.bfloat16(),
                                       .activation = form_.activation,
                                       .count = rows_.row_floats,
                                       .out = out});
    }
  }

  const at::Tensor& map_;
  Form form_;
  int64_t channels_;
  StoredRows rows_, gradient_;
  at::Tensor flipped_;  // (k^2, C)
  at::Tensor no_bias_;  // (C)
  at::Tensor dmap_;
  at::Tensor sums_;  // (bands, k^2 + 1, C)
};

class DepthwiseFunction : public torch::autograd::Function<DepthwiseFunction> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& given,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            bool residual,
                            bool gelu) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const Form form = form_of(weight, residual, gelu);
    const at::Tensor map = readable(given, form.activation);
    context->save_for_backward({map, weight});
    context->saved_data["residual"] = residual;
    context->saved_data["gelu"] = gelu;
    return convolved(map, taps(weight, residual), bias.contiguous(), form);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& map = saved[0];
    const at::Tensor& weight = saved[1];
    const Form form = form_of(weight, context->saved_data["residual"].toBool(),
                              context->saved_data["gelu"].toBool());
    DepthwiseGradients found;
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      const at::Tensor gradient =
          readable(gradients[0].to(map.scalar_type()), cpu::Activation::none);
      found = BackwardPass(map, gradient, weight, form, context->needs_input_grad(0)).run();
    }
    const int64_t taps_count = form.kernel * form.kernel;
    const at::Tensor dweight =
        found.parameters.narrow(0, 0, taps_count).t().reshape(weight.sizes());  // (C, 1, k, k)
    variable_list all =
        once_differentiable("nala::depthwise", {found.map, dweight, found.parameters[taps_count]});
    all.resize(5);  // none for residual and gelu
    return all;
  }

 private:
  static Form form_of(const at::Tensor& weight, bool residual, bool gelu) {
    return {weight.size(-1), residual, gelu ? cpu::Activation::gelu : cpu::Activation::none};
  }
};

}  // namespace

at::Tensor depthwise(const Depthwise& call) {
  const at::Tensor& weight = call.weight;
  if (has_kernel(call)) {
    RECORD_FUNCTION("nala::depthwise", std::vector<c10::IValue>({call.map, weight, call.bias}));
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    return DepthwiseFunction::apply(call.map, weight, call.bias, call.residual, call.gelu);
  }
  const at::Tensor x = call.gelu ? at::gelu(call.map) : call.map;  // (B, C, H, W)
  const at::Tensor y = at::conv2d(x, weight, call.bias, /*stride=*/1, weight.size(-1) / 2,
                                  /*dilation=*/1, weight.size(0));  // (B, C, H, W)
  return call.residual ? x + y : y;
}

}  // namespace nala::ops
