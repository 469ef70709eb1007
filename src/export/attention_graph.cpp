#include "export/attention_graph.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace nala::exporting {
namespace {

using models::AttentionConfig;
using models::AttentionMap;
using Value = GraphBuilder::Value;

constexpr double kEpsilon = 1e-6;  // of the normaliser

class LinearAttention {
 public:
  LinearAttention(GraphBuilder& graph, const AttentionInputs& inputs, const AttentionConfig& config)
      : graph_(graph), inputs_(inputs), config_(config) {}

  Value run() {
    const Value phi_q = features(inputs_.q, true);
    const Value phi_k = features(inputs_.k, false);
    const Value key_mean = graph_.add(Operation::mean, {phi_k}, {2});
    const Value weight = graph_.add(Operation::sum, {times(phi_q, key_mean)}, {3});  // (B, h, N, 1)
    const Value normaliser = graph_.add(Operation::add, {weight, graph_.constant(kEpsilon)});
    const Value transposed = graph_.add(Operation::transpose, {rotated(phi_k)}, {0, 1, 3, 2});
    const Value sum = graph_.add(Operation::matmul, {transposed, inputs_.v});
    const Value state = graph_.add(Operation::divide_by_tokens, {sum, inputs_.map});
    const Value y = graph_.add(Operation::matmul, {rotated(phi_q), state});
    return graph_.add(Operation::divide, {y, normaliser});
  }

 private:
  Value times(const Value& a, const Value& b) { return graph_.add(Operation::multiply, {a, b}); }
  Value scaled(const Value& x, double factor) { return times(x, graph_.constant(factor)); }
  Value apply(Operation operation, const Value& x) { return graph_.add(operation, {x}); }

  // Each half of head_dim channels by itself.
  Value rotated(const Value& phi) {
    if (inputs_.angles.empty()) {
      return phi;
    }
    Value angles = inputs_.angles;
    if (is_doubled()) {
      angles = graph_.add(Operation::concat, {angles, angles}, {1});
    }
    const Value turned = graph_.add(Operation::rotate_pairs, {phi});
    return graph_.add(Operation::add, {times(phi, apply(Operation::cosine, angles)),
                                       times(turned, apply(Operation::sine, angles))});
  }

  [[nodiscard]] bool is_doubled() const {
    return config_.feature_map == AttentionMap::relu_split ||
           config_.feature_map == AttentionMap::cosine;
  }

  Value norm(const Value& x) {
    const Value squares = graph_.add(Operation::sum, {times(x, x)}, {3});
    return apply(Operation::square_root, squares);  // (B, h, N, 1)
  }

  Value features(const Value& x, bool query) {
    switch (config_.feature_map) {
      case AttentionMap::relu_split:
        return split(x, query);
      case AttentionMap::cosine:
        return cosine(x, query);
      case AttentionMap::elu:
        return apply(Operation::elu_plus_one, x);
      case AttentionMap::relu:
        return apply(Operation::relu, x);
      case AttentionMap::focused:
        return focused(x);
      default:
        throw Error(ErrorKind::config,
                    "model.attention.feature_map: " +
                        std::string(models::names_of(
                            AttentionMap{})[static_cast<size_t>(config_.feature_map)]) +
                        " has no plain form to export");
    }
  }

  // lambda (tau + tanh |q|), (B, h, N, 1), or lambda.
  Value exponent(const Value& norms, bool query) {
    if (!query || !config_.norm_aware) {
      return graph_.constant(config_.lambd);
    }
    const Value share =
        graph_.add(Operation::add, {apply(Operation::tanh, norms), graph_.constant(config_.tau)});
    return scaled(share, config_.lambd);
  }

  Value split(const Value& x, bool query) {
    const Value norms = norm(x);
    const Value base = query ? graph_.add(Operation::direction, {x, norms}) : x;
    const Value power = exponent(norms, query);
    const Value positive = graph_.add(Operation::power, {apply(Operation::relu, base), power});
    const Value negative = graph_.add(
        Operation::power, {apply(Operation::relu, apply(Operation::negative, base)), power});
    return graph_.add(Operation::concat, {positive, negative}, {3});
  }

  Value cosine(const Value& x, bool query) {
    const Value norms = norm(x);
    const Value unit = graph_.add(Operation::direction, {x, norms});
    const Value theta =
        scaled(apply(Operation::tanh, scaled(unit, config_.alpha)), std::numbers::pi / 4);
    const Value size = graph_.add(
        Operation::power, {apply(Operation::absolute, query ? unit : x), exponent(norms, query)});
    return graph_.add(
        Operation::concat,
        {times(size, apply(Operation::cosine, theta)), times(size, apply(Operation::sine, theta))},
        {3});
  }

  // r |r| / |r^3|, r = relu(x).
  Value focused(const Value& x) {
    const Value r = apply(Operation::relu, x);
    const Value cubes = times(r, times(r, r));
    return times(graph_.add(Operation::direction, {r, norm(cubes)}), norm(r));
  }

  GraphBuilder& graph_;
  const AttentionInputs& inputs_;
  const AttentionConfig& config_;
};

}  // namespace

std::string linear_attention(GraphBuilder& graph,
                             const AttentionInputs& inputs,
                             const AttentionConfig& config) {
  return LinearAttention(graph, inputs, config).run();
}

std::string softmax_attention(GraphBuilder& graph, const AttentionInputs& inputs) {
  const auto rotated = [&](const Value& x) {
    if (inputs.angles.empty()) {
      return x;
    }
    const Value cosines = graph.add(Operation::cosine, {inputs.angles});
    const Value sines = graph.add(Operation::sine, {inputs.angles});
    const Value turned = graph.add(Operation::rotate_pairs, {x});
    return graph.add(Operation::add, {graph.add(Operation::multiply, {x, cosines}),
                                      graph.add(Operation::multiply, {turned, sines})});
  };
  const Value scale = graph.constant(1 / std::sqrt(static_cast<double>(inputs.head_dim)));
  const Value queries = graph.add(Operation::multiply, {rotated(inputs.q), scale});
  const Value keys = graph.add(Operation::transpose, {rotated(inputs.k)}, {0, 1, 3, 2});
  const Value scores = graph.add(Operation::matmul, {queries, keys});  // (B, h, N, N)
  return graph.add(Operation::matmul, {graph.add(Operation::softmax, {scores}), inputs.v});
}

}  // namespace nala::exporting
