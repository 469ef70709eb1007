#include "train/averaging.h"

#include <torch/torch.h>

#include <map>

#include "core/error.h"

namespace nala::train {
namespace {

[[noreturn]] void refuse(const std::string& source, const std::string& name, const char* what) {
  throw Error(ErrorKind::checkpoint,
              source + ": " + name + " " + what + "; only checkpoints of one model have a mean");
}

}  // namespace

io::NamedTensors mean_of(const std::vector<io::NamedTensors>& parts,
                         const std::vector<std::string>& sources) {
  const at::NoGradGuard no_grad;
  io::NamedTensors mean;
  for (const auto& [name, tensor] : parts.front()) {
    mean.emplace_back(name, tensor.is_floating_point() ? tensor.to(at::kDouble) : tensor);
  }
  for (size_t part = 1; part < parts.size(); ++part) {
    const std::map<std::string, at::Tensor> others(parts[part].begin(), parts[part].end());
    if (others.size() != mean.size()) {
      refuse(sources[part], std::to_string(others.size()) + " entries", "are another number");
    }
    for (size_t i = 0; i < mean.size(); ++i) {
      auto& [name, sum] = mean[i];
      const at::Tensor& first = parts.front()[i].second;
      const auto other = others.find(name);
      if (other == others.end()) {
        refuse(sources[part], name, "is missing");
      }
      if (other->second.sizes() != first.sizes() || other->second.dtype() != first.dtype()) {
        refuse(sources[part], name, "has another shape or dtype");
      }
      if (first.is_floating_point()) {
        sum += other->second.to(at::kDouble);
      } else {
        sum = other->second;
      }
    }
  }
  for (size_t i = 0; i < mean.size(); ++i) {
    const at::Tensor& first = parts.front()[i].second;
    if (first.is_floating_point()) {
      mean[i].second = (mean[i].second / static_cast<double>(parts.size())).to(first.scalar_type());
    }
  }
  return mean;
}

}  // namespace nala::train
