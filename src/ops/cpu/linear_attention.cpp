#include "ops/cpu/linear_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "ops/arguments.h"
#include "ops/cpu/chunks.h"
#include "ops/cpu/machine.h"

namespace nala::ops::cpu {
namespace {

std::string_view refuses(const Problem& problem) {
  const at::ScalarType dtype = problem.q.scalar_type();
  if (!problem.q.is_cpu()) {
    return "q is not on the CPU";
  }
  if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kHalf) {
    return "the dtype is none of float32, bfloat16 and float16";
  }
  if (problem.q.size(3) > kMaxChannels) {
    return "d is above 128";
  }
  if (!(problem.lambd >= 1)) {
    return "lambda is below 1";
  }
  if (!(problem.tau >= 0)) {
    return "tau is below 0";
  }
  return "";
}

// Tensors as the kernels see them --------------------------------------------------------------

Dtype dtype_of(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat      ? Dtype::float32
         : x.scalar_type() == at::kBFloat16 ? Dtype::bfloat16
                                            : Dtype::float16;
}

// All (batch, head) of one tensor (B, h, N, d).
class Sequences {
 public:
  Sequences() = default;
  explicit Sequences(const at::Tensor& x)
      : data_(static_cast<char*>(const_cast<void*>(x.const_data_ptr()))),
        heads_(x.size(1)),
        batch_bytes_(x.stride(0) * x.element_size()),
        head_bytes_(x.stride(1) * x.element_size()),
        rows_{nullptr, x.stride(2), x.stride(3), dtype_of(x)} {}

  Rows operator[](int64_t sequence) const {
    Rows rows = rows_;
    if (data_ != nullptr) {
      rows.data = data_ + sequence / heads_ * batch_bytes_ + sequence % heads_ * head_bytes_;
    }
    return rows;
  }

 private:
  char* data_ = nullptr;
  int64_t heads_ = 1, batch_bytes_ = 0, head_bytes_ = 0;
  Rows rows_;
};

at::Tensor readable_table(const at::Tensor& table) {
  if (!table.defined()) {
    return table;
  }
  const at::Tensor x = table.to(at::kFloat);
  return x.stride(1) == 1 ? x : x.contiguous();
}

// One call of an operator.
struct Call {
  Call(const Kernels& chosen, const Problem& problem)
      : kernels(chosen),
        setup{.d = static_cast<int>(problem.q.size(3)),
              .map = problem.map,
              .norm_aware = problem.norm_aware,
              .lambd = static_cast<float>(problem.lambd),
              .tau = static_cast<float>(problem.tau),
              .alpha = static_cast<float>(problem.alpha),
              .eps = static_cast<float>(problem.eps)},
        sequences(problem.q.size(0) * problem.q.size(1)),
        chunks(problem.q.size(2)),
        halves(static_cast<int>(halves_of(problem.map))),
        cos(readable_table(problem.cos)),
        sin(readable_table(problem.sin)),
        q(problem.q),
        k(problem.k),
        v(problem.v) {
    if (cos.defined()) {
      tables = {cos.const_data_ptr<float>(), sin.const_data_ptr<float>(), cos.stride(0),
                sin.stride(0)};
    }
  }

  int64_t features() const { return static_cast<int64_t>(halves) * setup.d; }
  int64_t state_floats() const { return features() * (setup.d + 1); }
  Sequence sequence(int64_t i) const {
    return {.q = q[i],
            .k = k[i],
            .v = v[i],
            .y = y[i],
            .dy = dy[i],
            .dq = dq[i],
            .dk = dk[i],
            .dv = dv[i],
            .tables = tables,
            .normaliser = normaliser + i * chunks.sequence_tokens};
  }
  // S, or its gradient, and behind it the mean, in `state_floats()` floats.
  State state_at(float* floats) const { return {floats, floats + features() * setup.d}; }

