#include "attention_case.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "double_attention.h"
#include "shim/types.h"

namespace nala::cuda_host {
namespace {

using cuda::AttentionShape;
using cuda::Dtype;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kGuard = 64;  // elements around every buffer

struct Strides {
  int64_t image, head, token, total;
};

Strides strides_of(const AttentionShape& shape, Layout layout) {
  const int64_t h = shape.heads;
  const int64_t n = shape.tokens;
  const int64_t d = shape.channels;
  switch (layout) {
    case Layout::heads_first:
      return {h * n * d, n * d, d, shape.images * h * n * d};
    case Layout::packed:  // (B, N, 4, h, d): one of q, k, v, g
      return {n * 4 * h * d, d, 4 * h * d, shape.images * n * 4 * h * d};
    default:
      return {n * h * d, d, h * d, shape.images * n * h * d};
  }
}

template <Dtype dtype>
struct Element;
template <>
struct Element<Dtype::float32> {
  using Type = float;
  static float from(float x) { return x; }
  static float to(float x) { return x; }
};
template <>
struct Element<Dtype::bfloat16> {
  using Type = __nv_bfloat16;
  static __nv_bfloat16 from(float x) { return __float2bfloat16(x); }
  static float to(__nv_bfloat16 x) { return __bfloat162float(x); }
};
template <>
struct Element<Dtype::float16> {
  using Type = __half;
  static __half from(float x) { return __float2half(x); }
  static float to(__half x) { return __half2float(x); }
};

/// Elements of a tensor between guard bands, NaN where nothing was put.
template <Dtype dtype>
class Buffer {
 public:
  using T = typename Element<dtype>::Type;

  Buffer(const AttentionShape& shape, Layout layout)
      : shape_(shape), strides_(strides_of(shape, layout)) {
    data_.assign(static_cast<size_t>(strides_.total) + 2 * kGuard, Element<dtype>::from(kNan));
    for (size_t i = 0; i < kGuard; ++i) {
      data_[i] = data_[data_.size() - 1 - i] = Element<dtype>::from(kMark);
    }
  }

  void put(const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      data_[place(i)] = Element<dtype>::from(values[i]);
    }
  }
  std::vector<float> get() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (Element<dtype>::to(data_[i]) != kMark ||
          Element<dtype>::to(data_[data_.size() - 1 - i]) != kMark) {
        throw std::runtime_error("written outside a tensor");
      }
    }
    std::vector<float> values(static_cast<size_t>(cuda::heads_of(shape_)) * shape_.tokens *
                              shape_.channels);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = Element<dtype>::to(data_[place(i)]);
    }
    return values;
  }
  cuda::Rows<void> rows() {
    return {data_.data() + kGuard, strides_.image, strides_.head, strides_.token};
  }
  cuda::Rows<const void> rows() const {
    return {data_.data() + kGuard, strides_.image, strides_.head, strides_.token};
  }

 private:
  static constexpr float kMark = 0.5f;

  size_t place(size_t index) const {
    const auto i = static_cast<int64_t>(index);
    const int64_t channel = i % shape_.channels;
    const int64_t token = i / shape_.channels % shape_.tokens;
    const int64_t head = i / shape_.channels / shape_.tokens;
    return kGuard + static_cast<size_t>(head / shape_.heads * strides_.image +
                                        head % shape_.heads * strides_.head +
                                        token * strides_.token + channel);
  }

  AttentionShape shape_;
  Strides strides_;
  std::vector<T> data_;
};

/// Floats of a workspace or a state, 16-byte aligned, between guard bands.
class Floats {
 public:
  explicit Floats(int64_t count) : data_(static_cast<size_t>(count) + 2 * kGuard, kNan) {
    for (size_t i = 0; i < kGuard; ++i) {
      data_[i] = data_[data_.size() - 1 - i] = kMark;
    }
  }
  float* get() { return data_.data() + kGuard; }
  void check() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (data_[i] != kMark || data_[data_.size() - 1 - i] != kMark) {
        throw std::runtime_error("written outside a workspace");
      }
    }
  }

 private:
  static constexpr float kMark = 1234.5f;
  std::vector<float> data_;
};

