// The epilogue's kernels, run on the host, against plain loops in double.
#include "epilogue_launch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "attention_case.h"
#include "shim/launch.h"
#include "shim/types.h"

namespace nala::cuda_host {
namespace {

using cuda::Dtype;
using cuda::TokenRows;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int kGuard = 64;

struct EpilogueCase {
  const char* name;
  int images = 2;
  int tokens = 7;
  int channels = 36;
  bool lepe = true;
  bool gate = true;
  Dtype y_dtype = Dtype::float32;
  Dtype gate_dtype = Dtype::float32;
};

// (B, N, C) of a dtype, one of `parts` side by side in a packed tensor; NaN where nothing was put.
class Tokens {
 public:
  Tokens(const EpilogueCase& given, Dtype dtype, int parts)
      : dtype_(dtype), channels_(given.channels), pitch_(given.channels * parts) {
    rows_ = given.images * given.tokens;
    image_stride_ = static_cast<int64_t>(given.tokens) * pitch_;
    bytes_.resize(static_cast<size_t>(rows_ * pitch_ + 2 * kGuard) * size());
    for (size_t i = 0; i < bytes_.size() / size(); ++i) {
      set(i, kNan);
    }
  }

  void put(const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      set(place(i), values[i]);
    }
  }
  std::vector<float> get() const {
    for (size_t i = 0; i < kGuard; ++i) {
      EXPECT_TRUE(std::isnan(at(i)) && std::isnan(at(bytes_.size() / size() - 1 - i)));
    }
    std::vector<float> values(static_cast<size_t>(rows_ * channels_));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = at(place(i));
    }
    return values;
  }
  TokenRows rows() { return {bytes_.data() + kGuard * size(), dtype_, image_stride_, pitch_}; }

 private:
  size_t size() const { return dtype_ == Dtype::float32 ? 4 : 2; }
  size_t place(size_t i) const {
    const auto c = static_cast<size_t>(channels_);
    return kGuard + i / c * static_cast<size_t>(pitch_) + i % c;
  }
  void set(size_t i, float value) {
    const __nv_bfloat16 brain = __float2bfloat16(value);
    const __half half = __float2half(value);
    const void* const from = dtype_ == Dtype::float32
                                 ? static_cast<const void*>(&value)
                                 : (dtype_ == Dtype::float16 ? static_cast<const void*>(&half)
                                                             : static_cast<const void*>(&brain));
    std::memcpy(bytes_.data() + i * size(), from, size());
  }
  float at(size_t i) const {
    float value = 0;
    __nv_bfloat16 brain{};
    __half half{};
    void* const to =
        dtype_ == Dtype::float32
            ? static_cast<void*>(&value)
            : (dtype_ == Dtype::float16 ? static_cast<void*>(&half) : static_cast<void*>(&brain));
    std::memcpy(to, bytes_.data() + i * size(), size());
    return dtype_ == Dtype::float32
               ? value
               : (dtype_ == Dtype::float16 ? __half2float(half) : __bfloat162float(brain));
  }

  Dtype dtype_;
  int channels_;
  int pitch_;
  int rows_ = 0;
  int64_t image_stride_ = 0;
  std::vector<char> bytes_;
};

struct Values {
  std::vector<float> y, lepe, gate, dout, weight, bias;
};

struct Outputs {
  std::vector<double> out, dx, dgate, dweight, dbias;
};

constexpr double kEps = 1e-5;

// One row of the definition, differentiated by hand.
void exact_row(const Values& v, size_t first, size_t channels, Outputs& result) {
  const bool gated = !v.gate.empty();
  const auto c_count = static_cast<double>(channels);
  std::vector<double> x(channels);
  double mean = 0;
  for (size_t c = 0; c < channels; ++c) {
    x[c] = v.y[first + c] + (v.lepe.empty() ? 0.0 : v.lepe[first + c]);
    mean += x[c] / c_count;
  }
  double variance = 0;
  for (const double value : x) {
    variance += (value - mean) * (value - mean) / c_count;
  }
  const double rstd = 1 / std::sqrt(variance + kEps);
  std::vector<double> dhat(channels);
  double flat = 0;
  double along = 0;
  for (size_t c = 0; c < channels; ++c) {
    x[c] = (x[c] - mean) * rstd;
    const double normed = x[c] * v.weight[c] + v.bias[c];
    const double g = gated ? v.gate[first + c] : 0;
    const double sigmoid = 1 / (1 + std::exp(-g));
    const double silu = gated ? g * sigmoid : 1;
    result.out.push_back(normed * silu);
    const double dout = v.dout[first + c];
    result.dgate.push_back(dout * normed * (sigmoid + g * sigmoid * (1 - sigmoid)));
    result.dweight[c] += dout * silu * x[c];
    result.dbias[c] += dout * silu;
    dhat[c] = dout * silu * v.weight[c];
    flat += dhat[c] / c_count;
    along += dhat[c] * x[c] / c_count;
  }
  for (size_t c = 0; c < channels; ++c) {
    result.dx.push_back(rstd * (dhat[c] - flat - x[c] * along));
  }
}

