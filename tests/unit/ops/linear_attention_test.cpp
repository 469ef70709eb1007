#include "ops/linear_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "drawn.h"
#include "ops/reference.h"

namespace nala::ops {
namespace {

LinearAttentionOptions options_of(const Problem& problem) {
  return {.map = problem.map, .norm_aware = problem.norm_aware, .alpha = problem.alpha};
}

at::Tensor run(const Problem& p) {
  return linear_attention(p.q, p.k, p.v, p.cos, p.sin, options_of(p));
}

struct WithGradients {
  at::Tensor y, dq, dk, dv;
};

WithGradients differentiate(const Problem& problem, const at::Tensor& dy) {
  Problem leaves = problem;
  for (at::Tensor* x : {&leaves.q, &leaves.k, &leaves.v}) {
    *x = x->detach().clone().requires_grad_();
  }
  const at::Tensor y = run(leaves);
  y.backward(dy.to(y.scalar_type()));
  return {y.detach(), leaves.q.grad(), leaves.k.grad(), leaves.v.grad()};
}

// Central differences of sum(y dy) in `x`, one element at a time.
at::Tensor numeric_gradient(const Problem& problem, at::Tensor Problem::*x, const at::Tensor& dy) {
  const double step = 1e-6;
  at::Tensor gradient = at::zeros_like(problem.*x);
  for (int64_t i = 0; i < gradient.numel(); ++i) {
    const auto value = [&](double shift) {
      Problem moved = problem;
      moved.*x = (problem.*x).clone();
      (moved.*x).view(-1)[i] += shift;
      return (run(moved) * dy).sum().item<double>();
    };
    gradient.view(-1)[i] = (value(step) - value(-step)) / (2 * step);
  }
  return gradient;
}

TEST(LinearAttention, FollowsTheDefinition) {
  for (const FeatureMap map : all_maps()) {
    SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
    for (const Shape& shape :
         {Shape{}, Shape{.batch = 1, .tokens = 1, .d = 4, .height = 1},
          Shape{.heads = 1, .tokens = 15, .d = 12, .height = 5}, Shape{.tokens = 7, .height = 0}}) {
      Problem problem = drawn_problem(shape, map);
      // The tables in double: the comparison is of the formula, not of their rounding.
      EXPECT_TRUE(at::allclose(run(problem), by_definition(problem), 1e-10, 1e-12));
      problem.norm_aware = false;
      EXPECT_TRUE(at::allclose(run(problem), by_definition(problem), 1e-10, 1e-12));
    }
  }
}

TEST(LinearAttention, GradientsAreThoseOfFiniteDifferences) {
  for (const FeatureMap map : all_maps()) {
    SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
    Problem problem = drawn_problem({.batch = 1, .tokens = 6, .d = 4, .height = 2}, map, 7);
    problem.alpha = 1.5;
    const at::Tensor dy = drawn(problem.q.sizes(), 99);
    const WithGradients got = differentiate(problem, dy);
    EXPECT_TRUE(at::allclose(got.dq, numeric_gradient(problem, &Problem::q, dy), 1e-5, 1e-7));
    EXPECT_TRUE(at::allclose(got.dk, numeric_gradient(problem, &Problem::k, dy), 1e-5, 1e-7));
    EXPECT_TRUE(at::allclose(got.dv, numeric_gradient(problem, &Problem::v, dy), 1e-5, 1e-7));
  }
}

// Rows whose float32 norm is 0 or infinite, and single zeros: y and dq 0 there, the rest as if the
// row were not asked, everything finite.
TEST(LinearAttention, DegenerateQueriesGiveZero) {
  for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
    for (const double value : {0.0, 1e-23, -1e-30, 1e19, 3e38}) {
      SCOPED_TRACE(value);
      Problem problem = drawn_problem({}, map);
      for (at::Tensor* x : {&problem.q, &problem.k, &problem.v}) {
        *x = x->to(at::kFloat);
      }
      const at::Tensor dy = drawn(problem.q.sizes(), 4).to(at::kFloat);
      problem.q.select(2, 3).fill_(value);
      const WithGradients got = differentiate(problem, dy);
      at::Tensor without = dy.clone();
      without.select(2, 3).zero_();
      Problem ordinary = problem;
      ordinary.q = problem.q.clone();
      ordinary.q.select(2, 3).fill_(0.7);
      const WithGradients other = differentiate(ordinary, without);
      EXPECT_EQ(got.y.select(2, 3).abs().max().item<float>(), 0);
      EXPECT_EQ(got.dq.select(2, 3).abs().max().item<float>(), 0);
      EXPECT_TRUE(at::allclose(got.dk, other.dk, 1e-5, 1e-6));
      EXPECT_TRUE(at::allclose(got.dv, other.dv, 1e-5, 1e-6));
    }
  }
}

TEST(LinearAttention, ZeroKeysAndSingleZerosHaveFiniteGradients) {
  for (const FeatureMap map : all_maps()) {
    SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
    Problem problem = drawn_problem({}, map);
    problem.q.select(3, 1).zero_();
    problem.k.select(3, 2).zero_();
    problem.k.select(2, 5).zero_();
    const WithGradients got = differentiate(problem, drawn(problem.q.sizes(), 4));
    for (const at::Tensor& x : {got.y, got.dq, got.dk, got.dv}) {
      EXPECT_TRUE(at::isfinite(x).all().item<bool>());
    }
    if (map == FeatureMap::cosine || map == FeatureMap::relu_split) {
      EXPECT_EQ(got.dk.select(2, 5).abs().max().item<double>(), 0);
      EXPECT_EQ(got.dq.select(3, 1).abs().max().item<double>(), 0);
    }
  }
}

TEST(LinearAttention, NaNIsNotHidden) {
  for (const FeatureMap map : all_maps()) {
    SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
    Problem problem = drawn_problem({}, map);
    problem.q[0][0][0][0] = std::nan("");
    EXPECT_TRUE(run(problem)[0][0][0].isnan().any().item<bool>());
  }
}

TEST(LinearAttention, PermutedTokensGivePermutedResults) {
  const at::Tensor order = torch::tensor({3, 1, 11, 0, 2, 10, 4, 9, 5, 8, 6, 7});
  for (const FeatureMap map : all_maps()) {
    const Problem problem = drawn_problem({}, map);
    Problem permuted = problem;
    for (at::Tensor* x : {&permuted.q, &permuted.k, &permuted.v}) {
      *x = x->index_select(2, order);
    }
    permuted.cos = problem.cos.index_select(0, order);
    permuted.sin = problem.sin.index_select(0, order);
    EXPECT_TRUE(at::allclose(run(permuted), run(problem).index_select(2, order), 1e-10, 1e-12));
  }
}

TEST(LinearAttention, PicturesDoNotMeet) {
  const Problem both = drawn_problem({}, FeatureMap::relu_split);
  Problem one = both;
  for (at::Tensor* x : {&one.q, &one.k, &one.v}) {
    *x = x->narrow(0, 1, 1);
  }
  EXPECT_TRUE(at::allclose(run(one), run(both).narrow(0, 1, 1), 1e-12, 1e-14));
}

TEST(LinearAttention, TakesSlicesAndGivesTokensFirst) {
  const Problem problem = drawn_problem({}, FeatureMap::relu_split);
  // (B, N, 3, h, d), as a packed projection gives it.
  const at::Tensor packed =
      at::stack({problem.q, problem.k, problem.v}, 0).permute({1, 3, 0, 2, 4}).contiguous();
  Problem sliced = problem;
  sliced.q = packed.select(2, 0).transpose(1, 2);
  sliced.k = packed.select(2, 1).transpose(1, 2);
  sliced.v = packed.select(2, 2).transpose(1, 2);
  const at::Tensor y = run(sliced);
  EXPECT_TRUE(y.transpose(1, 2).is_contiguous());
  EXPECT_TRUE(at::allclose(y, run(problem), 1e-12, 1e-14));
}

TEST(LinearAttention, HalfPrecisionIsComputedInFloat32) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    Problem half = drawn_problem({}, FeatureMap::relu_split);
    for (at::Tensor* x : {&half.q, &half.k, &half.v}) {
      *x = x->to(dtype);
    }
    Problem wide = half;
    for (at::Tensor* x : {&wide.q, &wide.k, &wide.v}) {
      *x = x->to(at::kFloat);
    }
    const at::Tensor y = run(half);
    EXPECT_EQ(y.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(y, run(wide).to(dtype)));
    EXPECT_EQ(differentiate(half, half.v).dq.scalar_type(), dtype);
  }
}

