#include "inference/fold.h"

#include <torch/torch.h>

#include "core/error.h"
#include "models/attention_form.h"
#include "models/norm_eps.h"

namespace nala::inference {
namespace {

std::vector<float> values_of(const at::Tensor& x) {
  const at::Tensor dense = x.contiguous();
  const float* const data = dense.const_data_ptr<float>();
  return {data, data + dense.numel()};
}

// A layer's weight (out, ...) and bias (out), double while they are folded.
struct Folded {
  at::Tensor weight, bias;
};

Folded layer(const State& state) {
  return {state["weight"].to(at::kDouble), state["bias"].to(at::kDouble)};
}

at::Tensor per_row(const at::Tensor& factor, const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = -1;
  return factor.view(shape);
}

// Times a factor per output, plus an offset.
Folded scaled(const Folded& x, const at::Tensor& factor) {
  return {x.weight * per_row(factor, x.weight), x.bias * factor};
}

Folded with_batch_norm(const Folded& x, const State& norm) {
  const at::Tensor factor =
      norm["weight"].to(at::kDouble) / (norm["running_var"].to(at::kDouble) + models::kBatchNormEps).sqrt();
  Folded folded = scaled(x, factor);
  folded.bias =
      folded.bias + norm["bias"].to(at::kDouble) - norm["running_mean"].to(at::kDouble) * factor;
  return folded;
}

// A linear layer (out, in) behind LayerNorm's affine part.
Folded behind_norm(const Folded& x, const State& norm) {
  return {x.weight * norm["weight"].to(at::kDouble),
          x.bias + at::mv(x.weight, norm["bias"].to(at::kDouble))};
}

class Packer {
 public:
  Packer(const State& state,
         const models::ResolvedModel& model,
         const ops::cpu::MachineKernels& kernels)
      : state_(state), model_(model), kernels_(kernels) {}

  [[nodiscard]] NetworkWeights network() const {
    NetworkWeights weights;
    const State stem = state_.below("patch_embed.proj.");
    for (int i = 0; i < 4; ++i) {
      const State convolution = stem.below(std::to_string(3 * i) + ".");
      const State norm = stem.below(std::to_string(3 * i + 1) + ".");
      // The first one's few channels stay exact.
      const auto& kernels = i == 0 ? *kernels_.exact : *kernels_.layers;
      weights.stem.push_back(convolved(with_batch_norm(layer(convolution), norm), kernels));
      weights.stem.back().stride = i == 0 || i == 3 ? 2 : 1;
      weights.stem.back().gelu = i < 3;
    }
    for (int stage = 0; stage < models::kStages; ++stage) {
      weights.stages.push_back(packed_stage(stage));
    }
    if (state_.has("proj.weight")) {
      weights.pooled = PooledProjection{
          linear(with_batch_norm(layer(state_.below("proj.")), state_.below("norm.")))};
    }
    return weights;
  }

  [[nodiscard]] UpscaleWeights upscale() const {
    const models::SuperResolutionSizes& sizes = model_.super_resolution;
    const AttentionForm attention = form(sizes.head_dim(), sizes.heads, models::BlockKind::linear);
    UpscaleWeights weights;
    // The first one's few channels stay exact.
    weights.first = convolved(layer(state_.below("conv_first.")), *kernels_.exact);
    weights.body = convolved(layer(state_.below("conv_body.")), *kernels_.layers);
    for (size_t i = 0; i < sizes.groups.size(); ++i) {
      const State state = state_.below("groups." + std::to_string(i) + ".");
      BlockGroupWeights group{.blocks = {},
                              .conv = convolved(layer(state.below("conv.")), *kernels_.layers)};
      for (int64_t j = 0; j < sizes.groups[i]; ++j) {
        group.blocks.push_back(
            block(state.below("blocks." + std::to_string(j) + "."), attention));
      }
      weights.groups.push_back(std::move(group));
    }
    return weights;
  }

 private:
  [[nodiscard]] PackedLinear linear(const Folded& x) const {
    return {*kernels_.layers, x.weight.to(at::kFloat).contiguous().const_data_ptr<float>(),
            values_of(x.bias.to(at::kFloat)), x.weight.size(1)};
  }

  // (out, in, 3, 3) with the depth in the order (ky, kx, in).
  [[nodiscard]] static Convolution convolved(const Folded& x,
                                             const ops::cpu::LayerKernels& kernels) {
    const at::Tensor rows = x.weight.permute({0, 2, 3, 1}).flatten(1).to(at::kFloat).contiguous();
    return {.weights = {kernels, rows.const_data_ptr<float>(), values_of(x.bias.to(at::kFloat)),
                        rows.size(1)},
            .in = x.weight.size(1)};
  }

