#include "export/fold.h"

#include <cmath>
#include <map>
#include <set>

namespace nala::exporting {
namespace {

// y = scale x + shift, per channel.
struct Affine {
  std::vector<double> scale;
  std::vector<double> shift;
};

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph) {
    for (Weight& weight : graph.weights) {
      weights_.emplace(weight.name, &weight);
    }
    for (Node& node : graph.nodes) {
      makers_.emplace(node.output, &node);
      for (const std::string& input : node.inputs) {
        ++uses_[input];
      }
    }
    ++uses_[graph.output];
  }

  void run() {
    for (const Node& norm : graph_.nodes) {
      if (norm.operation == Operation::batch_norm && folded_into_maker(norm)) {
        gone_.insert(norm.output);
        renamed_[norm.output] = norm.inputs[0];
      }
    }
    for (Node& node : graph_.nodes) {
      for (std::string& input : node.inputs) {
        rename(input);
      }
    }
    rename(graph_.output);
    std::erase_if(graph_.nodes, [&](const Node& node) { return gone_.contains(node.output); });
    std::set<std::string> used;
    for (const Node& node : graph_.nodes) {
      used.insert(node.inputs.begin(), node.inputs.end());
    }
    std::erase_if(graph_.weights,
                  [&](const Weight& weight) { return !used.contains(weight.name); });
  }

 private:
  void rename(std::string& value) const {
    const auto found = renamed_.find(value);
    if (found != renamed_.end()) {
      value = found->second;
    }
  }

  // The node of this kind that makes a value nobody else needs, or null.
  [[nodiscard]] const Node* maker(const std::string& value, Operation operation) const {
    const auto found = makers_.find(value);
    return found != makers_.end() && found->second->operation == operation && uses_.at(value) == 1
               ? found->second
               : nullptr;
  }
  [[nodiscard]] Weight* own_weight(const std::string& name) const {
    const auto found = weights_.find(name);
    return found != weights_.end() && uses_.at(name) == 1 ? found->second : nullptr;
  }

  [[nodiscard]] Affine affine_of(const Node& norm) const {
    const auto values = [&](size_t input) -> const std::vector<float>& {
      return weights_.at(norm.inputs[input])->values;
    };
    Affine affine;
    for (size_t i = 0; i < values(1).size(); ++i) {
      const double scale = values(1)[i] / std::sqrt(values(4)[i] + norm.epsilon);
      affine.scale.push_back(scale);
      affine.shift.push_back(values(2)[i] - values(3)[i] * scale);
    }
    return affine;
  }

  [[nodiscard]] bool folded_into_maker(const Node& norm) const {
    const std::string& value = norm.inputs[0];
    if (const Node* convolution = maker(value, Operation::convolution)) {
      return fold(norm, own_weight(convolution->inputs[1]), own_weight(convolution->inputs[2]),
                  /*channels_last=*/false);
    }
    const Node* view = maker(value, Operation::transpose);
    if (view == nullptr || view->numbers != std::vector<int64_t>{0, 3, 1, 2}) {
      return false;
    }
    const Node* sum = maker(view->inputs[0], Operation::add);
    const Node* product = sum == nullptr ? nullptr : maker(sum->inputs[0], Operation::matmul);
    return product != nullptr && fold(norm, own_weight(product->inputs[1]),
                                      own_weight(sum->inputs[1]), /*channels_last=*/true);
  }

  // The weights count channels along their first axis, or along their last.
  [[nodiscard]] bool fold(const Node& norm,
                          Weight* weight,
                          Weight* bias,
                          bool channels_last) const {
    const Affine affine = affine_of(norm);
    const size_t channels = affine.scale.size();
    if (weight == nullptr || bias == nullptr || bias->values.size() != channels) {
      return false;
    }
    const size_t block = weight->values.size() / channels;
    for (size_t i = 0; i < weight->values.size(); ++i) {
      const size_t channel = channels_last ? i % channels : i / block;
      weight->values[i] = static_cast<float>(weight->values[i] * affine.scale[channel]);
    }
    for (size_t i = 0; i < channels; ++i) {
      bias->values[i] = static_cast<float>(bias->values[i] * affine.scale[i] + affine.shift[i]);
    }
    return true;
  }

  Graph& graph_;
  std::map<std::string, Weight*> weights_;
  std::map<std::string, const Node*> makers_;
  std::map<std::string, int> uses_;
  std::set<std::string> gone_;
  std::map<std::string, std::string> renamed_;
};

}  // namespace

void fold_batch_norms(Graph& graph) {
  Folder(graph).run();
}

}  // namespace nala::exporting
