// The program that test_equality.py compares with Python's DistributedDataParallel: five steps of
// a small network, each rank with pictures of its own; prints the sum of the weights' sizes.

#include <torch/torch.h>

#include <cstdio>

#include "train/distributed/gradient_reducer.h"

int main() {
  namespace train = nala::train;
  const train::Group group(train::detect_launch(), {});
  torch::manual_seed(1);
  torch::nn::Sequential model;
  // One by one: arguments of a call are made in any order, and so would the weights be.
  model->push_back(torch::nn::Linear(8, 16));
  model->push_back(torch::nn::ReLU());
  model->push_back(torch::nn::Linear(16, 4));
  train::GradientReducer reducer(*model, group, {});
  torch::optim::SGD optimizer(model->parameters(), 0.1);
  for (int64_t step = 0; step < 5; ++step) {
    torch::manual_seed(static_cast<uint64_t>(100 + step * 10 + group.rank()));
    const at::Tensor x = torch::randn({4, 8});
    reducer.backward(model->forward(x).pow(2).mean(), true);
    optimizer.step();
    for (at::Tensor& parameter : model->parameters()) {
      parameter.mutable_grad().reset();
    }
  }
  double sum = 0;
  for (const at::Tensor& parameter : model->parameters()) {
    sum += parameter.detach().to(at::kDouble).abs().sum().item<double>();
  }
  std::printf("rank %d checksum %.12f\n", static_cast<int>(group.rank()), sum);
  group.barrier("end");
  return 0;
}
