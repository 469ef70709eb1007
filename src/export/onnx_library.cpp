// libnala_onnx.so: libonnx behind one plain function (export/onnx.h).

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <array>

#include "export/onnx.h"
#include "export/onnx_graph.h"
#include "export/onnx_operations.h"

namespace nala::exporting {
namespace {

constexpr int64_t kOpset = 17;
constexpr int64_t kIrVersion = 8;
constexpr size_t kMaxBytes = (size_t{1} << 31) - 1;  // of a protobuf message

// A free size (0) has a name.
struct Axis {
  int64_t size = 0;
  const char* name = "";
};

void declare(onnx::ValueInfoProto& value,
             const std::string& name,
             bool bytes,
             const std::vector<Axis>& axes) {
  value.set_name(name);
  auto* type = value.mutable_type()->mutable_tensor_type();
  type->set_elem_type(bytes ? onnx::TensorProto::UINT8 : onnx::TensorProto::FLOAT);
  for (const Axis& axis : axes) {
    auto* dimension = type->mutable_shape()->add_dim();
    if (axis.size == 0) {
      dimension->set_dim_param(axis.name);
    } else {
      dimension->set_dim_value(axis.size);
    }
  }
}

std::vector<Axis> input_axes(const Graph& graph) {
  const Axis batch{0, "batch"};
  const Axis channels{graph.channels};
  const Axis height{0, "height"};
  const Axis width{0, "width"};
  return graph.byte_input ? std::vector{batch, height, width, channels}
                          : std::vector{batch, channels, height, width};
}

std::vector<Axis> output_axes(const Graph& graph) {
  // Maps count channels second; bytes last, if at all.
  constexpr std::array kNames{"batch", "channels", "rows", "columns"};
  constexpr std::array kByteNames{"batch", "rows", "columns", "channels"};
  std::vector<Axis> axes;
  for (size_t i = 0; i < graph.result.size(); ++i) {
    axes.push_back({graph.result[i], graph.byte_output ? kByteNames.at(i) : kNames.at(i)});
  }
  return axes;
}

onnx::ModelProto model_of(const Graph& graph, const OnnxOptions& options) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("nalaformer");
  model.set_producer_version(options.producer_version);
  model.add_opset_import()->set_version(kOpset);
  onnx::GraphProto& out = *model.mutable_graph();
  out.set_name("nalaformer");
  declare(*out.add_input(), graph.input, graph.byte_input, input_axes(graph));
  OnnxGraph writer(out);
  for (const Weight& weight : graph.weights) {
    writer.add_weight(weight, options.half_weights);
  }
  for (const Node& node : graph.nodes) {
    add_node(writer, node);
  }
  writer.emit("Identity", {graph.output}, "output");
  declare(*out.add_output(), "output", graph.byte_output, output_axes(graph));
  return model;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) bool nala_write_onnx(const Graph& graph,
                                                                       const OnnxOptions& options,
                                                                       std::string& bytes,
                                                                       std::string& message) {
  try {
    const onnx::ModelProto model = model_of(graph, options);
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
