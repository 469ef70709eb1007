// What normalisations add to the variance, as the released code does.
#pragma once

namespace nala::models {

inline constexpr double kMapNormEps = 1e-6;        ///< LayerNorm over the channels of a map
inline constexpr double kAttentionNormEps = 1e-5;  ///< LayerNorm inside the attention
inline constexpr double kOutputNormEps = 1e-5;     ///< LayerNorm of a segmentation backbone's maps
inline constexpr double kBatchNormEps = 1e-5;

}  // namespace nala::models
