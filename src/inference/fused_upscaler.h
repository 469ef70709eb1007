// The fused inference form of a super-resolution network.
#pragma once

#include <memory>

#include "inference/fold.h"
#include "models/super_resolution.h"

namespace nala::inference {

/// The same function as `whole`, whose reconstruction it shares; large pictures go through the
/// network in bands of rows (Block::run_streamed), so that its memory grows by little more than
/// three maps of features. forward() as fused() says.
std::shared_ptr<models::Model> fused_upscaler(std::shared_ptr<models::SuperResolver> whole,
                                              const models::ResolvedModel& model,
                                              const ops::cpu::MachineKernels& kernels);

/// About the memory that its forward takes for one picture of linear attention, in bytes, with
/// LibTorch's present number of threads.
int64_t fused_upscaler_bytes(const models::ResolvedModel& model, MapSize size);

}  // namespace nala::inference
