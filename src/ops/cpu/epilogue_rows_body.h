// The kernels of ops/cpu/epilogue_rows.h, written once for any width of vector. Not a header to
// include anywhere but in the files that compile it for one instruction set: they first define, in
// their unnamed namespace, Vector (floats), Bits (as many uint32_t), HalfBits (as many uint16_t),
// widened_float16() and narrowed_float16(). Everything is local to the including file and nothing
// of the standard library is called, so that no code for a wide machine can end up in a shared
// symbol.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace nala::ops::cpu {
namespace {

constexpr int64_t kWidth = sizeof(Vector) / sizeof(float);

// Values of a row ----------------------------------------------------------------------------

// Loads fill with zeros from `count` on; stores write `count` values. A whole vector is the fast
// case: its size is known to the compiler.
template <class T>
inline T load(const void* from, int64_t count) {
  T x = {};
  constexpr int64_t kBytes = sizeof(T) / kWidth;
  if (count >= kWidth) {
    std::memcpy(&x, from, sizeof(T));
  } else {
    std::memcpy(&x, from, static_cast<size_t>(count * kBytes));
  }
  return x;
}

template <class T>
inline void store(void* to, T x, int64_t count) {
  constexpr int64_t kBytes = sizeof(T) / kWidth;
  if (count >= kWidth) {
    std::memcpy(to, &x, sizeof(T));
  } else {
    std::memcpy(to, &x, static_cast<size_t>(count * kBytes));
  }
}

inline Vector splat(float x) {
  return x - Vector{};
}

// Every lane plus the one `step` lanes from it.
template <uint32_t step>
inline Vector folded(Vector x) {
  Bits partner = {};
  for (uint32_t i = 0; i < kWidth; ++i) {
    partner[i] = i ^ step;
  }
  return x + __builtin_shuffle(x, partner);
}

inline float sum_of(Vector x) {
  x = folded<4>(folded<2>(folded<1>(x)));
  return kWidth == 8 ? x[0] : x[0] + x[kWidth / 2];
}

inline Vector widened_bfloat16(HalfBits x) {
  return reinterpret_cast<Vector>(__builtin_convertvector(x, Bits) << 16);
}

// To the nearest, ties to even; a NaN stays one.
inline HalfBits narrowed_bfloat16(Vector x) {
  const Bits bits = reinterpret_cast<Bits>(x);
  const Bits rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  const Bits chosen = x == x ? rounded : Bits{} + 0x7FC0;
  return __builtin_convertvector(chosen, HalfBits);
}

// Counts through rows without dividing for each.
struct Position {
  Position(const EpilogueShape& shape, int64_t given)
      : row(given), batch(given / shape.tokens), token(given % shape.tokens) {}
  void advance(const EpilogueShape& shape) {
    ++row;
    if (++token == shape.tokens) {
      token = 0;
      ++batch;
    }
  }
  int64_t row, batch, token;
};

// The row of `rows` at `at` as float32: in place where it is that already, else converted into
// `scratch`.
inline const float* row_of(const RowsIn& rows,
                           int64_t channels,
                           const Position& at,
                           float* scratch) {
  const int64_t offset = at.batch * rows.batch_stride + at.token * rows.token_stride;
  if (rows.type == RowType::float32) {
    return static_cast<const float*>(rows.data) + offset;
  }
  const uint16_t* from = static_cast<const uint16_t*>(rows.data) + offset;
  const bool is_bfloat16 = rows.type == RowType::bfloat16;
  for (int64_t c = 0; c < channels; c += kWidth) {
    const auto half = load<HalfBits>(from + c, channels - c);
    store(scratch + c, is_bfloat16 ? widened_bfloat16(half) : widened_float16(half), kWidth);
  }
  return scratch;
}

// Asks for the row some rows on: a slice of a packed projection skips memory that the hardware's
// own prefetching cannot follow, and waiting for it took two thirds of the time at 32 channels.
// Inlined by force: GCC 12 takes a function that only prefetches for one without effect and drops
// it.
[[gnu::always_inline]] inline void prefetch_row(const RowsIn& rows,
                                                int64_t channels,
                                                const Position& at) {
  constexpr int64_t kAhead = 12;
  constexpr int64_t kLine = 64;
  if (rows.data == nullptr || rows.token_stride == channels) {
    return;
  }
  const int64_t size = rows.type == RowType::float32 ? sizeof(float) : sizeof(uint16_t);
  const int64_t offset = at.batch * rows.batch_stride + (at.token + kAhead) * rows.token_stride;
  const uintptr_t address = reinterpret_cast<uintptr_t>(rows.data) + offset * size;
  for (int64_t byte = 0; byte < channels * size; byte += kLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(address + byte));
  }
}

