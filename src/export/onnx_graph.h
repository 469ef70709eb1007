// The graph of an ONNX file in the making. For libnala_onnx.so only.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "export/graph.h"

namespace nala::exporting {

/// Adds an attribute to a node.
void set(onnx::NodeProto& node, const std::string& name, int64_t value);
void set(onnx::NodeProto& node, const std::string& name, double value);
void set(onnx::NodeProto& node, const std::string& name, const char* text);
void set(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values);

/// Nodes and constants of a graph. Values are told by their names; an input left out has an empty
/// one.
class OnnxGraph {
 public:
  explicit OnnxGraph(onnx::GraphProto& out) : out_(out) {}

  /// A weight, in float16 with a node that widens it where `half` says so and it is no scalar (that
  /// is exact, or part of a formula).
  void add_weight(const Weight& weight, bool half);

  onnx::NodeProto& emit(const std::string& kind,
                        const std::vector<std::string>& inputs,
                        const std::string& output);
  /// The same for a value that only this writer needs; returns its name.
  std::string inner(const std::string& kind, const std::vector<std::string>& inputs);
  /// Name for such a value whose node needs attributes.
  std::string fresh() { return "inner_" + std::to_string(count_++); }

  std::string cast(const std::string& value, onnx::TensorProto::DataType type);
  std::string concat(const std::vector<std::string>& parts, int64_t axis);

  /// Constants, made once: a list of int64, one int64, one float32, a list of float32.
  std::string integers(const std::vector<int64_t>& values);
  std::string integer(int64_t value);
  std::string number(float value);
  std::string numbers(const std::vector<float>& values);

  /// Size of a map's axis, an int64.
  std::string size_of(const std::string& map, int64_t axis);

 private:
  template <class T>
  std::string constant(const std::string& kind,
                       const std::vector<T>& values,
                       onnx::TensorProto::DataType type,
                       bool scalar);

  onnx::GraphProto& out_;
  int64_t count_ = 0;
  std::set<std::string> made_;  // constants
};

}  // namespace nala::exporting
