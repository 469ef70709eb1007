#include "models/segmenter.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "models/describe.h"
#include "small_model.h"

namespace nala::models {
namespace {

ModelConfig config_of(SegmentationHead head) {
  ModelConfig config = small_config();
  config.segmentation.head = head;
  config.segmentation.neck_channels = 12;
  config.segmentation.channels = 8;
  config.segmentation.auxiliary_channels = 6;
  return config;
}

std::shared_ptr<Model> built(const ModelConfig& config, uint64_t seed = 1) {
  return build_model(config, Task::segmentation, seed);
}

class SegmenterOfHead : public testing::TestWithParam<SegmentationHead> {};

TEST_P(SegmenterOfHead, GivesLogitsAtAQuarterOfAnySize) {
  const auto model = built(config_of(GetParam()));
  model->eval();
  const at::NoGradGuard no_grad;
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{32, 48}, {33, 50}, {1, 1}}) {
    const Outputs outputs = model->forward(pictures(2, height, width), {});
    EXPECT_EQ(outputs.main.sizes(),
              (std::vector<int64_t>{2, 5, (height + 3) / 4, (width + 3) / 4}));
    EXPECT_FALSE(outputs.auxiliary.defined());
  }
}

TEST_P(SegmenterOfHead, EveryParameterLearns) {
  const auto model = built(config_of(GetParam()));
  const std::vector<int64_t> positions = {0, 1};
  const Outputs outputs =
      model->forward(pictures(2, 64, 64), {.seed = 1, .step = 0, .positions = positions});
  at::Tensor loss = outputs.main.square().mean();
  if (outputs.auxiliary.defined()) {
    loss = loss + outputs.auxiliary.square().mean();
  }
  loss.backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST_P(SegmenterOfHead, IsDescribed) {
  ModelConfig config = config_of(GetParam());
  for (const bool extras : {false, true}) {
    config.segmentation.auxiliary = config.segmentation.out_norm = extras;
    int64_t count = 0;
    for (const at::Tensor& parameter : built(config)->parameters()) {
      count += parameter.numel();
    }
    EXPECT_EQ(describe(resolve(config), Task::segmentation, 64, 64).parameters(), count);
  }
}

TEST_P(SegmenterOfHead, WeightsAreAFunctionOfTheSeed) {
  const auto a = built(config_of(GetParam()), 7)->parameters();
  const auto b = built(config_of(GetParam()), 7)->parameters();
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(at::equal(a[i], b[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Heads,
                         SegmenterOfHead,
                         testing::Values(SegmentationHead::semantic_fpn,
                                         SegmentationHead::upernet));

TEST(Segmenter, NamesAreThoseOfMmsegmentation) {
  std::set<std::string> names;
  for (const auto& item : built(config_of(SegmentationHead::upernet))->named_parameters()) {
    names.insert(item.key());
  }
  for (const char* name :
       {"backbone.patch_embed.proj.0.weight", "backbone.norm0.weight", "decode_head.conv_seg.bias",
        "decode_head.psp_modules.3.1.conv.weight", "decode_head.bottleneck.bn.weight",
        "decode_head.lateral_convs.2.conv.weight", "decode_head.fpn_convs.0.bn.bias",
        "decode_head.fpn_bottleneck.conv.weight", "auxiliary_head.convs.0.conv.weight",
        "auxiliary_head.conv_seg.weight"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  names.clear();
  for (const auto& item : built(config_of(SegmentationHead::semantic_fpn))->named_parameters()) {
    names.insert(item.key());
  }
  for (const char* name :
       {"neck.lateral_convs.3.conv.bias", "neck.fpn_convs.0.conv.weight",
        "decode_head.scale_heads.0.0.conv.weight", "decode_head.scale_heads.3.4.bn.weight"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_FALSE(names.contains("decode_head.scale_heads.0.0.conv.bias"));
}

// Multiply-adds by hand for one convolution of each kind: 64 x 64 pictures, maps of 16, 8, 4, 2.
TEST(Segmenter, DescriptionCountsTheHeads) {
  const Description fpn =
      describe(resolve(config_of(SegmentationHead::semantic_fpn)), Task::segmentation, 64, 64);
  EXPECT_EQ(fpn.below("neck.fpn_convs.0").multiply_adds(), 16 * 16 * 12 * 12 * 9);
  // Two convolutions with BatchNorm (2 per value), then twice enlarged (4 per value).
  EXPECT_EQ(
      fpn.below("decode_head.scale_heads.2").multiply_adds(),
      4 * 4 * (12 * 8 * 9 + 8 * 2) + 8 * 8 * (8 * 8 * 9 + 8 * 2) + 8 * 8 * 8 * 4 + 16 * 16 * 8 * 4);
  const Description uper =
      describe(resolve(config_of(SegmentationHead::upernet)), Task::segmentation, 64, 64);
  EXPECT_EQ(uper.below("decode_head.psp_modules.3").multiply_adds(),
            24 * 2 * 2 + 6 * 6 * (24 * 8 + 8 * 2) + 2 * 2 * 8 * 4);
  EXPECT_EQ(uper.below("auxiliary_head").multiply_adds(), 0);
}

// mmsegmentation's initial weights: kaiming over the outputs, xavier, and 0.01 for the classifier.
TEST(Segmenter, InitialWeightsOfTheHeads) {
  ModelConfig config = small_config();
  config.num_classes = 150;
  const auto parameters = built(config)->named_parameters();
  const auto deviation = [&](const char* name) { return parameters[name].std().item<double>(); };
  EXPECT_NEAR(deviation("decode_head.scale_heads.1.0.conv.weight"), std::sqrt(2 / (128 * 9.0)),
              2e-4);
  const double bound = std::sqrt(6 / ((256 + 256) * 9.0));
  EXPECT_NEAR(deviation("neck.fpn_convs.1.conv.weight"), bound / std::sqrt(3.0), 2e-4);
  EXPECT_LE(parameters["neck.fpn_convs.1.conv.weight"].abs().max().item<double>(), bound);
  EXPECT_NEAR(deviation("decode_head.conv_seg.weight"), 0.01, 2e-4);
  EXPECT_EQ(parameters["decode_head.conv_seg.bias"].abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace nala::models
