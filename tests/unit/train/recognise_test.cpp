// Sizes read off the shapes of a state dict.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "io/state_dict.h"
#include "models/model.h"
#include "train/weights.h"

namespace nala::train {
namespace {

io::NamedTensors weights_of(const models::ModelConfig& config) {
  return io::state_dict(*models::build_model(config, models::Task::classification, 0));
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