  // (C, 1, k, k) as (k^2, C); with_input: for x + convolution(x).
  [[nodiscard]] static DepthwiseWeights depthwise(const State& state, bool with_input) {
    const at::Tensor weight = state["weight"].clone();
    const auto kernel = static_cast<int>(weight.size(2));
    if (with_input) {
      weight.select(2, kernel / 2).select(2, kernel / 2).add_(1);
    }
    return {values_of(weight.flatten(1).t()), values_of(state["bias"]), kernel};
  }

  [[nodiscard]] StageWeights packed_stage(int stage) const {
    StageWeights weights;
    const State state = state_.below("layers." + std::to_string(stage) + ".");
    for (size_t i = 0; i < model_.blocks[stage].size(); ++i) {
      weights.blocks.push_back(
          block(state.below("blocks." + std::to_string(i) + "."),
                form(model_.head_dim(stage), model_.heads[stage], model_.blocks[stage][i])));
    }
    if (state.has("downsample.reduction.weight")) {
      weights.downsample = convolved(with_batch_norm(layer(state.below("downsample.reduction.")),
                                                     state.below("downsample.norm.")),
                                     *kernels_.layers);
      weights.downsample->stride = 2;
    }
    return weights;
  }

  [[nodiscard]] AttentionForm form(int64_t head_dim, int64_t heads, models::BlockKind kind) const {
    const ops::LinearAttentionOptions formula = models::linear_formula(model_.attention);
    return {.softmax = models::is_softmax(kind, model_.attention),
            .linear = {.d = static_cast<int>(head_dim),
                       .map = formula.map,
                       .norm_aware = formula.norm_aware,
                       .lambd = static_cast<float>(formula.lambd),
                       .tau = static_cast<float>(formula.tau),
                       .alpha = static_cast<float>(formula.alpha),
                       .eps = static_cast<float>(formula.eps)},
            .heads = heads,
            .gate = model_.attention.gate};
  }

  [[nodiscard]] BlockWeights block(const State& state, const AttentionForm& form) const {
    const auto with_gamma = [&](const Folded& x, const char* name) {
      return state.has(name) ? scaled(x, state[name].flatten().to(at::kDouble)) : x;
    };
    BlockWeights w;
    w.form = form;
    w.cpe1 = depthwise(state.below("cpe1."), true);
    w.cpe2 = depthwise(state.below("cpe2."), true);
    w.ffn_depthwise = depthwise(state.below("ffn.dwconv."), true);
    if (model_.attention.lepe) {
      w.lepe = depthwise(state.below("attn.lepe."), false);
    }
    w.qkvg = linear(behind_norm(layer(state.below("attn.qkvg.")), state.below("norm1.norm.")));
    w.out_proj = linear(with_gamma(layer(state.below("attn.out_proj.")), "gamma_1"));
    w.fc1 = linear(behind_norm(layer(state.below("ffn.fc1.")), state.below("norm2.norm.")));
    w.fc2 = linear(with_gamma(layer(state.below("ffn.fc2.")), "gamma_2"));
    w.ln_weight = values_of(state["attn.ln.weight"]);
    w.ln_bias = values_of(state["attn.ln.bias"]);
    return w;
  }

  const State& state_;
  const models::ResolvedModel& model_;
  const ops::cpu::MachineKernels& kernels_;
};

}  // namespace

State::State(const torch::nn::Module& module) {
  Tensors all;
  const auto add = [&](const auto& items) {
    for (const auto& item : items) {
      if (item.value().is_floating_point()) {
        all.emplace(item.key(), item.value().detach().to(at::kCPU, at::kFloat));
      }
    }
  };
  add(module.named_parameters());
  add(module.named_buffers());
  all_ = std::make_shared<const Tensors>(std::move(all));
}

State State::below(const std::string& prefix) const {
  return {all_, prefix_ + prefix};
}

bool State::has(const std::string& name) const {
  return all_->contains(prefix_ + name);
}

at::Tensor State::operator[](const std::string& name) const {
  const auto found = all_->find(prefix_ + name);
  if (found == all_->end()) {
    throw Error(ErrorKind::checkpoint,
                "fused form: the model has no weight '" + prefix_ + name + "'");
  }
  return found->second;
}

NetworkWeights folded_weights(const State& state,
                              const models::ResolvedModel& model,
                              const ops::cpu::MachineKernels& kernels) {
  return Packer(state, model, kernels).network();
}

UpscaleWeights folded_upscale_weights(const State& state,
                                      const models::ResolvedModel& model,
                                      const ops::cpu::MachineKernels& kernels) {
  return Packer(state, model, kernels).upscale();
}

}  // namespace nala::inference
