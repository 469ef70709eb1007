// The fused inference form of a model: BatchNorm, LayerScale and the affine part of LayerNorm
// folded into neighbouring weights, weights packed, activations kept in cache.
#pragma once

#include <memory>
#include <string>

#include "models/model.h"
#include "ops/cpu/layer_kernels.h"

namespace nala::inference {

/// Why a model cannot be fused here, or empty: CPU, float32 weights, no attention but softmax's and the linear operator's, AVX2.
std::string refuses(const models::Model& model, const models::ResolvedModel& config);

/// The same function as `model` in evaluation mode, with weights of its own; what is not part of
/// the backbone, the classifier or a super-resolution network's features runs as before and is shared with `model`. forward() is in
/// float32, or with the factors of matrix products in bfloat16 and everything between in float32;
/// it gives no gradient, and is safe to call from several threads. Moving it elsewhere or changing
/// `model`'s weights afterwards has no effect on it. bfloat16 falls back to float32 where the
/// processor has no AVX-512 BF16 or a width is odd. Throws Error(usage) where refuses() says why
/// not.
std::shared_ptr<models::Model> fused(std::shared_ptr<models::Model> model,
                                     const models::ModelConfig& config,
                                     ops::cpu::Precision precision);

/// The largest difference between the main outputs of two models on the same pictures of noise
/// (1, channels, height, width), over the largest output of the first.
double largest_difference(models::Model& model, models::Model& other, at::IntArrayRef shape);

}  // namespace nala::inference
