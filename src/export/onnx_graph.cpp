#include "export/onnx_graph.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace nala::exporting {
namespace {

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

std::string text_of(int64_t value) {
  return std::to_string(value);
}

// The shortest that is this number and no other.
std::string text_of(float value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.begin(), text.end(), value).ptr};
}

onnx::AttributeProto& attribute_of(onnx::NodeProto& node,
                                   const std::string& name,
                                   onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

}  // namespace

void set(onnx::NodeProto& node, const std::string& name, int64_t value) {
  attribute_of(node, name, onnx::AttributeProto::INT).set_i(value);
}

void set(onnx::NodeProto& node, const std::string& name, double value) {
  attribute_of(node, name, onnx::AttributeProto::FLOAT).set_f(static_cast<float>(value));
}

void set(onnx::NodeProto& node, const std::string& name, const char* text) {
  attribute_of(node, name, onnx::AttributeProto::STRING).set_s(text);
}

void set(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = attribute_of(node, name, onnx::AttributeProto::INTS);
  for (const int64_t value : values) {
    attribute.add_ints(value);
  }
}

void OnnxGraph::add_weight(const Weight& weight, bool half) {
  auto* tensor = out_.add_initializer();
  for (const int64_t size : weight.shape) {
    tensor->add_dims(size);
  }
  if (!half || weight.shape.empty()) {
    tensor->set_name(weight.name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->set_raw_data(weight.values.data(), weight.values.size() * sizeof(float));
    return;
  }
  tensor->set_name(weight.name + ".half");
  tensor->set_data_type(onnx::TensorProto::FLOAT16);
  std::string raw;
  for (const float value : weight.values) {
    const uint16_t bits = to_half(value);
    raw.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  }
  tensor->set_raw_data(raw);
  set(emit("Cast", {weight.name + ".half"}, weight.name), "to", int64_t{onnx::TensorProto::FLOAT});
}

onnx::NodeProto& OnnxGraph::emit(const std::string& kind,
                                 const std::vector<std::string>& inputs,
                                 const std::string& output) {
  onnx::NodeProto& node = *out_.add_node();
  node.set_op_type(kind);
  node.set_name(output);
  for (const std::string& input : inputs) {
    node.add_input(input);
  }
  node.add_output(output);
  return node;
}

std::string OnnxGraph::inner(const std::string& kind, const std::vector<std::string>& inputs) {
  const std::string name = fresh();
  emit(kind, inputs, name);
  return name;
}

std::string OnnxGraph::cast(const std::string& value, onnx::TensorProto::DataType type) {
  const std::string name = fresh();
  set(emit("Cast", {value}, name), "to", int64_t{type});
  return name;
}

std::string OnnxGraph::concat(const std::vector<std::string>& parts, int64_t axis) {
  const std::string name = fresh();
  set(emit("Concat", parts, name), "axis", axis);
  return name;
}

template <class T>
std::string OnnxGraph::constant(const std::string& kind,
                                const std::vector<T>& values,
                                onnx::TensorProto::DataType type,
                                bool scalar) {
  const std::string raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  std::string name = kind;
  for (const T value : values) {
    name += "_" + text_of(value);
  }
  if (!made_.insert(name).second) {
    return name;
  }
  auto* tensor = out_.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  if (!scalar) {
    tensor->add_dims(static_cast<int64_t>(values.size()));
  }
  tensor->set_raw_data(raw);
  return name;
}

std::string OnnxGraph::integers(const std::vector<int64_t>& values) {
  return constant("integers", values, onnx::TensorProto::INT64, false);
}

std::string OnnxGraph::integer(int64_t value) {
  return constant<int64_t>("integer", {value}, onnx::TensorProto::INT64, true);
}

std::string OnnxGraph::number(float value) {
  return constant<float>("number", {value}, onnx::TensorProto::FLOAT, true);
}

std::string OnnxGraph::numbers(const std::vector<float>& values) {
  return constant("numbers", values, onnx::TensorProto::FLOAT, false);
}

std::string OnnxGraph::size_of(const std::string& map, int64_t axis) {
  return inner("Gather", {inner("Shape", {map}), integer(axis)});
}

}  // namespace nala::exporting
