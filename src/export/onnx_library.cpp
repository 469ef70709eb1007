// libnala_onnx.so: libonnx behind one plain function (export/onnx.h).

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>

#include "export/onnx.h"

namespace nala::exporting {
namespace {

constexpr int64_t kOpset = 17;
constexpr int64_t kIrVersion = 8;
constexpr size_t kMaxBytes = (size_t{1} << 31) - 1;  // of a protobuf message

// Float to IEEE half, to nearest, ties to even.
uint16_t to_half(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t sign = bits >> 16 & 0x8000U;
  const float magnitude = std::fabs(value);
  if (!(magnitude < 65520.0F)) {
    return static_cast<uint16_t>(sign | (std::isnan(value) ? 0x7e00U : 0x7c00U));
  }
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  // The unit in the last place: of normal numbers 2^(exponent - 11), never below 2^-24.
  const int unit = std::max(exponent - 11, -24);
  const auto count = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, -unit)));
  // Counted in units, halves follow each other as their bit patterns do.
  const uint32_t below = static_cast<uint32_t>(unit + 24) * 1024U;
  return static_cast<uint16_t>(sign | (below + count));
}

class OnnxWriter {
 public:
  OnnxWriter(const Graph& graph, const OnnxOptions& options) : graph_(graph), options_(options) {}

  onnx::ModelProto write() {
    onnx::ModelProto model;
    model.set_ir_version(kIrVersion);
    model.set_producer_name("nalaformer");
    model.set_producer_version(options_.producer_version);
    model.add_opset_import()->set_version(kOpset);
    out_ = model.mutable_graph();
    out_->set_name("nalaformer");
    declare(*out_->add_input(), graph_.input, {0, graph_.channels, 0, 0},
            {"batch", "", "height", "width"});
    for (const Weight& weight : graph_.weights) {
      add_weight(weight);
    }
    for (const Node& node : graph_.nodes) {
      add(node);
    }
    emit("Identity", {graph_.output}, "output");
    declare(*out_->add_output(), "output", graph_.result, {"batch", "channels", "rows", "columns"});
    return model;
  }

 private:
  static void declare(onnx::ValueInfoProto& value,
                      const std::string& name,
                      const std::vector<int64_t>& shape,
                      const std::vector<std::string>& names) {
    value.set_name(name);
    auto* type = value.mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (size_t i = 0; i < shape.size(); ++i) {
      auto* dimension = type->mutable_shape()->add_dim();
      if (shape[i] == 0) {
        dimension->set_dim_param(names.at(i));
      } else {
        dimension->set_dim_value(shape[i]);
      }
    }
  }

  void add_weight(const Weight& weight) {
    auto* tensor = out_->add_initializer();
    for (const int64_t size : weight.shape) {
      tensor->add_dims(size);
    }
    // A scalar is exact, or part of a formula: it stays as it is.
    if (!options_.half_weights || weight.shape.empty()) {
      tensor->set_name(weight.name);
      tensor->set_data_type(onnx::TensorProto::FLOAT);
      tensor->set_raw_data(weight.values.data(), weight.values.size() * sizeof(float));
      return;
    }
    tensor->set_name(weight.name + ".half");
    tensor->set_data_type(onnx::TensorProto::FLOAT16);
    std::string raw;
    for (const float value : weight.values) {
      const uint16_t half = to_half(value);
      raw.append(reinterpret_cast<const char*>(&half), sizeof(half));
    }
    tensor->set_raw_data(raw);
    set(emit("Cast", {weight.name + ".half"}, weight.name), "to",
        int64_t{onnx::TensorProto::FLOAT});
  }

  onnx::NodeProto& emit(const std::string& kind,
                        const std::vector<std::string>& inputs,
                        const std::string& output) {
    onnx::NodeProto& node = *out_->add_node();
    node.set_op_type(kind);
    node.set_name(output);
    for (const std::string& input : inputs) {
      node.add_input(input);
    }
    node.add_output(output);
    return node;
  }

  // The same for a value that only this writer needs.
  std::string inner(const std::string& kind, const std::vector<std::string>& inputs) {
    const std::string name = "inner_" + std::to_string(count_++);
    emit(kind, inputs, name);
    return name;
  }

