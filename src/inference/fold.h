// A model's weights as the fused network takes them.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

#include "inference/network.h"
#include "inference/upscale_network.h"
#include "models/config.h"

namespace nala::inference {

/// Parameters and buffers by name below a prefix, as dense float32 tensors on the CPU.
class State {
 public:
  explicit State(const torch::nn::Module& module);
  [[nodiscard]] State below(const std::string& prefix) const;
  [[nodiscard]] bool has(const std::string& name) const;
  /// Throws Error(checkpoint) when there is none of that name.
  [[nodiscard]] at::Tensor operator[](const std::string& name) const;

 private:
  using Tensors = std::map<std::string, at::Tensor>;
  State(std::shared_ptr<const Tensors> all, std::string prefix)
      : all_(std::move(all)), prefix_(std::move(prefix)) {}

  std::shared_ptr<const Tensors> all_;
  std::string prefix_;
};

/// Backbone, and the classifier's projection where the state has one.
NetworkWeights folded_weights(const State& state,
                              const models::ResolvedModel& model,
                              const ops::cpu::MachineKernels& kernels);

/// Of a super-resolution network, without its reconstruction.
UpscaleWeights folded_upscale_weights(const State& state,
                                      const models::ResolvedModel& model,
                                      const ops::cpu::MachineKernels& kernels);

}  // namespace nala::inference
