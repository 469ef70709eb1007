// What a block's attention computes, by its configuration.
#pragma once

#include "models/config.h"
#include "ops/linear_attention.h"

namespace nala::models {

/// Whether it is softmax attention, be it by the block's kind or by the feature map.
bool is_softmax(BlockKind kind, const AttentionConfig& config);

/// The formula of linear attention, of the implementation `auto`; of pola the parameters alone.
ops::LinearAttentionOptions linear_formula(const AttentionConfig& config);

}  // namespace nala::models
