#include "entry.h"

#include "core/files.h"
#include "io/safetensors.h"

namespace nala::golden {

Tensors tensors_of(const Entry& entry) {
  Tensors tensors;
  for (auto& [name, tensor] : io::read_safetensors(entry.path()).tensors) {
    tensors.emplace(name, tensor);
  }
  return tensors;
}

io::NamedTensors with_prefix(const Tensors& tensors, const std::string& prefix) {
  io::NamedTensors chosen;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) {
      chosen.emplace_back(name.substr(prefix.size()), tensor);
    }
  }
  return chosen;
}

nlohmann::json json_of(const Entry& entry) {
  return nlohmann::json::parse(read_file(entry.path()));
}

}  // namespace nala::golden
