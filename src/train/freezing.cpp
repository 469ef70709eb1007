#include "train/freezing.h"

#include <fnmatch.h>
#include <torch/nn/module.h>

#include <algorithm>

#include "core/error.h"

namespace nala::train {
namespace {

bool names(const std::string& pattern, const std::string& parameter) {
  return fnmatch(pattern.c_str(), parameter.c_str(), 0) == 0 ||
         fnmatch((pattern + ".*").c_str(), parameter.c_str(), 0) == 0;
}

}  // namespace

Freezing::Freezing(torch::nn::Module& model, const std::vector<std::string>& patterns) {
  auto parameters = model.named_parameters();
  for (const std::string& text : patterns) {
    const bool thaw = text.starts_with('!');
    const std::string pattern = text.substr(thaw ? 1 : 0);
    bool found = false;
    for (auto& item : parameters) {
      if (names(pattern, item.key())) {
        item.value().requires_grad_(thaw);
        found = true;
      }
    }
    if (!found) {
      throw Error(ErrorKind::config, "train.freeze: '" + text +
                                         "' names no parameter of the model; `nalaformer info` "
                                         "lists its parts");
    }
  }
  if (patterns.empty()) {
    return;
  }
  const auto frozen = [](const at::Tensor& parameter) { return !parameter.requires_grad(); };
  const std::vector<at::Tensor> all = model.parameters();
  if (std::all_of(all.begin(), all.end(), frozen)) {
    throw Error(ErrorKind::config, "train.freeze: leaves nothing to train");
  }
  for (const auto& module : model.modules(false)) {
    const std::vector<at::Tensor> own = module->parameters(false);
    if (!own.empty() && std::all_of(own.begin(), own.end(), frozen)) {
      frozen_.push_back(module);
    }
  }
}

void Freezing::hold() const {
  for (const auto& module : frozen_) {
    module->eval();
  }
}

}  // namespace nala::train