// Where row r of `rows` is computed: in its place, or in `scratch` when finish_row() converts it.
inline float* begin_row(const RowsOut& rows, int64_t channels, int64_t r, float* scratch) {
  return rows.type == RowType::float32 ? static_cast<float*>(rows.data) + r * channels : scratch;
}

inline void finish_row(const RowsOut& rows, int64_t channels, int64_t r, const float* computed) {
  if (rows.type == RowType::float32) {
    return;
  }
  uint16_t* to = static_cast<uint16_t*>(rows.data) + r * channels;
  const bool is_bfloat16 = rows.type == RowType::bfloat16;
  for (int64_t c = 0; c < channels; c += kWidth) {
    const int64_t count = channels - c;
    const auto x = load<Vector>(computed + c, count);
    store(to + c, is_bfloat16 ? narrowed_bfloat16(x) : narrowed_float16(x), count);
  }
}

// Arithmetic ---------------------------------------------------------------------------------

// e^x with about 1e-7 relative error; 0 below -87.3, infinity above 88.8, NaN for NaN.
inline Vector exponential(Vector x) {
  const Vector low = splat(-87.3F);
  const Vector high = splat(89.0F);
  x = x < low ? low : x;
  x = x > high ? high : x;
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  const Vector shifted = x * 1.44269504F + 12582912.0F;
  const Vector n = shifted - 12582912.0F;
  Vector r = x - n * 0.693145752F;  // ln 2 in two parts: the first has zeros for n to fill
  r -= n * 1.42860677e-6F;
  Vector p = splat(1.0F / 5040);
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const Bits power_of_two = (reinterpret_cast<Bits>(shifted) << 23) + (127U << 23);
  return p * reinterpret_cast<Vector>(power_of_two);
}

inline Vector sigmoid(Vector x) {
  return 1.0F / (1.0F + exponential(-x));
}

// x with zeros from `count` on.
inline Vector kept(Vector x, int64_t count) {
  return count >= kWidth ? x : load<Vector>(&x, count);
}

// Kernels ------------------------------------------------------------------------------------

struct Moments {
  float mean;
  float rstd;
};

// Mean and 1/sqrt(variance + eps) of y + lepe, which is left in x.
inline Moments moments_of(
    const float* y, const float* lepe, int64_t channels, float eps, float* x) {
  Vector sum = {};
  for (int64_t c = 0; c < channels; c += kWidth) {
    const int64_t count = channels - c;
    Vector value = load<Vector>(y + c, count);
    if (lepe != nullptr) {
      value += load<Vector>(lepe + c, count);
    }
    store(x + c, value, kWidth);
    sum += value;
  }
  const float mean = sum_of(sum) / static_cast<float>(channels);
  Vector square = {};
  for (int64_t c = 0; c < channels; c += kWidth) {
    const Vector from_mean = kept(load<Vector>(x + c, kWidth) - mean, channels - c);
    square += from_mean * from_mean;
  }
  const float variance = sum_of(square) / static_cast<float>(channels);
  return {mean, 1.0F / __builtin_sqrtf(variance + eps)};
}

// Pieces of a call's working memory: one row each, padded to whole vectors of any width.
struct Scratch {
  float* memory;
  int64_t channels;
  float* row(int64_t index) const { return memory + index * (channels + 16); }
};

void forward_rows(const EpilogueForward& p, const RowRange& range) {
  const int64_t channels = p.shape.channels;
  const Scratch scratch{range.scratch, channels};
  for (Position at(p.shape, range.begin); at.row < range.end; at.advance(p.shape)) {
    const int64_t r = at.row;
    for (const RowsIn* rows : {&p.y, &p.lepe, &p.gate}) {
      prefetch_row(*rows, channels, at);
    }
    const float* y = row_of(p.y, channels, at, scratch.row(0));
    const float* lepe =
        p.lepe.data != nullptr ? row_of(p.lepe, channels, at, scratch.row(1)) : nullptr;
    const float* gate =
        p.gate.data != nullptr ? row_of(p.gate, channels, at, scratch.row(2)) : nullptr;
    float* x = scratch.row(3);
    float* out = begin_row(p.out, channels, r, scratch.row(4));
    const auto [mean, rstd] = moments_of(y, lepe, channels, p.eps, x);
    for (int64_t c = 0; c < channels; c += kWidth) {
      const int64_t count = channels - c;
      Vector value = (load<Vector>(x + c, kWidth) - mean) * rstd;
      value = value * load<Vector>(p.weight + c, count) + load<Vector>(p.bias + c, count);
      if (gate != nullptr) {
        const auto g = load<Vector>(gate + c, count);
        value *= g * sigmoid(g);
      }
      store(out + c, value, count);
    }
    finish_row(p.out, channels, r, out);
    p.mean[r] = mean;
    p.rstd[r] = rstd;
  }
}

