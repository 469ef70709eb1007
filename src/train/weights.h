// CKPT: weights from whatever a user points at.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/named_tensors.h"
#include "train/recipe.h"

namespace nala::train {

/// Weights with what is needed to run them.
struct Weights {
  Recipe recipe;  ///< of bare files: defaults, with task and model recognised, or the model given
  std::vector<std::string> classes;  ///< empty where the file does not say
  io::NamedTensors raw;              ///< may be empty when the file holds averaged weights alone
  io::NamedTensors ema;              ///< empty: none
  std::string source;                ///< what was read, for messages
};

/// Reads a checkpoint folder, an output folder (its `best` if present, else `latest`), a
/// .safetensors, or a .pth of the authors' Python code.
///
/// `stated_model` gives the model of a bare file; without it the model is the one its metadata
/// names, else recognised from its shapes. Throws Error(checkpoint).
Weights load_weights(const std::filesystem::path& path,
                     const std::optional<models::ModelConfig>& stated_model = std::nullopt);

/// The tensors as a network of `task` names them: for segmentation, the backbone of a classifier
/// below `backbone.`; all others as they are.
io::NamedTensors named_for(models::Task task, io::NamedTensors tensors);

/// Segmentation where names stand below `backbone.layers.`, as mmsegmentation has them, else
/// classification.
models::Task recognise_task(const io::NamedTensors& tensors);

/// The model of recognise_task() whose state dict has these names and shapes: the zoo's where one
/// fits, else `custom`. What shapes do not show is taken as usual: blocks linear, linear, softmax,
/// softmax, and UperNet's pooling scales 1, 2, 3, 6. Throws Error(checkpoint) naming `source` when
/// they are no NaLaFormer's, out of range, or of a network larger than all tensors together.
models::ModelConfig recognise_model(const io::NamedTensors& tensors, const std::string& source);

}  // namespace nala::train
