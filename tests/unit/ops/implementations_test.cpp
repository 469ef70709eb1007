// Every row of the table of implementations on every device at hand, held to the reference.
#include "ops/implementations.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>

#include "drawn.h"
#include "harness.h"

namespace nala::ops {
namespace {

constexpr std::array<int64_t, 7> kTokens = {1, 5, 35, 49, 197, 1025, 3136};
constexpr std::array<int64_t, 6> kChannels = {16, 32, 48, 64, 96, 128};
constexpr std::array kDtypes = {at::kFloat, at::kBFloat16, at::kHalf};
constexpr std::array kOrders = {MemoryOrder::contiguous, MemoryOrder::packed, MemoryOrder::expanded,
                                MemoryOrder::channels_apart};
constexpr std::array kContents = {Contents::ordinary, Contents::zero_rows, Contents::near_eps};

bool full_product() {
  return std::getenv("NALA_HARNESS_FULL") != nullptr;
}

// Calls run(row, device) for the rows but the reference that accept the problem.
template <class Run>
void for_each_row(const Problem& problem, Run run) {
  for (const at::Device& device : devices()) {
    Problem there = problem;
    there.q = problem.q.to(device);
    for (const Implementation& row : implementations()) {
      if (row.name != "reference" && row.refuses(there).empty()) {
        SCOPED_TRACE(std::string(row.name) + " on " + device.str());
        run(row, device);
      }
    }
  }
}

void check(const HarnessCase& c) {
  SCOPED_TRACE(title(c));
  const HarnessProblem problem = harness_problem(c);
  const Outcome judge = judged(problem);
  const Outcome eager = outcome_of(reference_row(), problem, at::kCPU);
  for_each_row(problem.problem, [&](const Implementation& row, at::Device device) {
    const Outcome got = outcome_of(row, problem, device);
    EXPECT_EQ(excess(problem, got, eager, judge), "");
    EXPECT_EQ(got.y.scalar_type(), c.dtype);
    EXPECT_TRUE(got.y.transpose(1, 2).is_contiguous());
  });
}

// Every (N, d), with the other choices taking turns, and every (dtype, order, contents).
TEST(Implementations, AreAsExactAsPlainATen) {
  size_t turn = 0;
  for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
    for (const int64_t tokens : kTokens) {
      for (const int64_t d : kChannels) {
        const int repeats = tokens < 200 ? 5 : 1;
        for (int i = 0; i < repeats; ++i, ++turn) {
          check({.tokens = tokens,
                 .d = d,
                 .dtype = kDtypes[turn % 3],
                 .order = kOrders[turn / 3 % 4],
                 .contents = kContents[turn % 5 % 3],
                 .map = map});
        }
      }
    }
    for (const at::ScalarType dtype : kDtypes) {
      for (const MemoryOrder order : kOrders) {
        for (const Contents contents : kContents) {
          check({.dtype = dtype, .order = order, .contents = contents, .map = map});
        }
      }
    }
  }
}

TEST(Implementations, AreAsExactInEveryMap) {
  for (const FeatureMap map : all_maps()) {
    for (const int64_t tokens : {35, 197}) {
      for (const at::ScalarType dtype : kDtypes) {
        for (const Contents contents : kContents) {
          check({.tokens = tokens, .d = 48, .dtype = dtype, .contents = contents, .map = map});
        }
      }
    }
    for (const int64_t d : {4, 12, 20, 100}) {
      check({.d = d, .map = map});
    }
    check({.map = map, .norm_aware = false});
    check({.map = map, .lambd = 2});
    check({.map = map, .lambd = 1.5});
  }
}

TEST(ImplementationsFull, EveryCombination) {
  if (!full_product()) {
    GTEST_SKIP()
        << "NALA_HARNESS_FULL is not set (the ctest entry ops_implementations_full sets it)";
  }
  for (const FeatureMap map : all_maps()) {
    for (const int64_t tokens : kTokens) {
      for (const int64_t d : kChannels) {
        for (const at::ScalarType dtype : kDtypes) {
          for (const MemoryOrder order : kOrders) {
            for (const Contents contents : kContents) {
              check({.tokens = tokens,
                     .d = d,
                     .dtype = dtype,
                     .order = order,
                     .contents = contents,
                     .map = map});
            }
          }
        }
      }
    }
  }
}

// Rows whose norm is 0 or infinite in float32: exactly 0, and as if they were not asked.
TEST(Implementations, DegenerateQueriesGiveZeroAndChangeNothing) {
  for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
    for (const double value : {0.0, 1e-23, -1e-30, 1e19, 3e38, double{INFINITY}}) {
      for (const int64_t token : {0, 48}) {
        HarnessProblem problem = harness_problem({.map = map});
        problem.problem.q.select(2, token).fill_(value);
        HarnessProblem zero = problem;
        zero.problem.q = problem.problem.q.clone();
        zero.problem.q.select(2, token).zero_();
        const Outcome judge = judged(zero);
        const Outcome eager = outcome_of(reference_row(), zero, at::kCPU);
        for_each_row(problem.problem, [&](const Implementation& row, at::Device device) {
          SCOPED_TRACE(value);
          const Outcome got = outcome_of(row, problem, device);
          EXPECT_EQ(got.y.select(2, token).abs().max().item<float>(), 0);
          EXPECT_EQ(got.dq.select(2, token).abs().max().item<float>(), 0);
          EXPECT_EQ(excess(problem, got, eager, judge), "");
        });
      }
    }
  }
}

