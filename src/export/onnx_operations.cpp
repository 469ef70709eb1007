#include "export/onnx_operations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string_view>

namespace nala::exporting {
namespace {

using Write = void (*)(OnnxGraph& graph, const Node& node);

// Operators that take the same inputs and nothing else.
struct PlainOperator {
  Operation operation;
  const char* kind;
};
constexpr std::array kPlainOperators = std::to_array<PlainOperator>({
    {Operation::add, "Add"},
    {Operation::subtract, "Sub"},
    {Operation::multiply, "Mul"},
    {Operation::divide, "Div"},
    {Operation::power, "Pow"},
    {Operation::matmul, "MatMul"},
    {Operation::negative, "Neg"},
    {Operation::absolute, "Abs"},
    {Operation::relu, "Relu"},
    {Operation::tanh, "Tanh"},
    {Operation::sine, "Sin"},
    {Operation::cosine, "Cos"},
    {Operation::square_root, "Sqrt"},
});

onnx::NodeProto& same(OnnxGraph& graph, const char* kind, const Node& node) {
  return graph.emit(kind, node.inputs, node.output);
}

// 0, 1 ... size - 1, of a map's axis.
std::string places(OnnxGraph& graph, const std::string& map, int64_t axis) {
  return graph.inner("Range", {graph.integer(0), graph.size_of(map, axis), graph.integer(1)});
}

void gelu(OnnxGraph& graph, const Node& node) {
  const std::string& x = node.inputs[0];
  const std::string error =
      graph.inner("Erf", {graph.inner("Mul", {x, graph.number(std::sqrt(0.5F))})});
  const std::string half = graph.inner("Mul", {x, graph.number(0.5F)});
  graph.emit("Mul", {half, graph.inner("Add", {error, graph.number(1)})}, node.output);
}

void silu(OnnxGraph& graph, const Node& node) {
  const std::string& x = node.inputs[0];
  graph.emit("Mul", {x, graph.inner("Sigmoid", {x})}, node.output);
}

void elu_plus_one(OnnxGraph& graph, const Node& node) {
  graph.emit("Add", {graph.inner("Elu", node.inputs), graph.number(1)}, node.output);
}

void convolution(OnnxGraph& graph, const Node& node) {
  onnx::NodeProto& conv = same(graph, "Conv", node);
  set(conv, "strides", std::vector<int64_t>(2, node.numbers[0]));
  set(conv, "pads", std::vector<int64_t>(4, node.numbers[1]));
  set(conv, "group", node.numbers[2]);
}

void batch_norm(OnnxGraph& graph, const Node& node) {
  set(same(graph, "BatchNormalization", node), "epsilon", node.epsilon);
}

void layer_norm(OnnxGraph& graph, const Node& node) {
  onnx::NodeProto& norm = same(graph, "LayerNormalization", node);
  set(norm, "axis", int64_t{-1});
  set(norm, "epsilon", node.epsilon);
}

void softmax(OnnxGraph& graph, const Node& node) {
  set(same(graph, "Softmax", node), "axis", int64_t{-1});
}

void transpose(OnnxGraph& graph, const Node& node) {
  set(same(graph, "Transpose", node), "perm", node.numbers);
}

void reshape(OnnxGraph& graph, const Node& node) {
  graph.emit("Reshape", {node.inputs[0], graph.integers(node.numbers)}, node.output);
}

void reshape_like(OnnxGraph& graph, const Node& node) {
  graph.emit("Reshape", {node.inputs[0], graph.inner("Shape", {node.inputs[1]})}, node.output);
}

void narrow(OnnxGraph& graph, const Node& node) {
  const int64_t end = node.numbers[1] + node.numbers[2];
  graph.emit("Slice",
             {node.inputs[0], graph.integers({node.numbers[1]}), graph.integers({end}),
              graph.integers({node.numbers[0]})},
             node.output);
}

void concat(OnnxGraph& graph, const Node& node) {
  set(same(graph, "Concat", node), "axis", node.numbers[0]);
}

void sum(OnnxGraph& graph, const Node& node) {
  graph.emit("ReduceSum", {node.inputs[0], graph.integers(node.numbers)}, node.output);
}

void mean(OnnxGraph& graph, const Node& node) {
  set(same(graph, "ReduceMean", node), "axes", node.numbers);
}

void pool(OnnxGraph& graph, const Node& node) {
  graph.emit("Flatten", {graph.inner("GlobalAveragePool", node.inputs)}, node.output);
}

void leaky_relu(OnnxGraph& graph, const Node& node) {
  set(same(graph, "LeakyRelu", node), "alpha", node.epsilon);
}

void pixel_shuffle(OnnxGraph& graph, const Node& node) {
  onnx::NodeProto& shuffle = same(graph, "DepthToSpace", node);
  set(shuffle, "blocksize", node.numbers[0]);
  set(shuffle, "mode", "CRD");
}

// By the factor numbers[0].
onnx::NodeProto& enlarge(OnnxGraph& graph, const Node& node) {
  const auto factor = static_cast<float>(node.numbers[0]);
  return graph.emit("Resize", {node.inputs[0], "", graph.numbers({1, 1, factor, factor})},
                    node.output);
}

void enlarge_bilinear(OnnxGraph& graph, const Node& node) {
  set(enlarge(graph, node), "mode", "linear");
}

void enlarge_bicubic(OnnxGraph& graph, const Node& node) {
  onnx::NodeProto& resize = enlarge(graph, node);
  set(resize, "mode", "cubic");
  set(resize, "cubic_coeff_a", -0.5);
  set(resize, "exclude_outside", int64_t{1});
}

// To the height and width of the second input.
onnx::NodeProto& resize_like(OnnxGraph& graph, const Node& node) {
  const auto part = [&](const std::string& map, int64_t begin) {
    return graph.inner("Slice", {graph.inner("Shape", {map}), graph.integers({begin}),
                                 graph.integers({begin + 2})});
  };
  const std::string sizes = graph.concat({part(node.inputs[0], 0), part(node.inputs[1], 2)}, 0);
  return graph.emit("Resize", {node.inputs[0], "", "", sizes}, node.output);
}

void resize_bilinear_like(OnnxGraph& graph, const Node& node) {
  set(resize_like(graph, node), "mode", "linear");
}

void resize_nearest_like(OnnxGraph& graph, const Node& node) {
  onnx::NodeProto& resize = resize_like(graph, node);
  set(resize, "mode", "nearest");
  set(resize, "nearest_mode", "floor");
  set(resize, "coordinate_transformation_mode", "asymmetric");
}

// The means over `count` windows of an axis as a matrix (count, size): window i is from floor(i
// size / count) to ceil((i + 1) size / count).
std::string window_means(OnnxGraph& graph, const std::string& map, int64_t axis, int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  const std::string window =
      graph.inner("Unsqueeze", {graph.integers(numbers), graph.integers({1})});
  const std::string divisor = graph.integer(count);
  const std::string scaled = graph.inner("Mul", {window, graph.size_of(map, axis)});  // (count, 1)
  const std::string begin = graph.inner("Div", {scaled, divisor});
  const std::string next = graph.inner("Add", {scaled, graph.size_of(map, axis)});
  const std::string end =
      graph.inner("Div", {graph.inner("Add", {next, graph.integer(count - 1)}), divisor});
  const std::string place = places(graph, map, axis);  // (size)
  const std::string inside =
      graph.inner("And", {graph.inner("Not", {graph.inner("Less", {place, begin})}),
                          graph.inner("Less", {place, end})});
  const auto as_float = [&](const std::string& value) {
    return graph.cast(value, onnx::TensorProto::FLOAT);
  };
  return graph.inner("Div", {as_float(inside), as_float(graph.inner("Sub", {end, begin}))});
}

void pool_to(OnnxGraph& graph, const Node& node) {
  const std::string& map = node.inputs[0];
  const std::string rows = window_means(graph, map, 2, node.numbers[0]);  // (s, H)
  const std::string columns =
      graph.inner("Transpose", {window_means(graph, map, 3, node.numbers[0])});  // (W, s)
  graph.emit("MatMul", {rows, graph.inner("MatMul", {map, columns})}, node.output);
}

void bytes_to_map(OnnxGraph& graph, const Node& node) {
  const std::string values = graph.cast(node.inputs[0], onnx::TensorProto::FLOAT);
  set(graph.emit("Transpose", {values}, node.output), "perm", std::vector<int64_t>{0, 3, 1, 2});
}

void map_to_bytes(OnnxGraph& graph, const Node& node) {
  const std::string scaled = graph.inner("Mul", {node.inputs[0], graph.number(255)});
  const std::string rounded =
      graph.inner("Floor", {graph.inner("Add", {scaled, graph.number(0.5F)})});
  const std::string limited = graph.inner("Clip", {rounded, graph.number(0), graph.number(255)});
  const std::string bytes = graph.cast(limited, onnx::TensorProto::UINT8);
  set(graph.emit("Transpose", {bytes}, node.output), "perm", std::vector<int64_t>{0, 2, 3, 1});
}

void likeliest(OnnxGraph& graph, const Node& node) {
  const std::string index = graph.fresh();
  onnx::NodeProto& argmax = graph.emit("ArgMax", node.inputs, index);
  set(argmax, "axis", int64_t{1});
  set(argmax, "keepdims", int64_t{0});
  set(graph.emit("Cast", {index}, node.output), "to", int64_t{onnx::TensorProto::UINT8});
}

void direction(OnnxGraph& graph, const Node& node) {
  const std::string& norms = node.inputs[1];
  const std::string good =
      graph.inner("And", {graph.inner("Greater", {norms, graph.number(0)}),
                          graph.inner("Not", {graph.inner("IsInf", {norms})})});
  const std::string divisor = graph.inner("Where", {good, norms, graph.number(1)});
  graph.emit("Where", {good, graph.inner("Div", {node.inputs[0], divisor}), graph.number(0)},
             node.output);
}

void rotate_pairs(OnnxGraph& graph, const Node& node) {
  const std::string& x = node.inputs[0];
  const auto every_second = [&](int64_t first) {
    return graph.inner(
        "Slice", {x, graph.integers({first}), graph.integers({std::numeric_limits<int64_t>::max()}),
                  graph.integers({-1}), graph.integers({2})});
  };
  const auto one_more_axis = [&](const std::string& value) {
    return graph.inner("Unsqueeze", {value, graph.integers({-1})});
  };
  const std::string pairs = graph.concat(
      {one_more_axis(graph.inner("Neg", {every_second(1)})), one_more_axis(every_second(0))}, -1);
  graph.emit("Reshape", {pairs, graph.inner("Shape", {x})}, node.output);
}

void rotary_angles(OnnxGraph& graph, const Node& node) {
  const std::string& map = node.inputs[0];
  const auto along = [&](int64_t axis, const std::vector<int64_t>& other_axes) {
    const std::string places_of = graph.cast(places(graph, map, axis), onnx::TensorProto::FLOAT);
    return graph.inner(
        "Mul", {graph.inner("Unsqueeze", {places_of, graph.integers(other_axes)}), node.inputs[1]});
  };
  const std::string rows = along(2, {1, 2});
  const std::string columns = along(3, {0, 2});
  // Adding zeros of the other's shape repeats each along the axis it lacks.
  const auto zeros = [&](const std::string& like) {
    return graph.inner("Mul", {like, graph.number(0)});
  };
  const std::string both = graph.concat(
      {graph.inner("Add", {rows, zeros(columns)}), graph.inner("Add", {zeros(rows), columns})},
      2);  // (H, W, 2n)
  const std::string width =
      graph.inner("Gather", {graph.inner("Shape", {both}), graph.integers({2})});
  graph.emit("Reshape", {both, graph.concat({graph.integers({-1}), width}, 0)}, node.output);
}

void divide_by_tokens(OnnxGraph& graph, const Node& node) {
  const std::string& map = node.inputs[1];
  const std::string tokens = graph.inner("Mul", {graph.size_of(map, 2), graph.size_of(map, 3)});
  graph.emit("Div", {node.inputs[0], graph.cast(tokens, onnx::TensorProto::FLOAT)}, node.output);
}

struct WrittenOperator {
  Operation operation;
  Write write;
};
constexpr std::array kOperators = std::to_array<WrittenOperator>({
    {Operation::gelu, &gelu},
    {Operation::silu, &silu},
    {Operation::elu_plus_one, &elu_plus_one},
    {Operation::convolution, &convolution},
    {Operation::batch_norm, &batch_norm},
    {Operation::layer_norm, &layer_norm},
    {Operation::softmax, &softmax},
    {Operation::transpose, &transpose},
    {Operation::reshape, &reshape},
    {Operation::reshape_like, &reshape_like},
    {Operation::narrow, &narrow},
    {Operation::concat, &concat},
    {Operation::sum, &sum},
    {Operation::mean, &mean},
    {Operation::pool, &pool},
    {Operation::leaky_relu, &leaky_relu},
    {Operation::pixel_shuffle, &pixel_shuffle},
    {Operation::enlarge_bilinear, &enlarge_bilinear},
    {Operation::enlarge_bicubic, &enlarge_bicubic},
    {Operation::resize_bilinear_like, &resize_bilinear_like},
    {Operation::resize_nearest_like, &resize_nearest_like},
    {Operation::pool_to, &pool_to},
    {Operation::bytes_to_map, &bytes_to_map},
    {Operation::map_to_bytes, &map_to_bytes},
    {Operation::likeliest, &likeliest},
    {Operation::direction, &direction},
    {Operation::rotate_pairs, &rotate_pairs},
    {Operation::rotary_angles, &rotary_angles},
    {Operation::divide_by_tokens, &divide_by_tokens},
});

}  // namespace

void add_node(OnnxGraph& graph, const Node& node) {
  const auto is_it = [&](const auto& row) { return row.operation == node.operation; };
  if (const auto* plain = std::ranges::find_if(kPlainOperators, is_it);
      plain != kPlainOperators.end()) {
    same(graph, plain->kind, node);
    return;
  }
  const auto* written = std::ranges::find_if(kOperators, is_it);
  if (written == kOperators.end()) {
    throw std::logic_error("an operation without a row in the tables");
  }
  written->write(graph, node);
}

}  // namespace nala::exporting
