// The heads for segmentation against the numbers of tests/python/test_segmentation_heads.py.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "core/rng.h"
#include "io/safetensors.h"
#include "io/state_dict.h"
#include "models/heads/fcn.h"
#include "models/heads/semantic_fpn.h"
#include "models/heads/upernet.h"

namespace nala::models {
namespace {

constexpr int64_t kClasses = 3;
constexpr std::array<int64_t, kStages> kWidths = {4, 6, 8, 10};

// The entries of the file below `prefix`, without it.
class Numbers {
 public:
  explicit Numbers(const std::string& prefix) {
    for (const auto& [name, tensor] :
         io::read_safetensors(NALA_TEST_FOLDER "/heads.safetensors").tensors) {
      if (name.starts_with(prefix)) {
        entries_[name.substr(prefix.size())] = tensor;
      }
    }
  }
  [[nodiscard]] const at::Tensor& at(const std::string& name) const { return entries_.at(name); }
  [[nodiscard]] io::NamedTensors below(const std::string& prefix) const {
    io::NamedTensors found;
    for (const auto& [name, tensor] : entries_) {
      if (name.starts_with(prefix)) {
        found.emplace_back(name.substr(prefix.size()), tensor);
      }
    }
    return found;
  }

 private:
  std::map<std::string, at::Tensor> entries_;
};

void expect_close(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((found - expected).abs().max().item<double>(), 2e-5 * scale) << what;
}

// A module with the children that a head's model has.
class SemanticFpn : public torch::nn::Module {
 public:
  SemanticFpn()
      : neck_(register_module("neck", FpnNeck(kWidths, 7))),
        decode_head_(register_module(
            "decode_head",
            FpnHead(FpnHeadOptions{.in = 7, .classifier = {.channels = 5, .classes = kClasses}}))) {
  }
  std::vector<at::Tensor> forward(const FeatureMaps& maps) {
    return {decode_head_(neck_(maps), ForwardContext())};
  }

 private:
  FpnNeck neck_;
  FpnHead decode_head_;
};

class UperNet : public torch::nn::Module {
 public:
  UperNet()
      : decode_head_(register_module(
            "decode_head",
            UperHead(UperHeadOptions{.in = kWidths,
                                     .pool_scales = {1, 2, 3, 6},
                                     .classifier = {.channels = 5, .classes = kClasses}}))),
        auxiliary_head_(register_module(
            "auxiliary_head",
            FcnHead(FcnHeadOptions{.in = kWidths[2],
                                   .classifier = {.channels = 6, .classes = kClasses}}))) {}
  std::vector<at::Tensor> forward(const FeatureMaps& maps) {
    return {decode_head_(maps, ForwardContext()), auxiliary_head_(maps[2], ForwardContext())};
  }

 private:
  UperHead decode_head_;
  FcnHead auxiliary_head_;
};

// Everything but what counts batches, which the fixture leaves out.
void load_weights(torch::nn::Module& model, const Numbers& numbers) {
  const io::LoadReport report = io::load_state_dict(model, numbers.below("weights/"));
  EXPECT_TRUE(report.unexpected.empty() && report.reshaped.empty()) << report.differences();
  for (const std::string& name : report.missing) {
    EXPECT_TRUE(name.ends_with("num_batches_tracked")) << name;
  }
}

template <class Head>
void expect_numbers_of_python(const std::string& name) {
  const Numbers numbers(name + "/");
  Head head;
  load_weights(head, numbers);
  FeatureMaps maps;
  for (int i = 0; i < kStages; ++i) {
    maps[i] = numbers.at("maps/" + std::to_string(i))
                  .contiguous(at::MemoryFormat::ChannelsLast)
                  .requires_grad_();
  }
  const std::vector<at::Tensor> outputs = head.forward(maps);
  at::Tensor loss = torch::zeros({});
  for (size_t i = 0; i < outputs.size(); ++i) {
    expect_close(outputs[i], numbers.at("outputs/" + std::to_string(i)), "output");
    loss = loss + (outputs[i] * numbers.at("slopes/" + std::to_string(i))).sum();
  }
  loss.backward();
  for (const auto& item : head.named_parameters()) {
    expect_close(item.value().grad(), numbers.at("gradients/" + item.key()), item.key());
  }
  for (int i = 0; i < kStages; ++i) {
    expect_close(maps[i].grad(), numbers.at("map_gradients/" + std::to_string(i)), "map");
  }
  for (const auto& [buffer, expected] : numbers.below("statistics/")) {
    expect_close(head.named_buffers()[buffer], expected, buffer);
  }
  head.eval();
  expect_close(head.forward(maps).front(), numbers.at("evaluated"), "evaluation");
}

TEST(Heads, SemanticFpnGivesTheNumbersOfPython) {
  expect_numbers_of_python<SemanticFpn>("semantic_fpn");
}

TEST(Heads, UperNetGivesTheNumbersOfPython) {
  expect_numbers_of_python<UperNet>("upernet");
}

TEST(Heads, DropoutDropsChannelsByKey) {
  const std::vector<int64_t> positions = {11, 12};
  const ForwardContext context{.seed = 3, .step = 5, .positions = positions};
  const at::Tensor x = torch::ones({2, 4000, 2, 2});
  const at::Tensor factors = channel_dropout_factors(0.25, 0, context, x);
  ASSERT_EQ(factors.sizes(), (std::vector<int64_t>{2, 4000, 1, 1}));
  EXPECT_NEAR(factors.eq(0).to(at::kFloat).mean().item<double>(), 0.25, 0.02);
  EXPECT_FLOAT_EQ(factors.max().item<float>(), 1 / 0.75F);
  const std::vector<int64_t> second = {12};
  const ForwardContext alone{.seed = 3, .step = 5, .positions = second};
  EXPECT_TRUE(at::equal(channel_dropout_factors(0.25, 0, alone, x.narrow(0, 0, 1)),
                        factors.narrow(0, 1, 1)))
      << "a picture's mask depends on its place in the batch";
  EXPECT_FALSE(at::equal(channel_dropout_factors(0.25, 1, context, x), factors));
}

}  // namespace
}  // namespace nala::models
