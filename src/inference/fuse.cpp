#include "inference/fuse.h"

#include <torch/torch.h>

#include <atomic>

#include "core/error.h"
#include "inference/fold.h"
#include "inference/fused_upscaler.h"
#include "models/heads/classifier.h"
#include "models/segmenter.h"
#include "ops/cpu/chunks.h"
#include "ops/rope.h"

namespace nala::inference {
namespace {

using models::kStages;

// The backbone's results for a batch.
struct BatchResults {
  models::FeatureMaps maps;  // (B, C_i, H_i, W_i) channels-last, where wanted
  at::Tensor pooled;         // (B, projection), where wanted
};

// Runs batches through a network: several pictures at once, or one with all threads.
class Runner {
 public:
  Runner(const models::ResolvedModel& model,
         const State& state,
         const ops::cpu::MachineKernels& kernels)
      : network_(kernels, folded_weights(state, model, kernels)) {
    for (int stage = 0; stage < kStages; ++stage) {
      const std::string name = "layers." + std::to_string(stage) + ".RoPE.angle";
      angles_[stage] = state.has(name) ? state[name] : at::Tensor();
    }
  }

  // images: (B, C, H, W).
  [[nodiscard]] at::Tensor pooled(const at::Tensor& images) const {
    Batch batch(images, *this);
    const int64_t columns = network_.pooled()->weights.columns();
    const at::Tensor pooled = at::empty({images.size(0), columns}, at::kFloat);  // (B, projection)
    float* const to = pooled.mutable_data_ptr<float>();
    run(batch, [&](int64_t i, PictureRun& picture) { picture.pooled = to + i * columns; });
    return pooled;
  }

  [[nodiscard]] models::FeatureMaps maps(const at::Tensor& images) const {
    Batch batch(images, *this);
    models::FeatureMaps maps;
    for (int stage = 0; stage < kStages; ++stage) {
      const MapSize size = batch.sizes[stage];
      maps[stage] = at::empty(  // (B, H, W, C)
          {images.size(0), size.height, size.width, network_.channels(stage)}, at::kFloat);
    }
    run(batch, [&](int64_t i, PictureRun& picture) {
      for (int stage = 0; stage < kStages; ++stage) {
        batch.to[i][stage] = maps[stage].mutable_data_ptr<float>() + i * maps[stage].stride(0);
      }
      picture.maps = batch.to[i].data();
    });
    for (at::Tensor& map : maps) {
      map = map.permute({0, 3, 1, 2});
    }
    return maps;
  }

 private:
  struct Batch {
    Batch(const at::Tensor& given, const Runner& runner)
        : images(given.to(at::kFloat).permute({0, 2, 3, 1}).contiguous()),
          size{images.size(1), images.size(2)},
          sizes(runner.network_.sizes(size)),
          to(static_cast<size_t>(images.size(0))) {
      for (int stage = 0; stage < kStages; ++stage) {
        if (runner.angles_[stage].defined()) {
          rotations[stage] =
              ops::rope_tables(runner.angles_[stage], sizes[stage].height, sizes[stage].width);
          rotations[stage].cos = rotations[stage].cos.contiguous();
          rotations[stage].sin = rotations[stage].sin.contiguous();
          tables[stage] = {rotations[stage].cos.const_data_ptr<float>(),
                           rotations[stage].sin.const_data_ptr<float>()};
        }
      }
    }
    at::Tensor images;  // (B, H, W, C)
    MapSize size;
    std::vector<MapSize> sizes;
    std::array<ops::Rotation, kStages> rotations;
    std::array<RotationTables, kStages> tables;
    std::vector<std::array<float*, kStages>> to;
  };

  template <class Results>
  void run(const Batch& batch, const Results& results_of) const {
    const int64_t count = batch.images.size(0);
    const auto one = [&](int64_t i, NetworkMemory& memory, Team& team) {
      PictureRun picture{.image = batch.images.const_data_ptr<float>() + i * batch.images.stride(0),
                         .size = batch.size,
                         .tables = batch.tables.data()};
      results_of(i, picture);
      network_.run(picture, memory, team);
    };
    const int64_t threads = at::get_num_threads();
    if (count < threads) {
      NetworkMemory memory;
      Team team(true);
      for (int64_t i = 0; i < count; ++i) {
        one(i, memory, team);
      }
      return;
    }
    std::atomic<int64_t> next{0};
    ops::cpu::for_each_item(threads, 0, [&](int64_t, float*) {
      NetworkMemory memory;
      Team team(false);
      for (int64_t i = next++; i < count; i = next++) {
        one(i, memory, team);
      }
    });
  }

