#include "train/amp.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include "core/error.h"

namespace nala::train {
namespace {

constexpr int64_t kGrowthInterval = 2000;

}  // namespace

AutocastScope::AutocastScope(Amp amp, at::DeviceType device) : device_(device) {
  was_enabled_ = at::autocast::is_autocast_enabled(device);
  was_type_ = at::autocast::get_autocast_dtype(device);
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(device, amp != Amp::none);
  if (amp != Amp::none) {
    at::autocast::set_autocast_dtype(device, amp == Amp::bf16 ? at::kBFloat16 : at::kHalf);
  }
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, was_type_);
}

void LossScaler::unscale(const std::vector<at::Tensor>& gradients) const {
  if (enabled_ && !gradients.empty()) {
    const at::NoGradGuard no_grad;
    at::_foreach_mul_(gradients, 1.0 / state_.scale);
  }
}

bool LossScaler::update(bool finite) {
  if (!enabled_) {
    return true;
  }
  if (!finite) {
    state_.scale *= 0.5;
    state_.good_steps = 0;
    if (state_.scale < 1.0) {
      throw Error(ErrorKind::numeric, "gradients stay infinite or NaN at a loss scale below 1");
    }
    return false;
  }
  if (++state_.good_steps == kGrowthInterval) {
    state_.scale *= 2.0;
    state_.good_steps = 0;
  }
  return true;
}

}  // namespace nala::train
