// Single modules: load, forward, backward, compare everything.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comparison.h"
#include "io/state_dict.h"
#include "kinds.h"
#include "models/block.h"
#include "models/heads/classifier.h"
#include "passes.h"

namespace nala::golden {
namespace {

using models::BlockKind;

models::AttentionOptions attention_options(const Entry& entry, BlockKind kind) {
  const nlohmann::json& fields = entry.fields;
  return {.dim = fields.at("dim"),
          .heads = fields.at("heads"),
          .kind = kind,
          .config = attention_config(fields)};
}

models::BlockOptions block_options(const Entry& entry) {
  const nlohmann::json& fields = entry.fields;
  const BlockKind kind = fields.at("flag") == "v" ? BlockKind::softmax : BlockKind::linear;
  models::BlockOptions options{.attention = attention_options(entry, kind),
                               .ffn_dim = fields.at("ffn_dim"),
                               .layer_scale = std::nullopt};
  if (fields.at("layerscale").get<bool>()) {
    options.layer_scale = 1;
  }
  return options;
}

ops::Rotation rotation_of(const Tensors& tensors) {
  const auto table = [&](const char* name) {
    const auto found = tensors.find(name);
    return found == tensors.end() ? at::Tensor() : found->second;
  };
  return {table("input.cos"), table("input.sin")};
}

void prepare(const Entry& entry, const Tensors& tensors, torch::nn::Module& module) {
  io::load_state_dict_strictly(module, with_prefix(tensors, "state."), entry.file);
  module.train(entry.is_training());
}

template <class Run>
void check(const Entry& entry, torch::nn::Module& module, const Run& run) {
  const Tensors tensors = tensors_of(entry);
  prepare(entry, tensors, module);
  const at::Tensor x = leaf_map(tensors.at("input.x"));
  const at::Tensor y = run(x, rotation_of(tensors));
  y.backward(tensors.at("input.dy"));
  Comparison comparison(entry, tensors);
  comparison.compare("output.y", y);
  comparison.compare("grad_input.x", x.grad());
  compare_parameters_and_buffers(comparison, module);
  comparison.finish();
}

void check_attention(const Entry& entry) {
  const BlockKind kind =
      entry.fields.at("feature_map") == "softmax" ? BlockKind::softmax : BlockKind::linear;
  models::Attention module(attention_options(entry, kind));
  check(entry, *module, [&](const at::Tensor& x, const ops::Rotation& rotation) {
    return models::map_of(module(models::tokens_of(x), x.size(2), x.size(3), rotation), x.size(2),
                          x.size(3));
  });
}

void check_block(const Entry& entry) {
  models::Block module(block_options(entry));
  check(entry, *module, [&](const at::Tensor& x, const ops::Rotation& rotation) {
    return module(x, rotation, models::ForwardContext{});
  });
}

// The four choices of what is kept, and that a drawn forward is one of them for every picture.
void check_block_drop_path(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  const double rate = entry.fields.at("drop_prob");
  models::BlockOptions options = block_options(entry);
  options.drop_path = {.block = 3, .rate = rate};
  models::Block module(options);
  prepare(entry, tensors, *module);
  module->train();
  const at::NoGradGuard no_grad;
  const at::Tensor x = leaf_map(tensors.at("input.x"));
  const ops::Rotation rotation = rotation_of(tensors);
  Comparison comparison(entry, tensors);
  const auto factor = [&](bool kept) {
    return at::full({x.size(0), 1, 1}, kept ? 1 / (1 - rate) : 0, x.options());
  };
  std::vector<at::Tensor> choices;
  for (const char* name : {"00", "01", "10", "11"}) {
    const models::BranchFactors factors = {factor(name[0] == '1'), factor(name[1] == '1')};
    choices.push_back(module->forward_scaled(x, rotation, factors));
    std::string output = "output.keep_attn0_ffn0";
    output[16] = name[0];
    output[21] = name[1];
    comparison.compare(output, choices.back());
  }
  comparison.finish();
  const std::vector<int64_t> positions = {11, 12, 13};
  ASSERT_EQ(x.size(0), 3);
  const at::Tensor drawn = module(x, rotation, models::ForwardContext{5, 7, positions});
  for (int64_t i = 0; i < x.size(0); ++i) {
    const auto same = [&](const at::Tensor& y) { return at::allclose(y[i], drawn[i], 1e-5, 1e-5); };
    EXPECT_EQ(std::ranges::count_if(choices, same), 1) << "picture " << i;
  }
}

void check_ffn(const Entry& entry) {
  models::Ffn module(entry.fields.at("dim").get<int64_t>(),
                     entry.fields.at("ffn_dim").get<int64_t>());
  check(entry, *module, [&](const at::Tensor& x, const ops::Rotation&) {
    return models::map_of(module(models::tokens_of(x), x.size(2), x.size(3)), x.size(2), x.size(3));
  });
}

void check_stem(const Entry& entry) {
  models::PatchEmbed module(int64_t{3}, entry.fields.at("embed_dim").get<int64_t>());
  check(entry, *module, [&](const at::Tensor& x, const ops::Rotation&) { return module(x); });
}

void check_downsample(const Entry& entry) {
  models::Downsample module(entry.fields.at("dim").get<int64_t>(),
                            entry.fields.at("out_dim").get<int64_t>());
  check(entry, *module, [&](const at::Tensor& x, const ops::Rotation&) { return module(x); });
}

struct HeadAlone : torch::nn::Module {
  explicit HeadAlone(const models::ClassifierHead::Options& options) : head(*this, options) {}
  models::ClassifierHead head;
};

void check_head(const Entry& entry) {
  HeadAlone module({.dim = entry.fields.at("dim"),
                    .projection = entry.fields.at("projection"),
                    .classes = entry.fields.at("classes")});
  check(entry, module,
        [&](const at::Tensor& x, const ops::Rotation&) { return module.head.forward(x); });
}

}  // namespace

void check_module(const Entry& entry) {
  static const std::map<std::string, void (*)(const Entry&)> modules = {
      {"attention", check_attention},
      {"block", check_block},
      {"block_drop_path", check_block_drop_path},
      {"ffn", check_ffn},
      {"stem", check_stem},
      {"downsample", check_downsample},
      {"head", check_head},
  };
  const std::string name = entry.fields.at("module");
  ASSERT_TRUE(modules.contains(name)) << "unknown module " << name;
  modules.at(name)(entry);
}

}  // namespace nala::golden
