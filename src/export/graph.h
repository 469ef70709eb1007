// A network as a list of plain operations: what export formats are written from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nala::exporting {

/// Operations of a graph. Shapes are known at run time only: batch, height and width are free.
/// Arithmetic broadcasts as numpy's. Axes count from 0, or from the end where negative.
enum class Operation {
  add,
  subtract,
  multiply,
  divide,
  power,
  matmul,
  negative,
  absolute,
  relu,
  tanh,
  sine,
  cosine,
  square_root,
  gelu,  ///< with the error function
  silu,
  elu_plus_one,
  convolution,       ///< map, weight, bias; `numbers`: stride, padding, groups
  batch_norm,        ///< map, weight, bias, mean, variance; `epsilon`
  layer_norm,        ///< over the last axis: x, weight, bias; `epsilon`
  softmax,           ///< over the last axis
  transpose,         ///< `numbers`: the axis that comes to each place
  reshape,           ///< `numbers`: sizes; 0 keeps the size of that place, one -1 takes the rest
  reshape_like,      ///< x to the shape of the second input
  narrow,            ///< `numbers`: axis, first, count
  concat,            ///< all inputs; `numbers`: axis
  sum,               ///< `numbers`: axis, which stays with size 1
  mean,              ///< `numbers`: axis, which stays with size 1
  pool,              ///< (B, C, H, W) -> (B, C), the mean
  leaky_relu,        ///< `epsilon`: the slope below 0
  pixel_shuffle,     ///< (B, C s s, H, W) -> (B, C, s H, s W); `numbers`: s
  enlarge_bilinear,  ///< `numbers`: the factor; pixels' corners aligned
  enlarge_bicubic,   ///< the same with a = -1/2, borders by weights renormalised
  resize_bilinear_like,  ///< a map to the height and width of the second input
  resize_nearest_like,   ///< the same, each pixel the one at floor(place * ratio)
  /// map -> (B, C, s, s), means over the windows of adaptive_avg_pool2d; `numbers`: s
  pool_to,
  bytes_to_map,  ///< (B, H, W, C) uint8 -> (B, C, H, W) float32, the same values
  map_to_bytes,  ///< map -> (B, H, W, C) uint8: values times 255, rounded half up, 0 ... 255
  likeliest,     ///< map -> (B, H, W) uint8: the channel of the largest value, the lowest of equals
  /// x, its norms over the last axis (kept with size 1) -> x / norm; 0 where the norm is 0 or not
  /// finite
  direction,
  /// (..., 2n) -> pairs (a, b) of neighbours as (-b, a)
  rotate_pairs,
  /// map (B, C, H, W), angles (n) -> (H W, 2n): row * angle in the first n, column * angle in the
  /// last
  rotary_angles,
  /// x, map (B, C, H, W) -> x / (H W)
  divide_by_tokens,
};

/// One operation. Values are named; every value is made once, before it is used.
struct Node {
  Operation operation;
  std::vector<std::string> inputs;
  std::string output;
  std::vector<int64_t> numbers;
  double epsilon = 0;
};

/// A tensor of float32 in row-major order.
struct Weight {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct Graph {
  std::string input;        ///< (B, C, H, W) float32, or
  bool byte_input = false;  ///< (B, H, W, C) uint8
  int64_t channels = 3;     ///< C of the input
  std::string output;
  bool byte_output = false;     ///< uint8, else float32
  std::vector<int64_t> result;  ///< shape of the output; 0: free
  std::vector<Weight> weights;
  std::vector<Node> nodes;
};

/// Adds nodes to a graph; every function returns the name of what it makes.
class GraphBuilder {
 public:
  using Value = std::string;

  /// Names the input, on which the graph begins.
  explicit GraphBuilder(int64_t channels);

  Value weight(Weight weight);
  Value constant(double number);
  Value add(Operation operation,
            std::vector<Value> inputs,
            std::vector<int64_t> numbers = {},
            double epsilon = 0);

  [[nodiscard]] Value input() const { return graph_.input; }
  /// Takes (B, H, W, C) uint8 as input instead.
  void take_bytes() { graph_.byte_input = true; }
  /// The finished graph, whose output is `output` of shape `result`. The builder is empty then.
  Graph finish(const Value& output, std::vector<int64_t> result);

 private:
  Graph graph_;
};

}  // namespace nala::exporting
