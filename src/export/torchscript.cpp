#include "export/torchscript.h"

#include <torch/script.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <unordered_map>

#include "core/files.h"

namespace nala::exporting {
namespace {

// Attributes are Python identifiers.
std::string attribute(std::string name) {
  std::ranges::replace(name, '.', '_');
  return "weight_" + name;
}

std::string number_text(double value) {
  std::ostringstream text;
  text.precision(17);
  text << std::scientific << value;
  return text.str();
}

std::string list(const std::vector<int64_t>& numbers) {
  std::string text = "[";
  for (const int64_t number : numbers) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(number);
  }
  return text + "]";
}

// {0} ... stand for the inputs, {n0} ... for the numbers, {n} for all of them, {e} for epsilon.
std::string_view pattern_of(Operation operation) {
  switch (operation) {
    case Operation::add:
      return "{0} + {1}";
    case Operation::subtract:
      return "{0} - {1}";
    case Operation::multiply:
      return "{0} * {1}";
    case Operation::divide:
      return "{0} / {1}";
    case Operation::power:
      return "torch.pow({0}, {1})";
    case Operation::matmul:
      return "torch.matmul({0}, {1})";
    case Operation::negative:
      return "-{0}";
    case Operation::absolute:
      return "torch.abs({0})";
    case Operation::relu:
      return "torch.relu({0})";
    case Operation::tanh:
      return "torch.tanh({0})";
    case Operation::sine:
      return "torch.sin({0})";
    case Operation::cosine:
      return "torch.cos({0})";
    case Operation::square_root:
      return "torch.sqrt({0})";
    case Operation::gelu:
      return "torch.gelu({0})";
    case Operation::silu:
      return "{0} * torch.sigmoid({0})";
    case Operation::elu_plus_one:
      return "torch.elu({0}) + 1.";
    case Operation::convolution:
      return "torch.conv2d({0}, {1}, {2}, [{n0}, {n0}], [{n1}, {n1}], [1, 1], {n2})";
    case Operation::batch_norm:
      return "torch.batch_norm({0}, {1}, {2}, {3}, {4}, False, 0., {e}, False)";
    case Operation::layer_norm:
      return "torch.layer_norm({0}, [{0}.size(-1)], {1}, {2}, {e})";
    case Operation::softmax:
      return "torch.softmax({0}, -1)";
    case Operation::transpose:
      return "{0}.permute({n})";
    case Operation::reshape:
      return "torch.reshape({0}, {sizes})";
    case Operation::reshape_like:
      return "torch.reshape({0}, {1}.size())";
    case Operation::narrow:
      return "torch.narrow({0}, {n0}, {n1}, {n2})";
    case Operation::concat:
      return "torch.cat([{inputs}], {n0})";
    case Operation::sum:
      return "torch.sum({0}, {n}, True)";
    case Operation::mean:
      return "torch.mean({0}, {n}, True)";
    case Operation::pool:
      return "torch.mean({0}, [2, 3])";
    case Operation::leaky_relu:
      return "torch.leaky_relu({0}, {e})";
    case Operation::pixel_shuffle:
      return "torch.pixel_shuffle({0}, {n0})";
    case Operation::enlarge_bilinear:
      return "torch.upsample_bilinear2d({0}, [{0}.size(2) * {n0}, {0}.size(3) * {n0}], False)";
    case Operation::enlarge_bicubic:
      return "torch._upsample_bicubic2d_aa({0}, [{0}.size(2) * {n0}, {0}.size(3) * {n0}], False)";
    case Operation::resize_bilinear_like:
      return "torch.upsample_bilinear2d({0}, [{1}.size(2), {1}.size(3)], False)";
    case Operation::resize_nearest_like:
      return "torch.upsample_nearest2d({0}, [{1}.size(2), {1}.size(3)])";
    case Operation::pool_to:
      return "torch.adaptive_avg_pool2d({0}, [{n0}, {n0}])";
    case Operation::bytes_to_map:
      return "torch.to({0}, 6).permute([0, 3, 1, 2])";  // 6: float32
    case Operation::map_to_bytes:
      return "torch.to(torch.clamp(torch.floor({0} * 255. + 0.5), 0., 255.), 0)"  // 0: uint8
             ".permute([0, 2, 3, 1])";
    case Operation::likeliest:
      return "torch.to(torch.argmax({0}, 1), 0)";
    case Operation::direction:
      return "torch.where(({1} > 0) & torch.isfinite({1}), {0} / {1}, torch.zeros_like({0}))";
    case Operation::rotate_pairs:
      return "torch.stack([-{0}[..., 1::2], {0}[..., 0::2]], -1).flatten(-2)";
    case Operation::rotary_angles:
      return "torch.cat([(torch.arange({0}.size(2), device={0}.device)[:, None, None] * {1})"
             ".expand(-1, {0}.size(3), -1), "
             "(torch.arange({0}.size(3), device={0}.device)[None, :, None] * {1})"
             ".expand({0}.size(2), -1, -1)], -1).flatten(0, 1)";
    case Operation::divide_by_tokens:
      return "{0} / ({1}.size(2) * {1}.size(3))";
  }
  TORCH_CHECK(false, "unknown operation ", static_cast<int>(operation));
}

class Source {
 public:
  explicit Source(const Graph& graph) : graph_(graph) {
    for (const Weight& weight : graph.weights) {
      names_.emplace(weight.name, "self." + attribute(weight.name));
    }
  }

