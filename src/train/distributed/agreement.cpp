#include "train/distributed/agreement.h"

#include <torch/torch.h>

#include <sstream>

#include "core/error.h"

namespace nala::train {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// One line per tensor: name, dtype, shape.
std::string description(const io::NamedTensors& tensors) {
  std::ostringstream text;
  for (const auto& [name, tensor] : tensors) {
    text << name << ' ' << tensor.scalar_type() << ' ' << tensor.sizes() << '\n';
  }
  return text.str();
}

// "own | rank 0's" for every line that differs.
std::vector<std::string> differences(const std::string& own, const std::string& first) {
  const std::vector<std::string> left = lines_of(own);
  const std::vector<std::string> right = lines_of(first);
  std::vector<std::string> found;
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string a = i < left.size() ? left[i] : "(nothing)";
    const std::string b = i < right.size() ? right[i] : "(nothing)";
    if (a != b) {
      found.push_back("'" + a + "' here, '" + b + "' on rank 0");
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> share(const Group& group,
                               const io::NamedTensors& tensors,
                               const std::string& what) {
  if (group.alone()) {
    return {};
  }
  const std::string own = description(tensors);
  const auto unlike = differences(own, group.broadcast(own, what));
  if (!unlike.empty()) {
    throw Error(ErrorKind::checkpoint, group.name() + ": " + what + ": " + unlike.front());
  }
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  for (const auto& [name, tensor] : tensors) {
    values.push_back(tensor.detach().clone());  // as the tensor
  }
  group.broadcast(values, what);
  std::vector<std::string> differing;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!at::equal(values[i], tensors[i].second)) {
      differing.push_back(tensors[i].first);
      tensors[i].second.detach().copy_(values[i]);
    }
  }
  return differing;
}

void require_same(const Group& group, const std::string& text, const std::string& what) {
  const auto unlike = differences(text, group.broadcast(text, what));
  if (unlike.empty()) {
    return;
  }
  std::string message = group.name() + ": " + what + " differs:";
  for (const std::string& line : unlike) {
    message += " [" + line + "]";
  }
  throw Error(ErrorKind::config, message);
}

}  // namespace nala::train
