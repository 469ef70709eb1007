// How much faster the CPU implementations are than the plain composition of ATen operators, in one
// process, in turn, so that a disturbance hits all alike. Prints medians and ratios as a table; the
// ratios are what travels between machines.
#include <malloc.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "eager.h"
#include "ops/rope.h"
#include "peak.h"

namespace nala::bench {
namespace {

using ops::Implementation;
using ops::Problem;

struct Shape {
  int64_t batch, heads, tokens, d;
};

struct Subject {
  std::string name;
  std::function<void()> run;
  std::vector<double> milliseconds;

  double median() const {
    std::vector<double> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// q, k, v as slices of a packed projection.
Problem problem_of(const Shape& s) {
  const at::Tensor packed = at::randn({s.batch, s.tokens, 3, s.heads, s.d});
  const auto part = [&](int64_t i) { return packed.select(2, i).transpose(1, 2); };
  auto height = static_cast<int64_t>(std::sqrt(static_cast<double>(s.tokens)));
  while (s.tokens % height != 0) {
    --height;
  }
  const ops::Rotation rotation = ops::rope_tables(ops::rope_angle(s.d), height, s.tokens / height);
  return {.q = part(0), .k = part(1), .v = part(2), .cos = rotation.cos, .sin = rotation.sin};
}

void time_in_turn(std::vector<Subject>& subjects, double seconds) {
  using Clock = std::chrono::steady_clock;
  for (Subject& subject : subjects) {
    subject.run();
  }
  const auto begin = Clock::now();
  do {
    for (Subject& subject : subjects) {
      const auto start = Clock::now();
      subject.run();
      const std::chrono::duration<double, std::milli> taken = Clock::now() - start;
      subject.milliseconds.push_back(taken.count());
    }
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds ||
           subjects.front().milliseconds.size() < 5);
}

std::vector<const Implementation*> rows_for(const Problem& problem) {
  std::vector<const Implementation*> rows;
  for (const Implementation& row : ops::implementations()) {
    if (row.refuses(problem).empty() && row.name != "reference") {
      rows.push_back(&row);
    }
  }
  return rows;
}

std::vector<Subject> forwards(const Problem& problem) {
  std::vector<Subject> subjects = {{"eager", [&] { eager_linear_attention(problem); }, {}}};
  for (const Implementation* row : rows_for(problem)) {
    subjects.push_back({std::string(row->name), [&problem, row] { row->forward(problem); }, {}});
  }
  return subjects;
}

std::vector<Subject> both_ways(const Problem& problem,
                               const Problem& leaves,
                               const at::Tensor& dy) {
  std::vector<Subject> subjects = {{"eager",
                                    [&] {
                                      const at::AutoGradMode on(true);
                                      torch::autograd::grad({eager_linear_attention(leaves)},
                                                            {leaves.q, leaves.k, leaves.v}, {dy});
                                    },
                                    {}}};
  for (const Implementation* row : rows_for(problem)) {
    subjects.push_back({std::string(row->name),
                        [&problem, &dy, row] { row->backward(problem, row->forward(problem), dy); },
                        {}});
  }
  return subjects;
}

// Of the products alone: two of N x 2d x d in the forward, four more in the backward.
double products_gflop(const Shape& s, int products) {
  return 4e-9 * products * static_cast<double>(s.batch * s.heads * s.tokens * s.d * s.d);
}

void print_floor(const Shape& s, double gflop, double eager) {
  static const double peak = peak_gflops(at::get_num_threads());
  if (peak > 0) {
    std::printf(
        "%5jd %2jd %6jd %4jd  products alone: %.2f GFLOP, %.3f ms at %.0f GFLOP/s: %.1f x\n",
        static_cast<intmax_t>(s.batch), static_cast<intmax_t>(s.heads),
        static_cast<intmax_t>(s.tokens), static_cast<intmax_t>(s.d), gflop, gflop / peak * 1e3,
        peak, eager * 1e-3 * peak / gflop);
  }
}

void print(const Shape& s, const char* kind, const std::vector<Subject>& subjects) {
  const double eager = subjects.front().median();
  for (const Subject& subject : subjects) {
    std::printf("%5jd %2jd %6jd %4jd  %-16s %-10s %10.3f ms %8.1f x\n",
                static_cast<intmax_t>(s.batch), static_cast<intmax_t>(s.heads),
                static_cast<intmax_t>(s.tokens), static_cast<intmax_t>(s.d), kind,
                subject.name.c_str(), subject.median(), eager / subject.median());
  }
  std::fflush(stdout);
}

void measure(const Shape& shape, double seconds) {
  const Problem problem = problem_of(shape);
  Problem leaves = problem;
  for (at::Tensor* x : {&leaves.q, &leaves.k, &leaves.v}) {
    *x = x->detach().requires_grad_();
  }
  const at::Tensor dy = at::randn_like(problem.q);
  std::vector<Subject> forward = forwards(problem);
  time_in_turn(forward, seconds);
  print(shape, "forward", forward);
  print_floor(shape, products_gflop(shape, 2), forward.front().median());
  std::vector<Subject> both = both_ways(problem, leaves, dy);
  time_in_turn(both, seconds);
  print(shape, "forward+backward", both);
  print_floor(shape, products_gflop(shape, 6), both.front().median());
}

}  // namespace
}  // namespace nala::bench

// attention_ratio [seconds per row [threads]]
int main(int argc, char** argv) {
  // As the program itself does: glibc otherwise returns large blocks at every call.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  at::set_num_threads(argc > 2 ? std::atoi(argv[2]) : 2);
  const at::NoGradGuard no_grad;
  at::manual_seed(0);
  std::printf("batch  h      N    d  what             who            median    ratio\n");
  for (const nala::bench::Shape& shape : {nala::bench::Shape{1, 1, 73984, 32},
                                          {16, 1, 3136, 32},
                                          {16, 2, 784, 64},
                                          {4, 1, 3136, 96},
                                          {1, 1, 10240, 32}}) {
    nala::bench::measure(shape, seconds);
  }
  return 0;
}
