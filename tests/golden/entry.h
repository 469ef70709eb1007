// One entry of index.json and its file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "io/named_tensors.h"

namespace nala::golden {

struct Entry {
  std::filesystem::path folder;
  std::string file;
  nlohmann::json fields;

  [[nodiscard]] std::filesystem::path path() const { return folder / file; }
  [[nodiscard]] bool is_training() const { return fields.value("mode", "eval") == "train"; }
};

/// The tensors of a .safetensors fixture by name.
using Tensors = std::map<std::string, at::Tensor>;
Tensors tensors_of(const Entry& entry);

/// Those whose name begins with `prefix`, which is cut off.
io::NamedTensors with_prefix(const Tensors& tensors, const std::string& prefix);

/// A .json fixture.
nlohmann::json json_of(const Entry& entry);

}  // namespace nala::golden
