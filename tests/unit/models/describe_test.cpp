#include "models/describe.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "models/zoo.h"
#include "small_model.h"

namespace nala::models {
namespace {

int64_t parameters_of(const torch::nn::Module& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) {
    count += parameter.numel();
  }
  return count;
}

TEST(Describe, CountsTheParametersOfTheBuiltModel) {
  ModelConfig config = small_config();
  for (const bool part : {true, false}) {
    config.attention.gate = config.attention.lepe = config.attention.rope = part;
    EXPECT_EQ(describe(resolve(config), Task::classification, 32, 32).parameters(),
              parameters_of(*small_model(1, config)));
  }
  config.attention.feature_map = AttentionMap::pola;
  config.layer_scale.emplace();
  EXPECT_EQ(describe(resolve(config), Task::classification, 32, 32).parameters(),
            parameters_of(*small_model(1, config)));
}

// The released code, measured: models.md's table of counted parameters and multiply-adds.
TEST(Describe, AgreesWithTheMeasuredSmallT) {
  const Description t35 =
      describe(resolve({.name = ModelName::nalaformer_t_r35, .num_classes = 1000}),
               Task::classification, 224, 224);
  EXPECT_NEAR(static_cast<double>(t35.parameters()), 14.93e6, 5e3);
  EXPECT_NEAR(static_cast<double>(t35.multiply_adds()), 2.717e9, 5e5);
}

TEST(Describe, SumsOfPartsAreTheWhole) {
  const Description whole = describe(resolve(small_config()), Task::classification, 37, 50);
  int64_t parts = 0;
  for (const char* name : {"patch_embed", "layers", "proj", "norm", "swish", "avgpool", "head"}) {
    parts += whole.below(name).multiply_adds();
  }
  EXPECT_EQ(parts, whole.multiply_adds());
  EXPECT_EQ(whole.below("layers.0").layers.size() + whole.below("layers.1").layers.size() +
                whole.below("layers.2").layers.size() + whole.below("layers.3").layers.size(),
            whole.below("layers").layers.size());
  // The first convolution: 4 of 8 channels at half the size, rounded up.
  EXPECT_EQ(whole.layers[0].output, (std::vector<int64_t>{4, 19, 25}));
  EXPECT_EQ(whole.layers[0].activation_bytes, 4 * 19 * 25 * 4);
  EXPECT_EQ(whole.layers[0].multiply_adds, 4 * 19 * 25 * 3 * 9);
}

TEST(Describe, RefusesWhatCannotBe) {
  const ResolvedModel model = resolve(small_config());
  EXPECT_THROW(describe(model, Task::classification, 0, 32), Error);
  EXPECT_THROW(describe(model, Task::classification, 32, int64_t{1} << 40), Error);
  EXPECT_THROW(describe(resolve(ModelConfig{}), Task::classification, 32, 32), Error);
  EXPECT_THROW(describe(resolve(ModelConfig{}), Task::segmentation, 32, 32), Error);
}

}  // namespace
}  // namespace nala::models
