// Sizes read off the shapes of a state dict.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "io/state_dict.h"
#include "models/model.h"
#include "train/weights.h"

namespace nala::train {
namespace {

io::NamedTensors weights_of(const models::ModelConfig& config,
                            models::Task task = models::Task::classification) {
  return io::state_dict(*models::build_model(config, task, 0));
}

models::ModelConfig small_segmenter() {
  models::ModelConfig stated;
  stated.name = models::ModelName::custom;
  stated.embed_dims = {{8, 16, 16, 24}};
  stated.depths = {{1, 1, 2, 1}};
  stated.heads = {{1, 2, 4, 3}};
  stated.mlp_ratio = 2;
  stated.stage_kinds = {{"linear", "linear", "softmax", "softmax"}};
  stated.num_classes = 5;
  return stated;
}

void replace(io::NamedTensors& tensors, const std::string& name, const at::Tensor& by) {
  for (auto& [own, tensor] : tensors) {
    if (own == name) {
      tensor = by;
    }
  }
}

// The message for tensors that are refused; empty where they are not.
std::string refusal(const io::NamedTensors& tensors) {
  try {
    recognise_model(tensors, "file.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::checkpoint);
    return error.what();
  }
  return "";
}

TEST(Recognise, SizesOfTheZooByName) {
  for (const models::ModelName name :
       {models::ModelName::nalaformer_xt, models::ModelName::nalaformer_t,
        models::ModelName::nalaformer_t_r35}) {
    const auto found = recognise_model(weights_of({.name = name, .num_classes = 7}), "x");
    EXPECT_EQ(found.name, name);
    EXPECT_EQ(found.num_classes, 7);
  }
}

TEST(Recognise, CustomSizesOneByOne) {
  models::ModelConfig stated;
  stated.name = models::ModelName::custom;
  stated.embed_dims = {{8, 16, 16, 24}};
  stated.depths = {{1, 2, 1, 1}};
  stated.heads = {{1, 2, 4, 3}};
  stated.mlp_ratio = 2.5;
  stated.stage_kinds = {{"linear", "linear", "softmax", "softmax"}};
  stated.layer_scale.emplace();
  stated.projection = 40;
  stated.drop_path = 0;
  stated.num_classes = 5;
  stated.in_channels = 1;
  const auto found = recognise_model(weights_of(stated), "x");
  EXPECT_EQ(found.name, models::ModelName::custom);
  EXPECT_EQ(found.embed_dims, stated.embed_dims);
  EXPECT_EQ(found.depths, stated.depths);
  EXPECT_EQ(found.heads, stated.heads);
  EXPECT_EQ(found.mlp_ratio, stated.mlp_ratio);
  EXPECT_EQ(found.projection, stated.projection);
  EXPECT_EQ(found.in_channels, 1);
  EXPECT_TRUE(found.layer_scale && found.layer_scale->empty());
}

TEST(Recognise, SemanticFpnWithWhatItHas) {
  models::ModelConfig stated = small_segmenter();
  stated.segmentation.neck_channels = 12;
  stated.segmentation.channels = 20;
  stated.segmentation.auxiliary = true;
  stated.segmentation.auxiliary_channels = 4;
  const io::NamedTensors tensors = weights_of(stated, models::Task::segmentation);
  EXPECT_EQ(recognise_task(tensors), models::Task::segmentation);
  const auto found = recognise_model(tensors, "x");
  EXPECT_EQ(found.embed_dims, stated.embed_dims);
  EXPECT_EQ(found.depths, stated.depths);
  EXPECT_EQ(found.num_classes, 5);
  EXPECT_EQ(found.segmentation.head, models::SegmentationHead::semantic_fpn);
  EXPECT_EQ(found.segmentation.neck_channels, 12);
  EXPECT_EQ(found.segmentation.channels, 20);
  EXPECT_EQ(found.segmentation.out_norm, false);
  EXPECT_EQ(found.segmentation.auxiliary, true);
  EXPECT_EQ(found.segmentation.auxiliary_channels, 4);
}

TEST(Recognise, UperNetOnASizeOfTheZoo) {
  models::ModelConfig stated{.name = models::ModelName::nalaformer_xt, .num_classes = 150};
  stated.segmentation.head = models::SegmentationHead::upernet;
  stated.segmentation.channels = 16;
  stated.segmentation.auxiliary = false;
  const auto found = recognise_model(weights_of(stated, models::Task::segmentation), "x");
  EXPECT_EQ(found.name, models::ModelName::nalaformer_xt);
  EXPECT_EQ(found.num_classes, 150);
  EXPECT_EQ(found.segmentation.head, models::SegmentationHead::upernet);
  EXPECT_EQ(found.segmentation.channels, 16);
  EXPECT_EQ(found.segmentation.out_norm, true);
  EXPECT_EQ(found.segmentation.auxiliary, false);
}

TEST(Recognise, SegmentersThatCannotBeAreRefusedWithTheReason) {
  const io::NamedTensors whole = weights_of(small_segmenter(), models::Task::segmentation);
  io::NamedTensors headless = whole;
  std::erase_if(headless, [](const auto& entry) { return entry.first.starts_with("decode_head"); });
  EXPECT_TRUE(refusal(headless).find("'decode_head.conv_seg.weight' is missing") !=
              std::string::npos)
      << refusal(headless);

  io::NamedTensors hollow = whole;  // a size that no value stands behind
  replace(hollow, "decode_head.conv_seg.weight", at::empty({int64_t{1} << 40, 1, 1, 0}));
  EXPECT_TRUE(refusal(hollow).find("num_classes") != std::string::npos) << refusal(hollow);

  io::NamedTensors inflated = whole;  // in range, but far more than the file holds
  replace(inflated, "neck.lateral_convs.0.conv.weight", at::ones({16384, 1, 1, 1}));
  EXPECT_TRUE(refusal(inflated).find("parameters, but the file holds") != std::string::npos)
      << refusal(inflated);

  io::NamedTensors repeated = whole;  // a view that is larger than its storage
  replace(repeated, "neck.lateral_convs.0.conv.weight",
          at::ones({1, 1, 1, 1}).expand({16384, 16384, 1, 1}));
  EXPECT_TRUE(refusal(repeated).find("parameters, but the file holds") != std::string::npos)
      << refusal(repeated);

  io::NamedTensors uneven = whole;  // heads of a size that rotation does not have
  replace(uneven, "backbone.layers.3.RoPE.angle", at::ones({1}));
  EXPECT_TRUE(refusal(uneven).find("file.safetensors: cannot tell the model: ") == 0)
      << refusal(uneven);
}

TEST(Recognise, OtherNetworksAreRefusedByName) {
  try {
    recognise_model({{"conv1.weight", at::ones({8, 3, 3, 3})}}, "file.pth");
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("file.pth: cannot tell the model"));
  }
}

}  // namespace
}  // namespace nala::train
