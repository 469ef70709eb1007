#include "export/graph.h"

namespace nala::exporting {

GraphBuilder::GraphBuilder(int64_t channels) {
  graph_.input = "images";
  graph_.channels = channels;
}

GraphBuilder::Value GraphBuilder::weight(Weight weight) {
  graph_.weights.push_back(std::move(weight));
  return graph_.weights.back().name;
}

GraphBuilder::Value GraphBuilder::constant(double number) {
  const std::string name = "constant_" + std::to_string(graph_.weights.size());
  return weight({name, {}, {static_cast<float>(number)}});
}

GraphBuilder::Value GraphBuilder::add(Operation operation,
                                      std::vector<Value> inputs,
                                      std::vector<int64_t> numbers,
                                      double epsilon) {
  const std::string name = "value_" + std::to_string(graph_.nodes.size());
  graph_.nodes.push_back({operation, std::move(inputs), name, std::move(numbers), epsilon});
  return name;
}

Graph GraphBuilder::finish(const Value& output, std::vector<int64_t> result) {
  graph_.output = output;
  graph_.result = std::move(result);
  return std::exchange(graph_, {});
}

}  // namespace nala::exporting