  Network network_;
  std::array<at::Tensor, kStages> angles_;
};

class FusedClassifier : public models::Model {
 public:
  FusedClassifier(const models::ResolvedModel& model,
                  const State& state,
                  const ops::cpu::MachineKernels& kernels)
      : runner_(model, state, kernels),
        weight_(state["head.weight"].flatten(1).clone()),
        bias_(state["head.bias"].clone()) {}

  models::Outputs forward(const at::Tensor& images, const models::ForwardContext&) override {
    return {.main = at::linear(runner_.pooled(images), weight_, bias_), .auxiliary = {}};
  }

 private:
  Runner runner_;
  at::Tensor weight_;  // (classes, projection)
  at::Tensor bias_;    // (classes)
};

class FusedSegmenter : public models::Model {
 public:
  FusedSegmenter(const models::ResolvedModel& model,
                 const State& state,
                 const ops::cpu::MachineKernels& kernels,
                 std::shared_ptr<models::Segmenter> whole)
      : runner_(model, state, kernels), whole_(std::move(whole)) {}

  models::Outputs forward(const at::Tensor& images,
                          const models::ForwardContext& context) override {
    return whole_->forward_maps(runner_.maps(images), context);
  }

 private:
  Runner runner_;
  std::shared_ptr<models::Segmenter> whole_;
};

// Pairs of bfloat16 factors need even widths.
bool all_even(const models::ResolvedModel& model, bool super_resolution) {
  if (super_resolution) {
    const models::SuperResolutionSizes& sizes = model.super_resolution;
    return sizes.channels % 2 == 0 && sizes.ffn_dim() % 2 == 0;
  }
  for (int stage = 0; stage < kStages; ++stage) {
    if (model.embed_dims[stage] % 2 != 0 || model.ffn_dim(stage) % 2 != 0) {
      return false;
    }
  }
  return model.embed_dims[0] % 4 == 0;
}

}  // namespace

std::string refuses(const models::Model& model, const models::ResolvedModel& config) {
  const bool upscaler = dynamic_cast<const models::SuperResolver*>(&model) != nullptr;
  const bool known = upscaler || dynamic_cast<const models::Classifier*>(&model) != nullptr ||
                     dynamic_cast<const models::Segmenter*>(&model) != nullptr;
  const auto parameters = model.parameters();
  if (!known) {
    return "the fused form is for classification, segmentation and super-resolution";
  }
  if (parameters.empty() || !parameters.front().is_cpu()) {
    return "the fused form runs on the CPU";
  }
  if (config.attention.feature_map == models::AttentionMap::pola) {
    return "the fused form does not know the attention pola";
  }
  for (int stage = 0; stage < (upscaler ? 1 : kStages); ++stage) {
    const int64_t head_dim =
        upscaler ? config.super_resolution.head_dim() : config.head_dim(stage);
    if (head_dim > ops::cpu::kMaxChannels) {
      return "the fused form takes up to " + std::to_string(ops::cpu::kMaxChannels) +
             " channels per head, stage " + std::to_string(stage) + " has " +
             std::to_string(head_dim);
    }
  }
  if (ops::cpu::machine_kernels(ops::cpu::Precision::float32).layers == nullptr) {
    return "the fused form needs a processor with AVX2";
  }
  return "";
}

std::shared_ptr<models::Model> fused(std::shared_ptr<models::Model> model,
                                     const models::ModelConfig& config,
                                     ops::cpu::Precision precision) {
  const models::ResolvedModel resolved = models::resolve(config);
  if (const std::string reason = refuses(*model, resolved); !reason.empty()) {
    throw Error(ErrorKind::usage, reason);
  }
  using ops::cpu::Precision;
  auto upscaler = std::dynamic_pointer_cast<models::SuperResolver>(model);
  const auto kernels = ops::cpu::machine_kernels(
      all_even(resolved, upscaler != nullptr) ? precision : Precision::float32);
  const at::NoGradGuard no_grad;
  const State state(*model);
  std::shared_ptr<models::Model> made;
  if (auto segmenter = std::dynamic_pointer_cast<models::Segmenter>(model)) {
    made = std::make_shared<FusedSegmenter>(resolved, state.below("backbone."), kernels,
                                            std::move(segmenter));
  } else if (upscaler) {
    made = fused_upscaler(std::move(upscaler), resolved, kernels);
  } else {
    made = std::make_shared<FusedClassifier>(resolved, state, kernels);
  }
  made->eval();
  return made;
}

double largest_difference(models::Model& model, models::Model& other, at::IntArrayRef shape) {
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::randn(shape);
  const at::Tensor expected = model.forward(images, {}).main;
  const at::Tensor got = other.forward(images, {}).main;
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace nala::inference
