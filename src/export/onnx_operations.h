// Operations of a network's graph in ONNX's own. For libnala_onnx.so only.
#pragma once

#include "export/graph.h"
#include "export/onnx_graph.h"

namespace nala::exporting {

/// Adds the node's operation, of operators of opset 17.
void add_node(OnnxGraph& graph, const Node& node);

}  // namespace nala::exporting
