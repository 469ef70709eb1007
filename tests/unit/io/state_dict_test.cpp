#include "io/state_dict.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace nala::io {
namespace {

// A parameter of its own, a buffer, and children: the order differs from that of
// parameters-then-buffers over the whole tree.
struct Net : torch::nn::Module {
  Net() {
    conv =
        register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 1).bias(false)));
    norm = register_module("norm", torch::nn::BatchNorm2d(3));
    scale = register_parameter("scale", torch::full({1, 3, 1, 1}, 2.0F));
    table = register_buffer("table", torch::arange(4, torch::kLong));
    tail =
        register_module("tail", torch::nn::Sequential(torch::nn::ReLU(), torch::nn::Linear(3, 2)));
  }
  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  torch::Tensor scale;  // (1, 3, 1, 1)
  torch::Tensor table;  // (4,)
  torch::nn::Sequential tail{nullptr};
};

// As Python's state_dict() lists the same module.
const std::vector<std::string> kNames{"scale",
                                      "table",
                                      "conv.weight",
                                      "norm.weight",
                                      "norm.bias",
                                      "norm.running_mean",
                                      "norm.running_var",
                                      "norm.num_batches_tracked",
                                      "tail.1.weight",
                                      "tail.1.bias"};

NamedTensors copies(const torch::nn::Module& module) {
  NamedTensors all = state_dict(module);
  for (auto& named : all) {
    named.second = named.second.detach().clone();
  }
  return all;
}

TEST(StateDict, NamesInPythonsOrder) {
  const Net net;
  std::vector<std::string> names;
  for (const auto& named : state_dict(net)) {
    names.push_back(named.first);
  }
  EXPECT_EQ(names, kNames);
}

TEST(StateDict, TensorsAreTheLiveOnes) {
  Net net;
  const NamedTensors all = state_dict(net);
  const torch::NoGradGuard no_grad;
  at::Tensor scale = all[0].second;
  scale.fill_(9);
  EXPECT_EQ(net.scale.sum().item<float>(), 27);
  EXPECT_TRUE(all[0].second.requires_grad());
}

TEST(StateDict, LoadsEverything) {
  Net from;
  Net to;
  from.norm->running_mean.fill_(0.25);
  const LoadReport report = load_state_dict(to, copies(from));
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.loaded, kNames);
  EXPECT_EQ(report.summary(), "10 loaded, 0 missing, 0 unexpected, 0 reshaped");
  EXPECT_EQ(report.differences(), "");
  const NamedTensors expected = state_dict(from);
  const NamedTensors found = state_dict(to);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(torch::equal(found[i].second, expected[i].second)) << expected[i].first;
  }
  EXPECT_TRUE(to.scale.requires_grad());
  EXPECT_TRUE(to.scale.is_leaf());
}

TEST(StateDict, ConvertsDtypeAndKeepsLayout) {
  Net net;
  net.conv->weight.set_data(torch::zeros({3, 2, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor weight = torch::arange(54, torch::kDouble).reshape({3, 2, 3, 3});
  load_state_dict(net, {{"conv.weight", weight}});
  EXPECT_EQ(net.conv->weight.scalar_type(), torch::kFloat);
  EXPECT_TRUE(net.conv->weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(torch::equal(net.conv->weight, weight.to(torch::kFloat)));
}

// One key missing, one too many, one of another shape that broadcasting could hide.
NamedTensors different() {
  NamedTensors tensors = copies(Net());
  tensors.erase(tensors.begin() + 1);  // table
  tensors.emplace_back("extra", torch::ones({1}));
  tensors[0] = {"scale", torch::ones({1})};
  tensors[1].second.fill_(5);  // conv.weight
  return tensors;
}

TEST(StateDict, ReportsDifferencesAndLoadsTheRest) {
  Net net;
  const LoadReport report = load_state_dict(net, different());
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(report.missing, std::vector<std::string>{"table"});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"extra"});
  ASSERT_EQ(report.reshaped.size(), 1U);
  EXPECT_EQ(report.reshaped[0].name, "scale");
  EXPECT_EQ(report.reshaped[0].found, std::vector<int64_t>{1});
  EXPECT_EQ(report.reshaped[0].expected, (std::vector<int64_t>{1, 3, 1, 1}));
  EXPECT_EQ(report.summary(), "8 loaded, 1 missing, 1 unexpected, 1 reshaped");
  EXPECT_EQ(report.differences(),
            "missing: 'table'; unexpected: 'extra'; reshaped: 'scale [1] instead of [1, 3, 1, 1]'");
  EXPECT_EQ(net.conv->weight.min().item<float>(), 5);
  EXPECT_EQ(net.scale.max().item<float>(), 2);
  EXPECT_EQ(net.scale.dim(), 4);
}

TEST(StateDict, OverviewPutsNamesOfOneFateTogether) {
  LoadReport report;
  report.loaded = {"stem.weight", "stem.bias", "layers.0.a.weight", "layers.1.a.weight"};
  report.missing = {"layers.1.b.weight", "layers.1.b.bias", "head.conv.weight", "head.bias",
                    "layers.0.x"};
  report.unexpected = {"head.old", "norm.weight", "norm.bias"};
  report.reshaped = {{"layers.1.c", {1, 2}, {3}}};
  EXPECT_EQ(report.overview(),
            "loaded 4: 'stem.*' (2), 'layers.0.a.weight', 'layers.1.a.weight'\n"
            "not in the file 5: 'layers.1.b.*' (2), 'head.conv.weight', 'head.bias', 'layers.0.x'\n"
            "not in the model 3: 'head.old', 'norm.*' (2)\n"
            "of another shape: 'layers.1.c [1, 2] instead of [3]'");
}

TEST(StateDict, OverviewOfManySingleNamesStaysShort) {
  LoadReport report;
  for (int i = 0; i < 1000; ++i) {
    report.unexpected.push_back("x" + std::to_string(i));
  }
  const std::string text = report.overview();
  EXPECT_TRUE(text.ends_with("'x22', 'x23' and 976 more")) << text;
}

TEST(StateDict, StrictLoadIsAllOrNothing) {
  Net net;
  const NamedTensors before = copies(net);
  try {
    load_state_dict_strictly(net, different(), "w.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("w.safetensors: ", 0), 0U);
    for (const char* key : {"'table'", "'extra'", "'scale [1] instead of [1, 3, 1, 1]'"}) {
      EXPECT_NE(message.find(key), std::string::npos) << message;
    }
  }
  const NamedTensors after = state_dict(net);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(torch::equal(after[i].second, before[i].second)) << before[i].first;
  }
  load_state_dict_strictly(net, copies(Net()), "w.safetensors");
}

}  // namespace
}  // namespace nala::io
