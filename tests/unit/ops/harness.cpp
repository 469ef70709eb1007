#include "harness.h"

#include <torch/torch.h>

#include <array>
#include <sstream>

#include "drawn.h"
#include "ops/reference.h"
#include "ops/rope.h"

namespace nala::ops {
namespace {

constexpr int64_t kHeads = 2;
// Of the largest (of the root mean square) value: eager is now and then exact by luck.
constexpr double kFloorOfLargest = 6e-7;
constexpr double kFloorOfMeanSquare = 1.5e-7;
constexpr double kFloorOfMeanSquareOfFew = 4e-7;  // rows share a rounding; few rows do not average
constexpr double kFloorOfCancelled = 4e-6;
constexpr int64_t kFewTokens = 5;

// (1, h, N, d) with the values of `x`, or of a part of x repeated, in the memory order asked for.
at::Tensor laid_out(const at::Tensor& x, MemoryOrder order, int repeated_dimension) {
  switch (order) {
    case MemoryOrder::contiguous:
      return x.contiguous();
    case MemoryOrder::packed: {
      const at::Tensor row = x.transpose(1, 2);  // (1, N, h, d)
      return at::stack({row, row, row}, 2).select(2, 1).transpose(1, 2);
    }
    case MemoryOrder::expanded:
      return x.narrow(repeated_dimension, 0, 1).contiguous().expand(x.sizes());
    case MemoryOrder::channels_apart:
      return x.transpose(2, 3).contiguous().transpose(2, 3);
  }
  return x;
}

void set_contents(Problem& p, Contents contents) {
  const int64_t last = p.q.size(2) - 1;
  if (contents == Contents::zero_rows) {
    for (at::Tensor* x : {&p.q, &p.k, &p.v}) {
      x->select(3, 1).zero_();
      if (last > 0) {
        x->select(2, last).zero_();
        x->select(1, 0).select(1, last / 2).zero_();
      }
    }
  } else if (contents == Contents::near_eps) {
    p.k.mul_(0.015);
    p.q.mul_(0.01);
  }
}

double rooted_mean_square(const at::Tensor& x) {
  return x.square().mean().sqrt().item<double>();
}

// With few tokens the gradients in q and k are what is left of larger terms that cancel (with one,
// y is v but for eps): the size of those terms, 0 with many tokens.
double cancelled_scale(const HarnessProblem& given) {
  if (given.problem.q.size(2) > kFewTokens) {
    return 0;
  }
  const auto largest = [](const at::Tensor& x) { return x.abs().max().item<double>(); };
  const at::Tensor norms = at::linalg_vector_norm(given.problem.q.to(at::kDouble), 2, {-1});
  const double shortest = norms.masked_fill(norms.eq(0), 1).min().item<double>();
  return largest(given.dy) * largest(given.problem.v) * std::max(1.0, 1 / shortest);
}

struct NamedTensor {
  const char* name;
  at::Tensor Outcome::*tensor;
};
constexpr std::array kTensors = {NamedTensor{"y", &Outcome::y}, NamedTensor{"dq", &Outcome::dq},
                                 NamedTensor{"dk", &Outcome::dk}, NamedTensor{"dv", &Outcome::dv}};

}  // namespace

std::string title(const HarnessCase& c) {
  std::ostringstream text;
  text << kFeatureMapNames[static_cast<size_t>(c.map)] << " N " << c.tokens << " d " << c.d << ' '
       << c.dtype << " order " << static_cast<int>(c.order) << " contents "
       << static_cast<int>(c.contents) << (c.norm_aware ? "" : " plain") << " lambda " << c.lambd;
  return text.str();
}

HarnessProblem harness_problem(const HarnessCase& c) {
  Problem p{.map = c.map, .norm_aware = c.norm_aware, .lambd = c.lambd};
  const std::vector<int64_t> sizes = {1, kHeads, c.tokens, c.d};
  p.q = drawn(sizes, 11);
  p.k = drawn(sizes, 12);
  p.v = drawn(sizes, 13);
  set_contents(p, c.contents);
  at::Tensor dy = drawn(sizes, 14);
  const std::array<int, 4> repeated = {1, 1, 2, 3};
  const std::array<at::Tensor*, 4> all = {&p.q, &p.k, &p.v, &dy};
  for (size_t i = 0; i < all.size(); ++i) {
    *all[i] = laid_out(all[i]->to(c.dtype), c.order, repeated[i]);
  }
  if (c.tokens != 5) {
    const int64_t height = c.tokens % 7 == 0 ? 7 : 1;
    const Rotation rotation = rope_tables(rope_angle(c.d), height, c.tokens / height);
    p.cos = rotation.cos;
    p.sin = rotation.sin;
  }
  return {p, dy};
}

Outcome outcome_of(const Implementation& row, const HarnessProblem& given, at::Device device) {
  Problem p = given.problem;
  for (at::Tensor* x : {&p.q, &p.k, &p.v, &p.cos, &p.sin}) {
    *x = x->defined() ? x->to(device) : *x;
  }
  const Forward forward = row.forward(p);
  const Gradients gradients = row.backward(p, forward, given.dy.to(device));
  return {forward.y.cpu(), gradients.dq.cpu(), gradients.dk.cpu(), gradients.dv.cpu()};
}

Outcome judged(const HarnessProblem& given) {
  HarnessProblem wide = given;
  Problem& p = wide.problem;
  for (at::Tensor* x : {&p.q, &p.k, &p.v, &p.cos, &p.sin, &wide.dy}) {
    *x = x->defined() ? x->to(at::kDouble) : *x;
  }
  return outcome_of(reference_row(), wide, at::kCPU);
}

const Implementation& reference_row() {
  return implementations().back();
}

std::vector<at::Device> devices() {
  std::vector<at::Device> all = {at::kCPU};
  if (at::globalContext().hasCUDA()) {
    all.emplace_back(at::kCUDA, 0);
  }
  return all;
}

std::string excess(const HarnessProblem& given,
                   const Outcome& got,
                   const Outcome& eager,
                   const Outcome& judge) {
  std::ostringstream text;
  const double cancelled = cancelled_scale(given);
  const bool few = given.problem.q.size(2) <= kFewTokens;
  for (const auto& [name, tensor] : kTensors) {
    const at::Tensor right = judge.*tensor;
    const at::Tensor off = (got.*tensor).to(at::kDouble) - right;
    const at::Tensor eager_off = (eager.*tensor).to(at::kDouble) - right;
    const auto compare = [&](const char* kind, double ours, double theirs, double floor) {
      if (!(ours <= 2 * theirs + floor)) {
        text << name << ' ' << kind << " error " << ours << ", plain ATen " << theirs << ", floor "
             << floor << "; ";
      }
    };
    const bool cancels = tensor == &Outcome::dq || tensor == &Outcome::dk;
    const double lost = cancels ? kFloorOfCancelled * cancelled : 0;
    compare("largest", off.abs().max().item<double>(), eager_off.abs().max().item<double>(),
            kFloorOfLargest * right.abs().max().item<double>() + lost);
    compare(
        "root mean square", rooted_mean_square(off), rooted_mean_square(eager_off),
        (few ? kFloorOfMeanSquareOfFew : kFloorOfMeanSquare) * rooted_mean_square(right) + lost);
  }
  return text.str();
}

}  // namespace nala::ops
