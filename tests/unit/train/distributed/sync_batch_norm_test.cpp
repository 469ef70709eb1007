// Synchronised BatchNorm against torch's own on the joined batch, in float64.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/batch_norm.h"
#include "processes.h"

namespace nala::train {
namespace {

constexpr int64_t kChannels = 5;

struct Case {
  at::Tensor x, gradient;  // (B, C, H, W): the joined batch, and of its output
};

Case make_case(int64_t batch, double mean) {
  const auto generator = at::detail::createCPUGenerator(7);
  const auto draw = [&] {
    return at::randn({batch, kChannels, 3, 4}, generator, at::TensorOptions(at::kDouble));
  };
  return {draw() * 2 + mean, draw()};
}

models::BatchNorm2d make_norm() {
  models::BatchNorm2d norm(kChannels);
  norm->to(at::kDouble);
  const at::NoGradGuard no_grad;
  norm->weight.copy_(torch::linspace(-1, 2, kChannels, at::kDouble));
  norm->bias.copy_(torch::linspace(3, 1, kChannels, at::kDouble));
  return norm;
}

struct Results {
  at::Tensor y, dx, dweight, dbias;
};

Results run(models::BatchNorm2d& norm, const at::Tensor& x, const at::Tensor& gradient) {
  const at::Tensor leaf = x.clone().requires_grad_();
  const at::Tensor y = norm->forward(leaf);
  y.backward(gradient);
  return {y.detach(), leaf.grad(), norm->weight.grad(), norm->bias.grad()};
}

void expect_close(const at::Tensor& a, const at::Tensor& b, const char* what) {
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-11) << what;
}

// Rank r takes the pictures from `begins[r]` to `begins[r + 1]`.
void compare(const std::vector<int64_t>& begins, double mean) {
  const Case whole = make_case(begins.back(), mean);
  models::BatchNorm2d plain = make_norm();
  const Results expected = run(plain, whole.x, whole.gradient);
  as_ranks(std::ssize(begins) - 1, [&](const Group& group) {
    const auto rank = static_cast<size_t>(group.rank());
    const auto part = [&](const at::Tensor& map) {
      return map.slice(0, begins[rank], begins[rank + 1]);
    };
    models::BatchNorm2d norm = make_norm();
    norm->synchronise([&](const at::Tensor& sums) { group.sum(sums, "statistics"); });
    const Results own = run(norm, part(whole.x), part(whole.gradient));
    expect_close(own.y, part(expected.y), "y");
    expect_close(own.dx, part(expected.dx), "dx");
    group.sum(own.dweight, "weights");
    group.sum(own.dbias, "biases");
    expect_close(own.dweight, expected.dweight, "dweight");
    expect_close(own.dbias, expected.dbias, "dbias");
    expect_close(norm->running_mean, plain->running_mean, "running mean");
    expect_close(norm->running_var, plain->running_var, "running variance");
    EXPECT_EQ(norm->num_batches_tracked.item<int64_t>(), 1);
  });
}

TEST(SyncBatchNorm, IsBatchNormOfTheJoinedBatch) {
  compare({0, 4, 8}, 0.3);
}

TEST(SyncBatchNorm, UnevenPartsCountByTheirPixels) {
  compare({0, 1, 6, 8}, -1);
}

// Sums of squares alone would lose every digit here.
TEST(SyncBatchNorm, FarFromZeroIsAsGood) {
  models::BatchNorm2d plain = make_norm();
  models::BatchNorm2d synced = make_norm();
  plain->to(at::kFloat);
  synced->to(at::kFloat);
  synced->synchronise([](const at::Tensor&) {});
  const at::Tensor x = make_case(8, 1000).x.to(at::kFloat);
  const at::Tensor expected = make_norm()->forward(x.to(at::kDouble)).detach();
  const double error = (synced->forward(x).detach() - expected).abs().max().item<double>();
  const double torchs = (plain->forward(x).detach() - expected).abs().max().item<double>();
  EXPECT_LT(error, std::max(2 * torchs, 1e-3));
}

TEST(SyncBatchNorm, EvaluationAsksNobody) {
  models::BatchNorm2d norm = make_norm();
  norm->synchronise([](const at::Tensor&) { FAIL() << "a sum in evaluation"; });
  norm->eval();
  const at::Tensor x = make_case(2, 0).x;
  models::BatchNorm2d plain = make_norm();
  plain->eval();
  EXPECT_TRUE(at::equal(norm->forward(x), plain->forward(x)));
}

TEST(SyncBatchNorm, KeepsHalfPrecisionMapsAndRefusesSecondDerivatives) {
  const at::Tensor x = make_case(4, 0).x.to(at::kBFloat16).requires_grad_();
  const at::Tensor weight = torch::ones({kChannels}).requires_grad_();
  const at::Tensor bias = torch::zeros({kChannels}).requires_grad_();
  const auto batch = models::sync_batch_norm(x, weight, bias, 1e-5, [](const at::Tensor&) {});
  EXPECT_EQ(batch.y.scalar_type(), at::kBFloat16);
  const at::Tensor loss = batch.y.to(at::kFloat).square().sum();
  EXPECT_THROW(torch::autograd::grad({loss}, {x}, {}, true, /*create_graph=*/true), c10::Error);
}

TEST(SyncBatchNorm, ReachesEveryLayerOfAModel) {
  torch::nn::Sequential model;
  model->push_back(models::BatchNorm2d(2));
  model->push_back(models::BatchNorm2d(2));
  int sums = 0;
  models::synchronise_batch_norm(*model, [&](const at::Tensor&) { ++sums; });
  model->forward(torch::randn({2, 2, 3, 3}));
  EXPECT_EQ(sums, 2);
}

}  // namespace
}  // namespace nala::train