  static void set(onnx::NodeProto& node, const std::string& name, int64_t value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }
  static void set(onnx::NodeProto& node, const std::string& name, double value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(static_cast<float>(value));
  }
  static void set(onnx::NodeProto& node, const std::string& name, const char* text) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(text);
  }
  static void set(onnx::NodeProto& node,
                  const std::string& name,
                  const std::vector<int64_t>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : values) {
      attribute->add_ints(value);
    }
  }

  // Constants are made once.
  std::string integers(const std::vector<int64_t>& values, bool scalar = false) {
    std::string name = scalar ? "integer" : "integers";
    for (const int64_t value : values) {
      name += "_" + std::to_string(value);
    }
    if (!made_.emplace(name, true).second) {
      return name;
    }
    auto* tensor = out_->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::INT64);
    if (!scalar) {
      tensor->add_dims(static_cast<int64_t>(values.size()));
    }
    tensor->set_raw_data(values.data(), values.size() * sizeof(int64_t));
    return name;
  }

  std::string number(float value) {
    const std::string name = "number_" + std::to_string(value);
    if (!made_.emplace(name, true).second) {
      return name;
    }
    auto* tensor = out_->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->set_raw_data(&value, sizeof(value));
    return name;
  }

  // Size of a map's axis: a scalar.
  std::string size_of(const std::string& map, int64_t axis) {
    return inner("Gather", {inner("Shape", {map}), integers({axis}, true)});
  }

  std::string as_float(const std::string& value) {
    const std::string name = "inner_" + std::to_string(count_++);
    set(emit("Cast", {value}, name), "to", int64_t{onnx::TensorProto::FLOAT});
    return name;
  }

  // 0, 1 ... size - 1 as float32.
  std::string places(const std::string& map, int64_t axis) {
    return as_float(inner("Range", {integers({0}, true), size_of(map, axis), integers({1}, true)}));
  }

  std::string slice_pairs(const std::string& x, int64_t first) {
    return inner("Slice", {x, integers({first}), integers({std::numeric_limits<int64_t>::max()}),
                           integers({-1}), integers({2})});
  }

  // By the factor numbers[0]; an input left out has an empty name.
  onnx::NodeProto& enlarge(const Node& node) {
    const auto factor = static_cast<float>(node.numbers[0]);
    const std::string scales = "inner_" + std::to_string(count_++);
    auto* tensor = out_->add_initializer();
    tensor->set_name(scales);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->add_dims(4);
    const std::array<float, 4> values{1, 1, factor, factor};
    tensor->set_raw_data(values.data(), sizeof(values));
    return emit("Resize", {node.inputs[0], "", scales}, node.output);
  }

  // To the height and width of the second input.
  onnx::NodeProto& resize_like(const Node& node) {
    const auto part = [&](const std::string& map, int64_t begin) {
      return inner("Slice", {inner("Shape", {map}), integers({begin}), integers({begin + 2})});
    };
    const std::string sizes = "inner_" + std::to_string(count_++);
    set(emit("Concat", {part(node.inputs[0], 0), part(node.inputs[1], 2)}, sizes), "axis",
        int64_t{0});
    return emit("Resize", {node.inputs[0], "", "", sizes}, node.output);
  }

  void direction(const Node& node) {
    const std::string& norms = node.inputs[1];
    const std::string good = inner(
        "And", {inner("Greater", {norms, number(0)}), inner("Not", {inner("IsInf", {norms})})});
    const std::string divisor = inner("Where", {good, norms, number(1)});
    emit("Where", {good, inner("Div", {node.inputs[0], divisor}), number(0)}, node.output);
  }

  void rotate_pairs(const Node& node) {
    const std::string& x = node.inputs[0];
    const std::string odd = inner("Unsqueeze", {inner("Neg", {slice_pairs(x, 1)}), integers({-1})});
    const std::string even = inner("Unsqueeze", {slice_pairs(x, 0), integers({-1})});
    const std::string pairs = "inner_" + std::to_string(count_++);
    set(emit("Concat", {odd, even}, pairs), "axis", int64_t{-1});
    emit("Reshape", {pairs, inner("Shape", {x})}, node.output);
  }

  void rotary_angles(const Node& node) {
    const std::string& map = node.inputs[0];
    const std::string rows =
        inner("Mul", {inner("Unsqueeze", {places(map, 2), integers({1, 2})}), node.inputs[1]});
    const std::string columns =
        inner("Mul", {inner("Unsqueeze", {places(map, 3), integers({0, 2})}), node.inputs[1]});
    // Adding zeros of the other's shape repeats each along the axis it lacks.
    const std::string zero_rows = inner("Mul", {rows, number(0)});
    const std::string zero_columns = inner("Mul", {columns, number(0)});
    const std::string both = "inner_" + std::to_string(count_++);
    set(emit("Concat", {inner("Add", {rows, zero_columns}), inner("Add", {zero_rows, columns})},
             both),
        "axis", int64_t{2});  // (H, W, 2n)
    const std::string width = inner("Gather", {inner("Shape", {both}), integers({2})});
    const std::string shape = "inner_" + std::to_string(count_++);
    set(emit("Concat", {integers({-1}), width}, shape), "axis", int64_t{0});
    emit("Reshape", {both, shape}, node.output);
  }

  void divide_by_tokens(const Node& node) {
    const std::string& map = node.inputs[1];
    const std::string tokens = inner("Mul", {size_of(map, 2), size_of(map, 3)});
    emit("Div", {node.inputs[0], as_float(tokens)}, node.output);
  }

  void add(const Node& node) {
    const auto& inputs = node.inputs;
    const auto plain = [&](const char* kind) { return &emit(kind, inputs, node.output); };
    switch (node.operation) {
      case Operation::add:
        plain("Add");
        return;
      case Operation::subtract:
        plain("Sub");
        return;
      case Operation::multiply:
        plain("Mul");
        return;
      case Operation::divide:
        plain("Div");
        return;
      case Operation::power:
        plain("Pow");
        return;
      case Operation::matmul:
        plain("MatMul");
        return;
      case Operation::negative:
        plain("Neg");
        return;
      case Operation::absolute:
        plain("Abs");
        return;
      case Operation::relu:
        plain("Relu");
        return;
      case Operation::tanh:
        plain("Tanh");
        return;
      case Operation::sine:
        plain("Sin");
        return;
      case Operation::cosine:
        plain("Cos");
        return;
      case Operation::square_root:
        plain("Sqrt");
        return;
      case Operation::gelu: {
        const std::string error =
            inner("Erf", {inner("Mul", {inputs[0], number(std::sqrt(0.5F))})});
        const std::string half = inner("Mul", {inputs[0], number(0.5F)});
        emit("Mul", {half, inner("Add", {error, number(1)})}, node.output);
        return;
      }
      case Operation::silu:
        emit("Mul", {inputs[0], inner("Sigmoid", {inputs[0]})}, node.output);
        return;
      case Operation::elu_plus_one:
        emit("Add", {inner("Elu", {inputs[0]}), number(1)}, node.output);
        return;
      case Operation::convolution: {
        onnx::NodeProto& conv = *plain("Conv");
        const int64_t stride = node.numbers[0];
        const int64_t padding = node.numbers[1];
        set(conv, "strides", std::vector<int64_t>(2, stride));
        set(conv, "pads", std::vector<int64_t>(4, padding));
        set(conv, "group", node.numbers[2]);
        return;
      }
      case Operation::batch_norm:
        set(*plain("BatchNormalization"), "epsilon", node.epsilon);
        return;
      case Operation::layer_norm: {
        onnx::NodeProto& norm = *plain("LayerNormalization");
        set(norm, "axis", int64_t{-1});
        set(norm, "epsilon", node.epsilon);
        return;
      }
      case Operation::softmax:
        set(*plain("Softmax"), "axis", int64_t{-1});
        return;
      case Operation::transpose:
        set(*plain("Transpose"), "perm", node.numbers);
        return;
      case Operation::reshape:
        emit("Reshape", {inputs[0], integers(node.numbers)}, node.output);
        return;
      case Operation::reshape_like:
        emit("Reshape", {inputs[0], inner("Shape", {inputs[1]})}, node.output);
        return;
      case Operation::narrow:
        emit("Slice",
             {inputs[0], integers({node.numbers[1]}), integers({node.numbers[1] + node.numbers[2]}),
              integers({node.numbers[0]})},
             node.output);
        return;
      case Operation::concat:
        set(*plain("Concat"), "axis", node.numbers[0]);
        return;
      case Operation::sum:
        emit("ReduceSum", {inputs[0], integers(node.numbers)}, node.output);
        return;
      case Operation::mean:
        set(*plain("ReduceMean"), "axes", node.numbers);
        return;
      case Operation::pool:
        emit("Flatten", {inner("GlobalAveragePool", inputs)}, node.output);
        return;
      case Operation::leaky_relu:
        set(*plain("LeakyRelu"), "alpha", node.epsilon);
        return;
      case Operation::pixel_shuffle: {
        onnx::NodeProto& shuffle = *plain("DepthToSpace");
        set(shuffle, "blocksize", node.numbers[0]);
        set(shuffle, "mode", "CRD");
        return;
      }
      case Operation::enlarge_bilinear:
        set(enlarge(node), "mode", "linear");
        return;
      case Operation::enlarge_bicubic: {
        onnx::NodeProto& resize = enlarge(node);
        set(resize, "mode", "cubic");
        set(resize, "cubic_coeff_a", -0.5);
        set(resize, "exclude_outside", int64_t{1});
        return;
      }
      case Operation::resize_bilinear_like:
        set(resize_like(node), "mode", "linear");
        return;
      case Operation::resize_nearest_like: {
        onnx::NodeProto& resize = resize_like(node);
        set(resize, "mode", "nearest");
        set(resize, "nearest_mode", "floor");
        set(resize, "coordinate_transformation_mode", "asymmetric");
        return;
      }
      case Operation::direction:
        direction(node);
        return;
      case Operation::rotate_pairs:
        rotate_pairs(node);
        return;
      case Operation::rotary_angles:
        rotary_angles(node);
        return;
      case Operation::divide_by_tokens:
        divide_by_tokens(node);
        return;
    }
    throw std::logic_error("unknown operation");
  }

  const Graph& graph_;
  const OnnxOptions& options_;
  onnx::GraphProto* out_ = nullptr;
  int64_t count_ = 0;
  std::map<std::string, bool> made_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) bool nala_write_onnx(const Graph& graph,
                                                                       const OnnxOptions& options,
                                                                       std::string& bytes,
                                                                       std::string& message) {
  try {
    const onnx::ModelProto model = OnnxWriter(graph, options).write();
    if (model.ByteSizeLong() > kMaxBytes) {
      message = "more than 2 GB, which one ONNX file cannot hold";
      return false;
    }
    onnx::checker::check_model(model);
    return model.SerializeToString(&bytes);
  } catch (const std::exception& error) {
    message = error.what();
    return false;
  }
}

}  // namespace nala::exporting
