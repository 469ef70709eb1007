#include "ops/cpu/epilogue.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <vector>

#include "ops/cpu/epilogue_rows.h"
#include "ops/cpu/machine.h"

namespace nala::ops::cpu {
namespace {

// Rows per piece of work, and per partial sum of the parameters' gradients.
constexpr int64_t kChunk = 256;

std::optional<RowType> row_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return RowType::float32;
    case at::kBFloat16:
      return RowType::bfloat16;
    case at::kHalf:
      return RowType::float16;
    default:
      return std::nullopt;
  }
}

// The kernels, unless one of the tensors is of a dtype that they do not know.
const EpilogueKernels* kernels_for(std::initializer_list<const at::Tensor*> tensors) {
  static const EpilogueKernels* const kernels = machine_kernels(Precision::float32).epilogue;
  const bool known = std::ranges::all_of(
      tensors, [](const at::Tensor* x) { return !x->defined() || row_type(x->scalar_type()); });
  return known ? kernels : nullptr;
}

// With channels adjacent; a copy only where they are not.
at::Tensor with_adjacent_channels(const at::Tensor& x) {
  return !x.defined() || x.stride(2) == 1 || x.size(2) == 1 ? x : x.contiguous();
}

RowsIn rows_in(const at::Tensor& x) {
  if (!x.defined()) {
    return {};
  }
  return {.data = x.const_data_ptr(),
          .type = *row_type(x.scalar_type()),
          .batch_stride = x.stride(0),
          .token_stride = x.stride(1)};
}

RowsOut rows_out(const at::Tensor& x) {
  return {.data = x.mutable_data_ptr(), .type = *row_type(x.scalar_type())};
}

at::Tensor as_float(const at::Tensor& parameter) {
  return parameter.to(at::kFloat).contiguous();
}

// Calls run(chunk, range) for every chunk of rows, in parallel.
template <class Run>
void for_each_chunk(const EpilogueShape& shape, int64_t rows, const Run& run) {
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(epilogue_scratch(shape.channels));
    for (int64_t chunk = first; chunk < last; ++chunk) {
      run(chunk, RowRange{chunk * kChunk, std::min(rows, (chunk + 1) * kChunk), scratch.data()});
    }
  });
}

Epilogue prepared(const Epilogue& e) {
  return {with_adjacent_channels(e.y),
          with_adjacent_channels(e.lepe),
          with_adjacent_channels(e.gate),
          as_float(e.weight),
          as_float(e.bias),
          e.eps};
}

}  // namespace

EpilogueResult epilogue_forward(const Epilogue& given) {
  const EpilogueKernels* kernels = kernels_for({&given.y, &given.lepe, &given.gate});
  if (kernels == nullptr) {
    return reference_epilogue_forward(given);
  }
  const Epilogue e = prepared(given);
  const auto options = e.y.options().dtype(at::kFloat);
  const EpilogueResult result{.out = at::empty(e.y.sizes(), e.y.options()),             // (B, N, C)
                              .mean = at::empty({e.y.size(0), e.y.size(1)}, options),   // (B, N)
                              .rstd = at::empty({e.y.size(0), e.y.size(1)}, options)};  // (B, N)
  const EpilogueForward call{.shape = {.tokens = e.y.size(1), .channels = e.y.size(2)},
                             .y = rows_in(e.y),
                             .lepe = rows_in(e.lepe),
                             .gate = rows_in(e.gate),
                             .weight = e.weight.const_data_ptr<float>(),
                             .bias = e.bias.const_data_ptr<float>(),
                             .eps = static_cast<float>(e.eps),
                             .out = rows_out(result.out),
                             .mean = result.mean.mutable_data_ptr<float>(),
                             .rstd = result.rstd.mutable_data_ptr<float>()};
  for_each_chunk(call.shape, result.mean.numel(),
                 [&](int64_t, const RowRange& range) { kernels->forward(call, range); });
  return result;
}

EpilogueGradients epilogue_backward(const Epilogue& given,
                                    const EpilogueResult& result,
                                    const at::Tensor& given_dout) {
  const EpilogueKernels* kernels = kernels_for({&given.y, &given.lepe, &given.gate, &given_dout});
  if (kernels == nullptr) {
    return reference_epilogue_backward(given, result, given_dout);
  }
  const Epilogue e = prepared(given);
  const at::Tensor dout = with_adjacent_channels(given_dout);
  const at::Tensor mean = result.mean.contiguous();
  const at::Tensor rstd = result.rstd.contiguous();
  const int64_t rows = mean.numel();
  const int64_t channels = e.y.size(2);
  const at::Tensor dx = at::empty(e.y.sizes(), e.y.options());  // (B, N, C)
  const at::Tensor dgate = e.gate.defined() ? at::empty(e.gate.sizes(), e.gate.options())
                                            : at::empty({0}, e.y.options());
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  const at::Tensor sums = at::empty({chunks, 2, channels}, e.weight.options());
  const EpilogueBackward call{.shape = {.tokens = e.y.size(1), .channels = channels},
                              .dout = rows_in(dout),
                              .y = rows_in(e.y),
                              .lepe = rows_in(e.lepe),
                              .gate = rows_in(e.gate),
                              .weight = e.weight.const_data_ptr<float>(),
                              .bias = e.bias.const_data_ptr<float>(),
                              .mean = mean.const_data_ptr<float>(),
                              .rstd = rstd.const_data_ptr<float>(),
                              .dx = rows_out(dx),
                              .dgate = e.gate.defined() ? rows_out(dgate) : RowsOut{}};
  float* const parameter_sums = sums.mutable_data_ptr<float>();
  for_each_chunk(call.shape, rows, [&](int64_t chunk, const RowRange& range) {
    kernels->backward(call, range, parameter_sums + chunk * 2 * channels);
  });
  const auto total = [&](int64_t parameter, const at::Tensor& like) {
    return sums.select(1, parameter).sum(0).to(like.scalar_type());  // (C)
  };
  return {dx, dgate, total(0, given.weight), total(1, given.bias)};
}

}  // namespace nala::ops::cpu
