#include <algorithm>

#include "linear_attention_launch.h"

namespace nala::cuda {
namespace {

constexpr int64_t kWantedBlocks = 512;
constexpr int64_t kTokenMultiple = 96;  // of every tile's sweep

}  // namespace

SplitPlan plan_splits(const AttentionShape& shape) {
  // A part is written and read once, 2 D^2 floats each way: below 4 D tokens that costs more than
  // it gains.
  const int64_t least_tokens = 4 * tile_of(shape.channels);
  const int64_t wanted = std::max<int64_t>(kWantedBlocks / heads_of(shape), 1);
  const int64_t by_wish = (shape.tokens + wanted - 1) / wanted;
  const int64_t tokens = std::max(by_wish, least_tokens);
  const int64_t rounded = (tokens + kTokenMultiple - 1) / kTokenMultiple * kTokenMultiple;
  return {static_cast<int>((shape.tokens + rounded - 1) / rounded), static_cast<int>(rounded)};
}

int64_t forward_workspace_floats(const AttentionCall& call) {
  return heads_of(call.shape) * call.plan.splits * partial_floats(tile_of(call.shape.channels));
}

int64_t backward_workspace_floats(const AttentionCall& call) {
  const int64_t width = static_cast<int64_t>(halves_of(call.rule.map)) * call.shape.channels;
  return forward_workspace_floats(call) +
         heads_of(call.shape) * (width * call.shape.channels + width + call.shape.tokens);
}

}  // namespace nala::cuda