  const Kernels& kernels;
  Setup setup;
  int64_t sequences;
  Chunks chunks;
  int halves;
  at::Tensor cos, sin;
  Tables tables;
  Sequences q, k, v, y, dy, dq, dk, dv;
  float* normaliser = nullptr;
};

// Sums over a sequence's chunks ----------------------------------------------------------------

// One step of a pass on one chunk: writes the chunk's sums.
using SumStep = std::function<void(Range, const State& sums, float* scratch)>;
// One step that reads what the sums became.
using UseStep = std::function<void(Range, const State& total, float* scratch)>;

// total (+)= part; afterwards divided by N. In the chunks' order wherever it is called.
void add_to(float* total, const float* part, int64_t count, bool first) {
  for (int64_t i = 0; i < count; ++i) {
    total[i] = first ? part[i] : total[i] + part[i];
  }
}

struct Pass {
  SumStep sum;
  UseStep use;
};

// The steps of one sequence.
using PassOf = std::function<Pass(int64_t sequence)>;
// Where a sequence's sums, divided by N, belong.
using TotalOf = std::function<State(int64_t sequence)>;

class Runner {
 public:
  explicit Runner(const Call& call) : call_(call), floats_(call.state_floats()) {}

  void run(const PassOf& pass_of, const TotalOf& total_of) const {
    // Few sequences: threads share each one. Many, or as many for each thread: whole ones.
    const int64_t threads = at::get_num_threads();
    const bool even = call_.sequences >= 4 * threads || call_.sequences % threads == 0;
    if (!even && call_.chunks.count > 1) {
      for (int64_t i = 0; i < call_.sequences; ++i) {
        together(pass_of(i), total_of(i));
      }
    } else {
      each(pass_of, total_of);
    }
  }

 private:
  size_t scratch() const { return call_.kernels.scratch(call_.setup); }

  void scale(float* total, int64_t count) const {
    const float factor = 1.0F / static_cast<float>(call_.chunks.sequence_tokens);
    for (int64_t i = 0; i < count; ++i) {
      total[i] *= factor;
    }
  }

  // total = sum of parts / N; both are S with the mean behind it.
  void finish(const State& total, const float* parts, int64_t begin, int64_t end) const {
    const int64_t split = call_.features() * call_.setup.d;
    for (int64_t i = begin; i < end; ++i) {
      float sum = parts[i];
      for (int64_t chunk = 1; chunk < call_.chunks.count; ++chunk) {
        sum += parts[chunk * floats_ + i];
      }
      (i < split ? total.product[i] : total.mean[i - split]) = sum;
    }
  }

  void together(const Pass& pass, const State& total) const {
    const at::Tensor parts = at::empty({call_.chunks.count, floats_}, at::kFloat);
    float* const sums = parts.mutable_data_ptr<float>();
    for_each_item(call_.chunks.count, scratch(), [&](int64_t chunk, float* scratch) {
      pass.sum(call_.chunks[chunk], call_.state_at(sums + chunk * floats_), scratch);
    });
    at::parallel_for(0, floats_, 4096,
                     [&](int64_t begin, int64_t end) { finish(total, sums, begin, end); });
    divide(total);
    // The last chunk first, as what was read last is in cache.
    for_each_item(call_.chunks.count, scratch(), [&](int64_t chunk, float* scratch) {
      pass.use(call_.chunks[call_.chunks.count - 1 - chunk], total, scratch);
    });
  }

  void each(const PassOf& pass_of, const TotalOf& total_of) const {
    const size_t part = (static_cast<size_t>(floats_) + 15) / 16 * 16;
    for_each_item(call_.sequences, part + scratch(), [&](int64_t i, float* space) {
      const Pass pass = pass_of(i);
      const State total = total_of(i);
      const State sums = call_.state_at(space);
      for (int64_t chunk = 0; chunk < call_.chunks.count; ++chunk) {
        pass.sum(call_.chunks[chunk], sums, space + part);
        add_to(total.product, sums.product, call_.features() * call_.setup.d, chunk == 0);
        add_to(total.mean, sums.mean, call_.features(), chunk == 0);
      }
      divide(total);
      pass.use({0, call_.chunks.sequence_tokens}, total, space + part);
    });
  }

  void divide(const State& total) const {
    scale(total.product, call_.features() * call_.setup.d);
    scale(total.mean, call_.features());
  }

