// The linear attention kernels, run on the host, against plain loops in double.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "attention_case.h"
#include "shim/launch.h"

namespace nala::cuda_host {
namespace {

using cuda::Dtype;
using cuda::Map;

// Restores how blocks are run.
class RunOptionsGuard {
 public:
  RunOptionsGuard() : before_(shim::run_options()) {}
  ~RunOptionsGuard() { shim::run_options() = before_; }

 private:
  shim::RunOptions before_;
};

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) {
    most = std::max(most, std::abs(value));
  }
  return most;
}

// What one rounding of a result costs, relative to it.
double output_rounding(Dtype dtype) {
  switch (dtype) {
    case Dtype::bfloat16:
      return 1.0 / 256;
    case Dtype::float16:
      return 1.0 / 2048;
    default:
      return 0;
  }
}

constexpr double kFloatError = 1e-5;

void expect_forward(const Case& given, const Results& results) {
  const std::vector<double> exact = exact_y(given);
  const double tolerance = kFloatError * largest(exact);
  for (size_t i = 0; i < exact.size(); ++i) {
    const double allowed = tolerance + output_rounding(given.dtype) * std::abs(exact[i]);
    ASSERT_NEAR(results.y[i], exact[i], allowed) << "y, element " << i;
  }
}

// Derivatives along `along`, which may be zero almost everywhere, of one input after the other.
void expect_slopes(const Case& given, const Results& results, const std::vector<float>& along) {
  const std::vector<float> none;
  const std::vector<float>* gradients[] = {&results.dq, &results.dk, &results.dv};
  const double exact[] = {exact_slope(given, along, none, none),
                          exact_slope(given, none, along, none),
                          exact_slope(given, none, none, along)};
  for (int input = 0; input < 3; ++input) {
    double slope = 0;
    double size = 0;
    double direction = 0;
    for (size_t i = 0; i < along.size(); ++i) {
      if (along[i] != 0) {
        slope += static_cast<double>((*gradients[input])[i]) * along[i];
        size += std::abs(static_cast<double>((*gradients[input])[i]) * along[i]);
        direction += std::abs(along[i]);
      }
    }
    // With one token y is v but for eps: what is left of dq and dk has cancelled.
    const double cancelled = given.call.shape.tokens == 1 ? 2e-5 * direction : 0;
    const double allowed = size * (kFloatError + output_rounding(given.dtype)) + cancelled;
    ASSERT_NEAR(slope, exact[input], allowed) << "gradient of "
                                              << "qkv"[input];
  }
}

// Zero but for one token of one head.
std::vector<float> at_token(const Case& given, int64_t head, int token) {
  const cuda::AttentionShape& shape = given.call.shape;
  std::vector<float> along(given.elements(), 0);
  const std::vector<float> values = drawn(static_cast<size_t>(shape.channels), 77);
  const int64_t first = (head * shape.tokens + token) * shape.channels;
  std::copy(values.begin(), values.end(), along.begin() + first);
  return along;
}

void expect_right(const Case& given) {
  const Results results = run_kernels(given);
  expect_forward(given, results);
  expect_slopes(given, results, drawn(given.elements(), 11));
  expect_slopes(given, results, drawn(given.elements(), 12));
  const int64_t last_head = cuda::heads_of(given.call.shape) - 1;
  expect_slopes(given, results, at_token(given, 0, 0));
  expect_slopes(given, results, at_token(given, last_head, given.call.shape.tokens - 1));
}

struct Named {
  const char* name;
  CaseOptions options;
};

class EveryCase : public testing::TestWithParam<Named> {};

TEST_P(EveryCase, ForwardAndBackwardMatchDouble) {
  expect_right(make_case(GetParam().options));
}