  std::string write() {
    std::string text = "def forward(self, " + graph_.input + "):\n";
    for (const Node& node : graph_.nodes) {
      text += "    " + node.output + " = " + expression(node) + "\n";
    }
    return text + "    return " + graph_.output + "\n";
  }

 private:
  [[nodiscard]] std::string name(const std::string& value) const {
    const auto weight = names_.find(value);
    return weight == names_.end() ? value : weight->second;
  }

  [[nodiscard]] std::string sizes(const Node& node) const {
    std::string text = "[";
    for (size_t i = 0; i < node.numbers.size(); ++i) {
      text += i > 0 ? ", " : "";
      text += node.numbers[i] == 0 ? name(node.inputs.front()) + ".size(" + std::to_string(i) + ")"
                                   : std::to_string(node.numbers[i]);
    }
    return text + "]";
  }

  [[nodiscard]] std::string filled(const std::string& key, const Node& node) const {
    if (key == "e") {
      return number_text(node.epsilon);
    }
    if (key == "n") {
      return list(node.numbers);
    }
    if (key == "inputs") {
      std::string text;
      for (const std::string& input : node.inputs) {
        text += (text.empty() ? "" : ", ") + name(input);
      }
      return text;
    }
    if (key == "sizes") {
      return sizes(node);
    }
    return key.front() == 'n' ? std::to_string(node.numbers.at(std::stoul(key.substr(1))))
                              : name(node.inputs.at(std::stoul(key)));
  }

  [[nodiscard]] std::string expression(const Node& node) const {
    std::string_view pattern = pattern_of(node.operation);
    std::string text;
    for (size_t open; (open = pattern.find('{')) != std::string_view::npos;) {
      const size_t close = pattern.find('}', open);
      text += pattern.substr(0, open);
      text += filled(std::string(pattern.substr(open + 1, close - open - 1)), node);
      pattern.remove_prefix(close + 1);
    }
    return text.append(pattern);
  }

  const Graph& graph_;
  std::unordered_map<std::string, std::string> names_;  // of weights
};

}  // namespace

std::string torchscript_source(const Graph& graph) {
  return Source(graph).write();
}

void write_torchscript(const std::filesystem::path& path, const Graph& graph) {
  torch::jit::Module module("nalaformer");
  for (const Weight& weight : graph.weights) {
    at::Tensor values = at::empty(weight.shape);
    std::ranges::copy(weight.values, values.data_ptr<float>());
    module.register_buffer(attribute(weight.name), values);
  }
  module.define(torchscript_source(graph));
  module.eval();
  std::ostringstream bytes;
  module.save(bytes);
  write_file(path, bytes.str());
}

}  // namespace nala::exporting
