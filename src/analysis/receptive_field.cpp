#include "analysis/receptive_field.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/block.h"

namespace nala::analysis {
namespace {

models::BlockImpl* last_block(models::Model& model) {
  models::BlockImpl* last = nullptr;
  for (const auto& module : model.modules()) {
    if (auto* const block = module->as<models::BlockImpl>()) {
      last = block;
    }
  }
  return last;
}

// Share of the numbers, the largest first, whose sum reaches `mass`; the numbers sum to 1.
double area_holding(const at::Tensor& numbers, double mass) {
  const at::Tensor sums = std::get<0>(numbers.flatten().to(at::kDouble).sort(-1, true)).cumsum(0);
  const int64_t needed = sums.lt(mass * sums[-1].item<double>()).sum().item<int64_t>() + 1;
  return static_cast<double>(std::min(needed, numbers.numel())) /
         static_cast<double>(numbers.numel());
}

}  // namespace

ReceptiveField receptive_field(models::Model& model, const at::Tensor& picture) {
  models::BlockImpl* const block = last_block(model);
  at::Tensor map;  // (1, C, H', W')
  block->observe([&map](const at::Tensor& x) { map = x; });
  const at::Tensor leaf = picture.detach().clone().requires_grad_();
  try {
    const at::AutoGradMode enable(true);
    model.forward(leaf, {});
  } catch (...) {
    block->observe({});
    throw;
  }
  block->observe({});
  const at::Tensor centre = map.select(3, map.size(3) / 2).select(2, map.size(2) / 2).sum();
  const at::Tensor gradient = torch::autograd::grad({centre}, {leaf})[0];
  const at::Tensor sizes = gradient[0].abs().sum(0).to(at::kCPU, at::kFloat);  // (H, W)
  const double total = sizes.sum(at::kDouble).item<double>();
  if (!(total > 0) || !std::isfinite(total)) {
    throw Error(ErrorKind::numeric,
                "receptive field: the gradient of the last map's centre is 0 or not finite");
  }
  const at::Tensor shares = sizes / total;
  return {.gradient = shares,
          .map_height = map.size(2),
          .map_width = map.size(3),
          .half_area = area_holding(shares, 0.5),
          .most_area = area_holding(shares, 0.95)};
}

}  // namespace nala::analysis