template <Dtype dtype>
Results run_with(const Case& given) {
  const AttentionShape& shape = given.call.shape;
  const auto input = [&](const std::vector<float>& values) {
    Buffer<dtype> buffer(shape, given.layout);
    buffer.put(values);
    return buffer;
  };
  const Buffer<dtype> q = input(given.q);
  const Buffer<dtype> k = input(given.k);
  const Buffer<dtype> v = input(given.v);
  const Buffer<dtype> dy = input(given.dy);
  Buffer<dtype> y(shape, Layout::tokens_first);
  Buffer<dtype> dq(shape, Layout::tokens_first);
  Buffer<dtype> dk(shape, Layout::tokens_first);
  Buffer<dtype> dv(shape, Layout::tokens_first);
  const int64_t heads = cuda::heads_of(shape);
  const int64_t width = static_cast<int64_t>(cuda::halves_of(given.call.rule.map)) * shape.channels;
  Floats matrix(heads * width * shape.channels);
  Floats mean(heads * width);
  Floats normaliser(heads * shape.tokens);
  Floats forward_space(cuda::forward_workspace_floats(given.call));
  Floats backward_space(cuda::backward_workspace_floats(given.call));
  cuda::AttentionCall call = given.call;
  call.rotation = {given.cos.empty() ? nullptr : given.cos.data(),
                   given.sin.empty() ? nullptr : given.sin.data()};
  const cuda::StateView state{matrix.get(), mean.get()};
  cuda::launch_forward<dtype>({.call = call,
                               .q = q.rows(),
                               .k = k.rows(),
                               .v = v.rows(),
                               .y = y.rows(),
                               .state = state,
                               .normaliser = normaliser.get(),
                               .workspace = forward_space.get(),
                               .eps = given.eps},
                              nullptr);
  cuda::launch_backward<dtype>({.call = call,
                                .dy = dy.rows(),
                                .q = q.rows(),
                                .k = k.rows(),
                                .v = v.rows(),
                                .state = state,
                                .normaliser = normaliser.get(),
                                .workspace = backward_space.get(),
                                .dq = dq.rows(),
                                .dk = dk.rows(),
                                .dv = dv.rows()},
                               nullptr);
  for (const Floats* floats : {&matrix, &mean, &normaliser, &forward_space, &backward_space}) {
    floats->check();
  }
  return {y.get(), dq.get(), dk.get(), dv.get()};
}

float held_by(Dtype dtype, float x) {
  switch (dtype) {
    case Dtype::bfloat16:
      return __bfloat162float(__float2bfloat16(x));
    case Dtype::float16:
      return __half2float(__float2half(x));
    default:
      return x;
  }
}

template <class S>
using Head = std::vector<Row<S>>;

// One head of a tensor, with a direction's slope where there is one.
template <class S>
Head<S> head_of(const Case& given,
                size_t head,
                const std::vector<float>& values,
                const std::vector<float>& along) {
  const auto n = static_cast<size_t>(given.call.shape.tokens);
  const auto d = static_cast<size_t>(given.call.shape.channels);
  Head<S> rows(n, Row<S>(d));
  for (size_t i = 0; i < n * d; ++i) {
    const size_t from = head * n * d + i;
    S& to = rows[i / d][i % d];
    to = S(values[from]);
    if constexpr (std::is_same_v<S, Dual>) {
      to.slope = along.empty() ? 0 : along[from];
    }
  }
  return rows;
}

template <class S>
std::vector<S> flat_y(const Case& given,
                      const std::vector<float>& along_q,
                      const std::vector<float>& along_k,
                      const std::vector<float>& along_v) {
  const DoubleHead<S> attention{given.call.rule, given.eps, given.cos, given.sin};
  std::vector<S> y;
  for (size_t head = 0; head < static_cast<size_t>(cuda::heads_of(given.call.shape)); ++head) {
    const Head<S> rows = attention(head_of<S>(given, head, given.q, along_q),
                                   head_of<S>(given, head, given.k, along_k),
                                   head_of<S>(given, head, given.v, along_v));
    for (const Row<S>& row : rows) {
      y.insert(y.end(), row.begin(), row.end());
    }
  }
  return y;
}

}  // namespace

std::vector<float> drawn(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u + seed * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    values[i] = static_cast<float>(static_cast<double>(x >> 11) * 0x1p-52 - 1);
  }
  return values;
}

Case make_case(const CaseOptions& options) {
  Case made;
  made.call.shape = {options.images, options.heads, options.tokens, options.channels};
  made.call.rule.map = options.map;
  made.call.rule.norm_aware = options.norm_aware;
  made.call.plan = {(options.tokens + options.tokens_per_split - 1) / options.tokens_per_split,
                    options.tokens_per_split};
  made.dtype = options.dtype;
  made.layout = options.layout;
  const size_t count =
      static_cast<size_t>(options.images) * options.heads * options.tokens * options.channels;
  uint64_t seed = 1;
  for (std::vector<float>* x : {&made.q, &made.k, &made.v, &made.dy}) {
    *x = drawn(count, seed++);
    for (float& value : *x) {
      value = held_by(options.dtype, 2 * value);
    }
  }
  if (options.rotate) {
    const int d = options.channels;
    for (int i = 0; i < options.tokens * d; ++i) {
      const double angle = (i / d % 7 + 1) * std::pow(0.3, i % d / 2 % 5);
      made.cos.push_back(static_cast<float>(std::cos(angle)));
      made.sin.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return made;
}

Results run_kernels(const Case& given) {
  switch (given.dtype) {
    case Dtype::bfloat16:
      return run_with<Dtype::bfloat16>(given);
    case Dtype::float16:
      return run_with<Dtype::float16>(given);
    default:
      return run_with<Dtype::float32>(given);
  }
}

std::vector<double> exact_y(const Case& given) {
  return flat_y<double>(given, {}, {}, {});
}

double exact_slope(const Case& given,
                   const std::vector<float>& along_q,
                   const std::vector<float>& along_k,
                   const std::vector<float>& along_v) {
  const std::vector<Dual> y = flat_y<Dual>(given, along_q, along_k, along_v);
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    sum += y[i].slope * given.dy[i];
  }
  return sum;
}

}  // namespace nala::cuda_host
