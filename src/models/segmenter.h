// Segmentation: backbone, head and auxiliary head as one model.
#pragma once

#include "models/heads/fcn.h"
#include "models/heads/semantic_fpn.h"
#include "models/heads/upernet.h"
#include "models/model.h"
#include "models/nalaformer.h"

namespace nala::models {

/// The backbone as a module of its own, with a LayerNorm (eps 1e-5) per output where asked for:
/// `norm0` ... `norm3`, as mmsegmentation's backbones have them.
class MapBackboneImpl : public torch::nn::Module {
 public:
  explicit MapBackboneImpl(const ResolvedModel& model);
  FeatureMaps forward(const at::Tensor& images, const ForwardContext& context);
  /// What forward() makes of the trunk's maps.
  FeatureMaps outputs(FeatureMaps maps);

 private:
  Backbone trunk_;
  std::vector<LayerNorm> norms_;  // none, or one per stage
};
TORCH_MODULE(MapBackbone);

/// Parameters are named as in mmsegmentation: `backbone.*`, `neck.*` (semantic_fpn),
/// `decode_head.*`, `auxiliary_head.*`.
class Segmenter : public Model {
 public:
  explicit Segmenter(const ResolvedModel& model);
  /// Logits (B, classes, ceil(H/4), ceil(W/4)); auxiliary, in training mode alone: the same at the
  /// size of the third map.
  Outputs forward(const at::Tensor& images, const ForwardContext& context) override;
  /// The same from the maps of the backbone's four stages, before their norms.
  Outputs forward_maps(const FeatureMaps& maps, const ForwardContext& context);

 private:
  Outputs decode(const FeatureMaps& maps, const ForwardContext& context);

  MapBackbone backbone_;
  FpnNeck neck_{nullptr};
  FpnHead fpn_head_{nullptr};
  UperHead uper_head_{nullptr};
  FcnHead auxiliary_head_{nullptr};
};

}  // namespace nala::models
