#include "drawn.h"

#include <torch/torch.h>

#include <vector>

#include "double_features.h"
#include "ops/rope.h"

namespace nala::ops {
namespace {

using Row = std::vector<double>;

Row row_of(const at::Tensor& x) {
  const at::Tensor flat = x.to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

// Features of one query (`is_query`) or key.
Row features(const Problem& p, const Row& x, bool is_query) {
  return double_features({p.map, p.norm_aware, p.lambd, p.tau, p.alpha}, x.data(), x.size(),
                         is_query);
}

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// R of the d-wide halves of `phi`.
Row rotated(const Row& phi, const Row& cos, const Row& sin) {
  Row turned(phi.size());
  for (size_t i = 0; i < phi.size(); i += 2) {
    const size_t j = i % cos.size();
    turned[i] = phi[i] * cos[j] - phi[i + 1] * sin[j];
    turned[i + 1] = phi[i + 1] * cos[j + 1] + phi[i] * sin[j + 1];
  }
  return turned;
}

// y of query n: sum_m (R phi_q . R phi_k) v_m / N over (phi_q . mean phi_k + eps); the sum over
// keys is taken per query, the quadratic way.
void attend(const Problem& p, int64_t batch, int64_t head, at::Tensor& y) {
  const int64_t count = p.q.size(2);
  const auto rotate_row = [&](const Row& phi, int64_t token) {
    return p.cos.defined() ? rotated(phi, row_of(p.cos[token]), row_of(p.sin[token])) : phi;
  };
  for (int64_t n = 0; n < count; ++n) {
    const Row query = features(p, row_of(p.q[batch][head][n]), true);
    const Row query_turned = rotate_row(query, n);
    double normaliser = 0;
    at::Tensor sum = at::zeros({p.q.size(3)}, at::kDouble);
    for (int64_t m = 0; m < count; ++m) {
      const Row key = features(p, row_of(p.k[batch][head][m]), false);
      normaliser += dot(query, key);
      sum += dot(query_turned, rotate_row(key, m)) * p.v[batch][head][m].to(at::kDouble);
    }
    const double tokens = static_cast<double>(count);
    y[batch][head][n] = sum / tokens / (normaliser / tokens + p.eps);
  }
}

}  // namespace

at::Tensor drawn(at::IntArrayRef shape, uint64_t seed) {
  at::Tensor x = torch::empty(shape, at::kDouble);
  double* values = x.mutable_data_ptr<double>();
  uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (int64_t i = 0; i < x.numel(); ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    values[i] = 1.7 * (static_cast<double>(state >> 11) * 0x1.0p-52 - 1);
  }
  return x;
}

Problem drawn_problem(const Shape& shape, FeatureMap map, uint64_t seed) {
  const std::vector<int64_t> sizes = {shape.batch, shape.heads, shape.tokens, shape.d};
  Problem problem{.q = drawn(sizes, 3 * seed),
                  .k = drawn(sizes, 3 * seed + 1),
                  .v = drawn(sizes, 3 * seed + 2),
                  .map = map};
  if (shape.height > 0) {
    const Rotation rotation =
        rope_tables(rope_angle(shape.d), shape.height, shape.tokens / shape.height);
    problem.cos = rotation.cos;
    problem.sin = rotation.sin;
  }
  return problem;
}

std::vector<FeatureMap> all_maps() {
  std::vector<FeatureMap> maps;
  for (size_t i = 0; i < kFeatureMapNames.size(); ++i) {
    maps.push_back(static_cast<FeatureMap>(i));
  }
  return maps;
}

at::Tensor by_definition(const Problem& problem) {
  at::Tensor y = torch::empty(problem.q.sizes(), at::kDouble);
  for (int64_t batch = 0; batch < y.size(0); ++batch) {
    for (int64_t head = 0; head < y.size(1); ++head) {
      attend(problem, batch, head, y);
    }
  }
  return y;
}

}  // namespace nala::ops
