#include "models/drop_path.h"

#include <torch/torch.h>

#include "core/rng.h"

namespace nala::models {

at::Tensor drop_path_factors(const DropPath& path,
                             Branch branch,
                             const ForwardContext& context,
                             const at::Tensor& x) {
  const int64_t count = x.size(0);
  TORCH_CHECK(std::ssize(context.positions) == count, "drop path: ", context.positions.size(),
              " sample positions for a batch of ", count);
  at::Tensor factors = torch::empty({count, 1, 1}, at::kFloat);  // (B, 1, 1)
  const float kept = static_cast<float>(1 / (1 - path.rate));
  for (int64_t i = 0; i < count; ++i) {
    Rng rng(Stream::drop_path,
            {context.seed, context.step, static_cast<uint64_t>(context.positions[i]),
             static_cast<uint64_t>(path.block), static_cast<uint64_t>(branch)});
    factors.mutable_data_ptr<float>()[i] = rng.chance(path.rate) ? 0 : kept;
  }
  return factors.to(x.options());
}

}  // namespace nala::models