TEST(Implementations, ZeroKeysHaveZeroGradient) {
  for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
    HarnessProblem problem = harness_problem({.map = map});
    problem.problem.k.select(2, 5).zero_();
    for_each_row(problem.problem, [&](const Implementation& row, at::Device device) {
      EXPECT_EQ(outcome_of(row, problem, device).dk.select(2, 5).abs().max().item<float>(), 0);
    });
  }
}

// Where plain ATen shows a NaN, so does every implementation.
TEST(Implementations, NaNIsNotHidden) {
  for (const FeatureMap map : all_maps()) {
    for (at::Tensor Problem::*x : {&Problem::q, &Problem::k, &Problem::v}) {
      HarnessProblem problem = harness_problem({.map = map});
      (problem.problem.*x)[0][1][7][3] = std::nan("");
      const Outcome eager = outcome_of(reference_row(), problem, at::kCPU);
      for_each_row(problem.problem, [&](const Implementation& row, at::Device device) {
        SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
        const Outcome got = outcome_of(row, problem, device);
        const auto hidden = [](const at::Tensor& theirs, const at::Tensor& ours) {
          return theirs.isnan().logical_and(ours.isnan().logical_not()).sum().item<int64_t>();
        };
        EXPECT_TRUE(got.y.isnan().any().item<bool>());
        EXPECT_FALSE(got.y.select(1, 0).isnan().any().item<bool>());
        EXPECT_EQ(hidden(eager.y, got.y), 0);
        EXPECT_EQ(hidden(eager.dq, got.dq), 0);
        EXPECT_EQ(hidden(eager.dk, got.dk), 0);
        EXPECT_EQ(hidden(eager.dv, got.dv), 0);
      });
    }
  }
}

// Bit for bit, forward and backward, whatever the number of threads and wherever a sequence lies in
// a batch. On the CPU: a GPU's number of threads is not ours to set.
TEST(Implementations, DoNotDependOnThreads) {
  const int before = at::get_num_threads();
  for (const auto& [batch, tokens] : {std::pair<int64_t, int64_t>{1, 3136}, {9, 1100}}) {
    Problem p = drawn_problem({.batch = batch, .heads = 1, .tokens = tokens, .d = 32, .height = 4},
                              FeatureMap::relu_split);
    for (at::Tensor* x : {&p.q, &p.k, &p.v}) {
      *x = x->to(at::kFloat);
    }
    const HarnessProblem problem{p, p.v};
    for (const Implementation& row : implementations()) {
      if (row.name == "reference" || !row.refuses(p).empty()) {
        continue;
      }
      SCOPED_TRACE(row.name);
      at::set_num_threads(1);
      const Outcome one = outcome_of(row, problem, at::kCPU);
      at::set_num_threads(2);
      const Outcome two = outcome_of(row, problem, at::kCPU);
      for (at::Tensor Outcome::*x : {&Outcome::y, &Outcome::dq, &Outcome::dk, &Outcome::dv}) {
        EXPECT_TRUE(at::equal(one.*x, two.*x));
      }
    }
  }
  at::set_num_threads(before);
}

TEST(Implementations, SayWhyTheyRefuse) {
  const Problem p = drawn_problem({}, FeatureMap::relu_split);  // float64
  for (const Implementation& row : implementations()) {
    EXPECT_EQ(row.refuses(p).empty(), row.name == "reference") << row.name;
  }
  try {
    choose_implementation("avx2", p);
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find("avx2 cannot be used"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace nala::ops
