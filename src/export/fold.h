// BatchNorm taken into the weights before it.
#pragma once

#include "export/graph.h"

namespace nala::exporting {

/// Rids the graph of every batch_norm whose input is a convolution's or a linear layer's result
/// alone (a matmul and an addition of weights, perhaps seen as a map): w' = w g / sqrt(v + eps),
/// b' = (b - m) g / sqrt(v + eps) + beta, in double precision.
void fold_batch_norms(Graph& graph);

}  // namespace nala::exporting