TEST(LinearAttention, SecondDerivativesAreRefused) {
  const Problem problem = drawn_problem({}, FeatureMap::relu_split);
  const at::Tensor q = problem.q.clone().requires_grad_();
  const at::Tensor y = linear_attention(q, problem.k, problem.v, problem.cos, problem.sin);
  const at::Tensor dq = torch::autograd::grad({y.sum()}, {q}, {}, true, true)[0];
  try {
    dq.sum().backward();
    FAIL() << "no error";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("double backward"), std::string::npos);
  }
}

TEST(LinearAttention, RefusesImpossibleArguments) {
  const Problem p = drawn_problem({}, FeatureMap::relu_split);
  const auto refuses = [&](const Problem& bad, const char* text) {
    try {
      run(bad);
      ADD_FAILURE() << "no error: " << text;
    } catch (const c10::Error& error) {
      EXPECT_NE(std::string(error.what_without_backtrace()).find(text), std::string::npos)
          << error.what_without_backtrace();
    }
  };
  const auto with = [&](at::Tensor Problem::*member, const at::Tensor& value) {
    Problem bad = p;
    bad.*member = value;
    return bad;
  };
  refuses(with(&Problem::q, p.q[0]), "(B, h, N, d)");
  refuses(with(&Problem::k, p.k.narrow(2, 0, 5)), "k has shape");
  refuses(with(&Problem::v, p.v.to(at::kFloat)), "v is");
  refuses(with(&Problem::cos, at::Tensor()), "both");
  refuses(with(&Problem::sin, p.sin.narrow(0, 0, 5)), "sin has shape");
  refuses(with(&Problem::q, p.q.to(at::kLong)), "floating");
  refuses(drawn_problem({.tokens = 0, .height = 0}, FeatureMap::relu_split), "N must be");
  Problem narrow{.q = p.q.narrow(3, 0, 6), .k = p.k.narrow(3, 0, 6), .v = p.v.narrow(3, 0, 6)};
  refuses(narrow, "multiple of 4");
}

TEST(LinearAttention, DefaultsAreTheSpecified) {
  const LinearAttentionOptions options;
  EXPECT_EQ(options.map, FeatureMap::relu_split);
  EXPECT_TRUE(options.norm_aware);
  EXPECT_EQ(options.lambd, 3);
  EXPECT_EQ(options.tau, 0.5);
  EXPECT_EQ(options.alpha, 20);
  EXPECT_EQ(options.eps, 1e-6);
}

TEST(Implementations, AreChosenByName) {
  const Problem problem = drawn_problem({}, FeatureMap::relu_split);
  ASSERT_FALSE(implementations().empty());
  EXPECT_EQ(implementations().back().name, "reference");
  EXPECT_EQ(choose_implementation("reference", problem).name, "reference");
  EXPECT_NO_THROW(choose_implementation("auto", problem));
  EXPECT_THROW(choose_implementation("refrence", problem), c10::Error);
}

}  // namespace
}  // namespace nala::ops
