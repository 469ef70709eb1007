#include "analysis/layer_capture.h"

#include <torch/torch.h>

#include "models/attention.h"

namespace nala::analysis {
namespace {

Kernel linear_kernel(const ops::LinearAttentionOptions& formula) {
  return {.map = formula.map,
          .norm_aware = formula.norm_aware,
          .lambd = formula.lambd,
          .tau = formula.tau,
          .alpha = formula.alpha};
}

CapturedLayer captured(const std::string& name,
                       const models::AttentionImpl& attention,
                       const models::AttentionInputs& inputs) {
  const auto kept = [](const at::Tensor& x) {
    return x.defined() ? x.detach().to(at::kCPU, at::kFloat).contiguous() : x;
  };
  const Kernel linear = linear_kernel(attention.formula());
  return {.name = name.substr(0, name.rfind(".attn")),
          .kernel = attention.is_softmax() ? Kernel{.softmax = true} : linear,
          .linear = linear,
          .q = kept(inputs.q[0]),
          .k = kept(inputs.k[0]),
          .height = inputs.height,
          .width = inputs.width,
          .rotation = {.cos = kept(inputs.rotation.cos), .sin = kept(inputs.rotation.sin)}};
}

bool is_readable(const models::AttentionImpl& attention) {
  return attention.is_softmax() ||
         attention.options().config.feature_map != models::AttentionMap::pola;
}

}  // namespace

std::vector<CapturedLayer> capture_layers(models::Model& model, const at::Tensor& picture) {
  const at::NoGradGuard no_grad;
  std::vector<CapturedLayer> layers;
  std::vector<models::AttentionImpl*> watched;
  for (const auto& item : model.named_modules()) {
    auto* const attention = item.value()->as<models::AttentionImpl>();
    if (attention != nullptr && is_readable(*attention)) {
      watched.push_back(attention);
      attention->observe([&layers, attention, name = item.key()](const auto& inputs) {
        layers.push_back(captured(name, *attention, inputs));
      });
    }
  }
  const auto end = [&watched] {
    for (models::AttentionImpl* attention : watched) {
      attention->observe({});
    }
  };
  try {
    model.forward(picture, {});
  } catch (...) {
    end();
    throw;
  }
  end();
  return layers;
}

}  // namespace nala::analysis