// One row of the backward: inputs, and what comes of them.
struct BackwardRow {
  const float* dout;
  const float* y;
  const float* lepe;  // or null
  const float* gate;  // or null
  float* dgate;       // not written without gate
  float* xhat;        // (x - mean) rstd
  float* dxhat;       // gradient of xhat
};

// Fills dgate, xhat and dxhat, adds to the parameters' sums; gives sum dxhat and sum dxhat xhat.
inline Moments backward_products(const EpilogueBackward& p,
                                 const BackwardRow& row,
                                 Moments moments,
                                 float* parameter_sums) {
  const int64_t channels = p.shape.channels;
  Vector sum = {};
  Vector product = {};
  for (int64_t c = 0; c < channels; c += kWidth) {
    const int64_t count = channels - c;
    auto x = load<Vector>(row.y + c, count);
    if (row.lepe != nullptr) {
      x += load<Vector>(row.lepe + c, count);
    }
    const Vector xhat = (x - moments.mean) * moments.rstd;
    const auto weight = load<Vector>(p.weight + c, count);
    auto dnormed = load<Vector>(row.dout + c, count);
    if (row.gate != nullptr) {
      const auto g = load<Vector>(row.gate + c, count);
      const Vector s = sigmoid(g);
      const Vector normed = xhat * weight + load<Vector>(p.bias + c, count);
      store(row.dgate + c, dnormed * normed * (s * (1.0F + g * (1.0F - s))), count);
      dnormed *= g * s;
    }
    float* dweight = parameter_sums + c;
    float* dbias = parameter_sums + channels + c;
    store(dweight, load<Vector>(dweight, count) + dnormed * xhat, count);
    store(dbias, load<Vector>(dbias, count) + dnormed, count);
    const Vector dxhat = dnormed * weight;
    sum += dxhat;
    product += dxhat * xhat;
    store(row.xhat + c, xhat, kWidth);
    store(row.dxhat + c, dxhat, kWidth);
  }
  return {sum_of(sum), sum_of(product)};
}

void backward_rows(const EpilogueBackward& p, const RowRange& range, float* parameter_sums) {
  const int64_t channels = p.shape.channels;
  const Scratch scratch{range.scratch, channels};
  const float scale = 1.0F / static_cast<float>(channels);
  for (int64_t c = 0; c < 2 * channels; ++c) {
    parameter_sums[c] = 0;
  }
  for (Position at(p.shape, range.begin); at.row < range.end; at.advance(p.shape)) {
    const int64_t r = at.row;
    for (const RowsIn* rows : {&p.dout, &p.y, &p.lepe, &p.gate}) {
      prefetch_row(*rows, channels, at);
    }
    BackwardRow row{};
    row.dout = row_of(p.dout, channels, at, scratch.row(0));
    row.y = row_of(p.y, channels, at, scratch.row(1));
    row.lepe = p.lepe.data != nullptr ? row_of(p.lepe, channels, at, scratch.row(2)) : nullptr;
    row.gate = p.gate.data != nullptr ? row_of(p.gate, channels, at, scratch.row(3)) : nullptr;
    row.xhat = scratch.row(4);
    row.dxhat = scratch.row(5);
    row.dgate = row.gate != nullptr ? begin_row(p.dgate, channels, r, scratch.row(3)) : nullptr;
    const auto [sum, product] = backward_products(p, row, {p.mean[r], p.rstd[r]}, parameter_sums);
    float* dx = begin_row(p.dx, channels, r, scratch.row(5));
    for (int64_t c = 0; c < channels; c += kWidth) {
      const auto xhat = load<Vector>(row.xhat + c, kWidth);
      const auto dxhat = load<Vector>(row.dxhat + c, kWidth);
      const Vector dx_value = (dxhat - sum * scale - xhat * (product * scale)) * p.rstd[r];
      store(dx + c, dx_value, channels - c);
    }
    finish_row(p.dx, channels, r, dx);
    if (row.gate != nullptr) {
      finish_row(p.dgate, channels, r, row.dgate);
    }
  }
}

}  // namespace
}  // namespace nala::ops::cpu
