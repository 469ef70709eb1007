// Parameters, multiply-adds and activation memory of a model, computed without building it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/config.h"
#include "models/task.h"

namespace nala::models {

/// One operation of a forward of one picture.
struct Layer {
  std::string name;  ///< the module's state dict prefix, e.g. layers.0.blocks.1.attn.qkvg
  std::string
      operation;  ///< conv, linear, matmul, layer_norm, batch_norm, ... as fvcore names them
  std::vector<int64_t> output;   ///< shape (C, H, W)
  int64_t parameters = 0;        ///< of this module itself
  int64_t multiply_adds = 0;     ///< by fvcore's rules, evaluation mode
  int64_t activation_bytes = 0;  ///< of the output, float32
};

/// Every operation in the order of the forward.
struct Description {
  std::vector<Layer> layers;

  [[nodiscard]] int64_t parameters() const;
  [[nodiscard]] int64_t multiply_adds() const;
  [[nodiscard]] int64_t activation_bytes() const;
  /// Multiply-adds per operation; operations that count nothing are left out.
  [[nodiscard]] std::map<std::string, int64_t> multiply_adds_by_operation() const;
  /// The layers at and below a module, e.g. "layers.0".
  [[nodiscard]] Description below(std::string_view module) const;
};

/// The network in a few words: its name, and for super-resolution size and scale instead
/// ("super-resolution light x2").
std::string title_of(const ResolvedModel& model, Task task);

/// Describes the forward of one picture of height x width.
///
/// fvcore's rules: convolutions, linear layers and matrix products count multiply-adds without
/// bias; LayerNorm 5 per element, evaluation-mode BatchNorm 2, average pooling 1 per input element;
/// activations, norms, powers, rotations, LayerScale and additions nothing.
/// Throws Error(config) for sizes < 1 and for `num_classes` 0 where the task has classes.
Description describe(const ResolvedModel& model, Task task, int64_t height, int64_t width);

}  // namespace nala::models