Outputs exact(const Values& values, size_t channels) {
  Outputs result;
  result.dweight.assign(channels, 0);
  result.dbias.assign(channels, 0);
  for (size_t first = 0; first < values.y.size(); first += channels) {
    exact_row(values, first, channels, result);
  }
  return result;
}

void expect_near(const char* name,
                 const std::vector<float>& got,
                 const std::vector<double>& want,
                 Dtype dtype) {
  ASSERT_EQ(got.size(), want.size()) << name;
  double most = 0;
  for (const double value : want) {
    most = std::max(most, std::abs(value));
  }
  const double rounding =
      dtype == Dtype::float32 ? 0 : (dtype == Dtype::float16 ? 1.0 / 2048 : 1.0 / 256);
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 3e-6 * most + rounding * std::abs(want[i])) << name << " " << i;
  }
}

Values values_of(const EpilogueCase& given) {
  const size_t count = static_cast<size_t>(given.images) * given.tokens * given.channels;
  const auto channels = static_cast<size_t>(given.channels);
  Values values{drawn(count, 1), {}, {}, drawn(count, 4), drawn(channels, 5), drawn(channels, 6)};
  values.lepe = given.lepe ? drawn(count, 2) : std::vector<float>();
  values.gate = given.gate ? drawn(count, 3) : std::vector<float>();
  for (float& value : values.gate) {
    value *= 4;
  }
  return values;
}

class EveryEpilogue : public testing::TestWithParam<EpilogueCase> {};

TEST_P(EveryEpilogue, ForwardAndBackwardMatchDouble) {
  const EpilogueCase& given = GetParam();
  Values values = values_of(given);
  const auto tensor = [&](std::vector<float>& from, Dtype dtype, int parts) {
    Tokens tokens(given, dtype, parts);
    tokens.put(from);
    if (!from.empty()) {
      from = tokens.get();  // as the dtype holds them
    }
    return tokens;
  };
  Tokens y = tensor(values.y, given.y_dtype, 1);
  Tokens lepe = tensor(values.lepe, given.gate_dtype, 1);
  Tokens gate = tensor(values.gate, given.gate_dtype, 4);
  Tokens dout = tensor(values.dout, given.y_dtype, 1);
  Tokens out(given, given.y_dtype, 1);
  Tokens dx(given, given.y_dtype, 1);
  Tokens dgate(given, given.gate_dtype, 1);
  const size_t rows = static_cast<size_t>(given.images) * given.tokens;
  std::vector<float> mean(rows, kNan);
  std::vector<float> rstd(rows, kNan);
  std::vector<float> dweight(values.weight.size(), kNan);
  std::vector<float> dbias(values.weight.size(), kNan);
  cuda::EpilogueInputs in;
  in.rows = static_cast<int>(rows);
  in.tokens = given.tokens;
  in.channels = given.channels;
  in.y = y.rows();
  in.lepe = given.lepe ? lepe.rows() : TokenRows{};
  in.gate = given.gate ? gate.rows() : TokenRows{};
  in.weight = values.weight.data();
  in.bias = values.bias.data();
  in.mean = mean.data();
  in.rstd = rstd.data();
  cuda::launch_epilogue_forward({in, static_cast<float>(kEps), out.rows()}, nullptr);
  std::vector<float> partial(static_cast<size_t>(cuda::epilogue_workspace_floats(in)), kNan);
  cuda::launch_epilogue_backward(
      {in, dout.rows(), dx.rows(), given.gate ? dgate.rows() : TokenRows{}, dweight.data(),
       dbias.data(), partial.data()},
      nullptr);
  const Outputs want = exact(values, values.weight.size());
  expect_near("out", out.get(), want.out, given.y_dtype);
  expect_near("dx", dx.get(), want.dx, given.y_dtype);
  if (given.gate) {
    expect_near("dgate", dgate.get(), want.dgate, given.gate_dtype);
  }
  expect_near("dweight", dweight, want.dweight, Dtype::float32);
  expect_near("dbias", dbias, want.dbias, Dtype::float32);
}

INSTANTIATE_TEST_SUITE_P(
    Cases,
    EveryEpilogue,
    testing::Values(EpilogueCase{.name = "ordinary"},
                    EpilogueCase{.name = "one_row", .images = 1, .tokens = 1, .channels = 4},
                    EpilogueCase{.name = "c640", .tokens = 5, .channels = 640},
                    EpilogueCase{.name = "without_lepe", .lepe = false},
                    EpilogueCase{.name = "without_gate", .gate = false},
                    EpilogueCase{.name = "neither", .lepe = false, .gate = false},
                    EpilogueCase{
                        .name = "mixed", .y_dtype = Dtype::float32, .gate_dtype = Dtype::bfloat16},
                    EpilogueCase{.name = "float16",
                                 .channels = 132,
                                 .y_dtype = Dtype::float16,
                                 .gate_dtype = Dtype::float16},
                    EpilogueCase{.name = "many_rows", .tokens = 1100, .channels = 8}),
    [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace nala::cuda_host