  const Call& call_;
  int64_t floats_;
};

Forward forward(const Kernels& kernels, const Problem& problem) {
  const auto options = problem.q.options().dtype(at::kFloat);
  const int64_t batch = problem.q.size(0);
  const int64_t heads = problem.q.size(1);
  Call call(kernels, problem);
  const at::Tensor y = empty_tokens_first(problem.q);
  const at::Tensor state = at::empty({batch, heads, call.features(), problem.q.size(3)}, options);
  const at::Tensor mean = at::empty({batch, heads, call.features()}, options);
  const at::Tensor normaliser = at::empty({batch, heads, problem.q.size(2)}, options);
  call.y = Sequences(y);
  call.normaliser = normaliser.mutable_data_ptr<float>();
  float* const products = state.mutable_data_ptr<float>();
  float* const means = mean.mutable_data_ptr<float>();
  Runner(call).run(
      [&](int64_t i) -> Pass {
        const Sequence s = call.sequence(i);
        return {[&call, s](Range range, const State& sums, float* scratch) {
                  call.kernels.key_state(call.setup, s, range, sums, scratch);
                },
                [&call, s](Range range, const State& total, float* scratch) {
                  call.kernels.query_output(call.setup, s, range, total, scratch);
                }};
      },
      [&](int64_t i) -> State {
        const int64_t f = call.features();
        return {products + i * f * call.setup.d, means + i * f};
      });
  return {y, {state, mean, normaliser}};
}

Gradients backward(const Kernels& kernels,
                   const Problem& problem,
                   const Forward& forward,
                   const at::Tensor& dy) {
  Call call(kernels, problem);
  const Gradients gradients{empty_tokens_first(problem.q), empty_tokens_first(problem.k),
                            empty_tokens_first(problem.v)};
  call.dy = Sequences(dy);
  call.dq = Sequences(gradients.dq);
  call.dk = Sequences(gradients.dk);
  call.dv = Sequences(gradients.dv);
  TORCH_CHECK(forward.saved.size() == 3, "linear_attention: backward needs three saved tensors");
  const at::Tensor state = forward.saved[0].contiguous();
  const at::Tensor mean = forward.saved[1].contiguous();
  const at::Tensor normaliser = forward.saved[2].contiguous();
  call.normaliser = const_cast<float*>(normaliser.const_data_ptr<float>());
  auto* const products = const_cast<float*>(state.const_data_ptr<float>());
  auto* const means = const_cast<float*>(mean.const_data_ptr<float>());
  const at::Tensor totals = at::empty({call.sequences, call.state_floats()}, state.options());
  float* const total = totals.mutable_data_ptr<float>();
  Runner(call).run(
      [&](int64_t i) -> Pass {
        const Sequence s = call.sequence(i);
        const int64_t f = call.features();
        const State saved{products + i * f * call.setup.d, means + i * f};
        return {[&call, s, saved](Range range, const State& sums, float* scratch) {
                  call.kernels.query_gradient(call.setup, s, range, {saved, sums}, scratch);
                },
                [&call, s](Range range, const State& gradient, float* scratch) {
                  call.kernels.key_gradient(call.setup, s, range, gradient, scratch);
                }};
      },
      [&](int64_t i) { return call.state_at(total + i * call.state_floats()); });
  return gradients;
}

}  // namespace

std::string_view avx512_refuses(const Problem& problem) {
  static const std::string_view missing = avx512_missing();
  return missing.empty() ? refuses(problem) : missing;
}
Forward avx512_forward(const Problem& problem) {
  return forward(kAvx512Kernels, problem);
}
Gradients avx512_backward(const Problem& problem, const Forward& saved, const at::Tensor& dy) {
  return backward(kAvx512Kernels, problem, saved, dy);
}

std::string_view avx2_refuses(const Problem& problem) {
  static const std::string_view missing = avx2_missing();
  return missing.empty() ? refuses(problem) : missing;
}
Forward avx2_forward(const Problem& problem) {
  return forward(kAvx2Kernels, problem);
}
Gradients avx2_backward(const Problem& problem, const Forward& saved, const at::Tensor& dy) {
  return backward(kAvx2Kernels, problem, saved, dy);
}

}  // namespace nala::ops::cpu
