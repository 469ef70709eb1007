#include "model_loading.h"

#include <algorithm>

#include "core/error.h"

namespace nala::tools {

train::Weights load_checkpoint(const CommandLine& line, const std::string& checkpoint) {
  if (checkpoint.empty()) {
    throw Error(ErrorKind::usage, "--checkpoint is needed: a run folder, .safetensors or .pth");
  }
  const bool states_model =
      std::any_of(line.overrides().begin(), line.overrides().end(),
                  [](const std::string& text) { return text.starts_with("model."); });
  return train::load_weights(
      checkpoint, states_model ? std::optional(line.recipe(std::nullopt).model) : std::nullopt);
}

}  // namespace nala::tools
