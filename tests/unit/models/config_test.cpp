#include "models/config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "models/zoo.h"
#include "small_model.h"

namespace nala::models {
namespace {

ModelConfig parsed(const std::string& yaml) {
  return config::read<ModelConfig>(config::parse(yaml, "m.yaml"));
}

std::string message_of(const std::string& yaml) {
  try {
    parsed(yaml);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), 2);
    return error.what();
  }
  return "no error";
}

TEST(ModelConfig, DefaultsToTheSmallestOfTheZoo) {
  const ResolvedModel model = resolve(parsed("{}"));
  EXPECT_EQ(model.name, "nalaformer_xt");
  EXPECT_EQ(model.embed_dims, (std::array<int64_t, 4>{32, 64, 128, 384}));
  EXPECT_EQ(model.ffn_dim(3), 1344);
  EXPECT_EQ(model.attention.lambd, 3);
  EXPECT_EQ(model.attention.tau, 0.5);
  EXPECT_EQ(model.attention.alpha, 20);
  EXPECT_EQ(model.blocks[1], std::vector<BlockKind>(2, BlockKind::linear));
  EXPECT_EQ(model.blocks[2], std::vector<BlockKind>(2, BlockKind::softmax));
}

TEST(ModelConfig, SizesOverrideTheZoo) {
  const ResolvedModel model =
      resolve(parsed("name: nalaformer_t\ndepths: [1, 2, 3, 1]\nstage_kinds: [l, v, lvl, linear]\n"
                     "drop_path: 0.5\nattention:\n  feature_map: cosine\n  alpha: 7\n"));
  EXPECT_EQ(model.embed_dims[0], 64);
  EXPECT_EQ(model.blocks[1], std::vector<BlockKind>(2, BlockKind::softmax));
  EXPECT_EQ(model.blocks[2],
            (std::vector<BlockKind>{BlockKind::linear, BlockKind::softmax, BlockKind::linear}));
  EXPECT_EQ(model.attention.feature_map, AttentionMap::cosine);
  EXPECT_EQ(model.attention.alpha, 7);
  EXPECT_EQ(model.drop_path_rates().back(), 0.5F);
  EXPECT_EQ(model.drop_path_rates().front(), 0);
}

TEST(ModelConfig, EmptyLayerScaleIsNone) {
  EXPECT_TRUE(resolve(parsed("{}")).layer_scale.has_value());
  EXPECT_FALSE(resolve(parsed("layer_scale: []")).layer_scale.has_value());
  EXPECT_EQ(resolve(parsed("layer_scale: [1, 1, 0.5, 0.1]")).layer_scale->back(), 0.1);
}

TEST(ModelConfig, WrittenAndReadAgainIsTheSame) {
  ModelConfig config = small_config();
  config.layer_scale.emplace();
  const std::string yaml = config::to_yaml(config::write(config));
  EXPECT_EQ(config::to_yaml(config::write(parsed(yaml))), yaml);
  EXPECT_FALSE(resolve(parsed(yaml)).layer_scale.has_value());
}

TEST(ModelConfig, ImpossibleSizesNameTheirPlace) {
  EXPECT_EQ(message_of("name: custom").substr(0, 6), "m.yaml");
  EXPECT_NE(message_of("name: custom").find("embed_dims"), std::string::npos);
  const std::string heads = message_of("name: nalaformer_xt\nheads: [1, 3, 4, 12]\n");
  EXPECT_NE(heads.find("m.yaml:2:1: heads: "), std::string::npos) << heads;
  EXPECT_NE(heads.find("3 heads for 64 channels"), std::string::npos) << heads;
  EXPECT_NE(message_of("heads: [16, 2, 4, 12]").find("multiple of 4"), std::string::npos);
  EXPECT_NE(message_of("depths: [1, 2]").find("expected 4"), std::string::npos);
  EXPECT_NE(message_of("depths: [0, 1, 1, 1]").find("out of range"), std::string::npos);
  EXPECT_NE(message_of("embed_dims: [33, 64, 128, 384]").find("even"), std::string::npos);
  EXPECT_NE(message_of("stage_kinds: [l, l, v, x]").find("'x'"), std::string::npos);
  EXPECT_NE(message_of("stage_kinds: [lll, l, v, v]").find("'lll'"), std::string::npos);
  EXPECT_NE(message_of("mlp_ratio: 1e9").find("mlp_ratio"), std::string::npos);
  EXPECT_NE(message_of("attention: {feature_map: relu_splt}").find("relu_split"),
            std::string::npos);
}

TEST(ModelConfig, ResolveRefusesWhatNoFileStated) {
  EXPECT_THROW(resolve({.name = ModelName::custom}), Error);
  EXPECT_THROW(build_model({}, Task::classification, 0), Error);  // no classes
  EXPECT_THROW(build_model({}, Task::segmentation, 0), Error);
}

TEST(Zoo, EveryNameHasARowAndResolves) {
  const auto names = names_of(ModelName{});
  EXPECT_EQ(zoo().size() + 1, names.size());
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    const ZooRow* row = find_in_zoo(static_cast<ModelName>(i));
    ASSERT_NE(row, nullptr) << names[i];
    EXPECT_EQ(resolve({.name = row->model}).embed_dims, row->embed_dims);
  }
  EXPECT_EQ(find_in_zoo(ModelName::custom), nullptr);
}

}  // namespace
}  // namespace nala::models