INSTANTIATE_TEST_SUITE_P(
    Maps,
    EveryCase,
    testing::Values(Named{"relu_split", {}},
                    Named{"cosine", {.map = Map::cosine}},
                    Named{"elu", {.map = Map::elu}},
                    Named{"relu", {.map = Map::relu}},
                    Named{"focused", {.map = Map::focused}},
                    Named{"relu_split_norm_blind", {.norm_aware = false}},
                    Named{"cosine_norm_blind", {.map = Map::cosine, .norm_aware = false}},
                    Named{"without_rotation", {.rotate = false}},
                    Named{"cosine_d96", {.tokens = 50, .channels = 96, .map = Map::cosine}},
                    Named{"elu_d96", {.tokens = 50, .channels = 96, .map = Map::elu}},
                    Named{"focused_d128", {.tokens = 40, .channels = 128, .map = Map::focused}},
                    Named{"elu_d44", {.tokens = 40, .channels = 44, .map = Map::elu}}),
    [](const auto& named) { return std::string(named.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    EveryCase,
    testing::Values(Named{"one_token", {.tokens = 1}},
                    Named{"d4", {.tokens = 9, .channels = 4}},
                    Named{"d20", {.tokens = 33, .channels = 20}},
                    Named{"d48", {.images = 2, .tokens = 35, .channels = 48}},
                    Named{"d64", {.tokens = 65, .channels = 64}},
                    Named{"d96", {.tokens = 49, .channels = 96}},
                    Named{"d100", {.heads = 1, .tokens = 35, .channels = 100}},
                    Named{"d128", {.heads = 1, .tokens = 65, .channels = 128}},
                    Named{"n197", {.heads = 1, .tokens = 197, .tokens_per_split = 96}},
                    Named{"one_split", {.tokens = 150, .tokens_per_split = 1000}}),
    [](const auto& named) { return std::string(named.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Memory,
    EveryCase,
    testing::Values(Named{"packed", {.images = 2, .tokens = 35, .layout = Layout::packed}},
                    Named{"heads_first",
                          {.images = 2, .tokens = 35, .layout = Layout::heads_first}},
                    Named{"bfloat16", {.dtype = Dtype::bfloat16, .layout = Layout::packed}},
                    Named{"bfloat16_d96", {.tokens = 49, .channels = 96, .dtype = Dtype::bfloat16}},
                    Named{"float16", {.map = Map::cosine, .dtype = Dtype::float16}},
                    Named{"float16_d48", {.tokens = 35, .channels = 48, .dtype = Dtype::float16}}),
    [](const auto& named) { return std::string(named.param.name); });

TEST(Kernels, OtherParametersThanTheDefaults) {
  Case given = make_case({.tokens = 40});
  given.call.rule.lambd = 2.5f;
  given.call.rule.tau = 0.8f;
  given.eps = 1e-3f;
  expect_right(given);
  given.call.rule.map = Map::cosine;
  given.call.rule.alpha = 1;
  expect_right(given);
}

bool same_bits(const Results& a, const Results& b) {
  const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  };
  return same(a.y, b.y) && same(a.dq, b.dq) && same(a.dk, b.dk) && same(a.dv, b.dv);
}

TEST(Kernels, ResultsDoNotDependOnTheOrderOfThreads) {
  const RunOptionsGuard guard;
  for (const int channels : {32, 64, 96}) {
    const Case given = make_case({.tokens = 45, .channels = channels, .tokens_per_split = 20});
    shim::run_options() = {};
    const Results results = run_kernels(given);
    for (const unsigned order : {1u, 2u, 3u}) {
      shim::run_options().order = order;
      EXPECT_TRUE(same_bits(run_kernels(given), results)) << "d " << channels << " order " << order;
    }
    shim::run_options() = {.workers = 2};
    EXPECT_TRUE(same_bits(run_kernels(given), results)) << "d " << channels << ", two workers";
  }
}

void scale_token(Case& given, std::vector<float> Case::*member, int token, float scale) {
  const auto d = static_cast<size_t>(given.call.shape.channels);
  for (size_t i = 0; i < d; ++i) {
    (given.*member)[static_cast<size_t>(token) * d + i] *= scale;
  }
}

class Norms : public testing::TestWithParam<Map> {};

TEST_P(Norms, RowsOfNormZeroOrInfinityGiveZerosAndSpoilNothing) {
  Case given = make_case({.heads = 1, .tokens = 37, .map = GetParam()});
  given.eps = 1e-6f;
  const float scales[] = {0, 1e-23f, 1e19f};
  for (int token = 0; token < 3; ++token) {
    scale_token(given, &Case::q, 5 * token, scales[token]);
  }
  scale_token(given, &Case::k, 4, 0);
  const Results results = run_kernels(given);
  for (int token = 0; token < 3; ++token) {
    for (size_t c = 0; c < 32; ++c) {
      const size_t i = static_cast<size_t>(5 * token) * 32 + c;
      EXPECT_EQ(results.y[i], 0) << "scale " << scales[token];
      EXPECT_EQ(results.dq[i], 0) << "scale " << scales[token];
    }
  }
  for (size_t c = 0; c < 32; ++c) {
    EXPECT_EQ(results.dk[4 * 32 + c], 0);
  }
  expect_forward(given, results);
  expect_slopes(given, results, drawn(given.elements(), 13));
}

TEST_P(Norms, NotANumberStaysOne) {
  Case given = make_case({.heads = 2, .tokens = 37, .map = GetParam()});
  given.q[40] = std::nanf("");
  const Results results = run_kernels(given);
  for (size_t i = 0; i < given.elements(); ++i) {
    const bool same_token = i / 32 == 40 / 32;
    ASSERT_EQ(std::isnan(results.y[i]), same_token) << i;
  }
  Case with_key = make_case({.heads = 2, .tokens = 37, .map = GetParam()});
  with_key.k[40] = std::nanf("");
  const Results spoiled = run_kernels(with_key);
  size_t spoiled_first = 0;
  for (size_t i = 0; i < with_key.elements(); ++i) {
    const bool first_head = i < 37 * 32;
    spoiled_first += first_head && std::isnan(spoiled.y[i]);
    ASSERT_TRUE(first_head || !std::isnan(spoiled.y[i])) << i;
  }
  EXPECT_EQ(spoiled_first, 37u * 32u);
  EXPECT_TRUE(std::isnan(spoiled.dk[40]));
}

INSTANTIATE_TEST_SUITE_P(Both,
                         Norms,
                         testing::Values(Map::relu_split, Map::cosine),
                         [](const auto& named) {
                           return named.param == Map::cosine ? "cosine" : "relu_split";
                         });

TEST(Plan, CoversEveryTokenAndIsSmallEnough) {
  for (const int channels : {4, 32, 48, 64, 96, 128}) {
    for (const int tokens : {1, 49, 197, 3136, 73984}) {
      for (const int64_t heads : {1, 16, 600}) {
        const cuda::AttentionShape shape{heads, 1, tokens, channels};
        const cuda::SplitPlan plan = cuda::plan_splits(shape);
        EXPECT_GE(int64_t{plan.splits} * plan.tokens_per_split, tokens);
        EXPECT_LT(int64_t{plan.splits - 1} * plan.tokens_per_split, tokens);
        EXPECT_LE(plan.splits * heads, 512 + heads);
      }
    }
  }
}

}  // namespace
}  // namespace nala::cuda_host
