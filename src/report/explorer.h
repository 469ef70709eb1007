// A page on which the pointer over a picture shows what the token below it attends to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nala::report {

/// One head: its numbers as the bytes of little-endian IEEE half-precision arrays.
struct ExplorerHead {
  std::string query, key;                  ///< (N, d), for softmax
  std::string query_feature, key_feature;  ///< (N, stored, d), divided by the scales below
  double query_scale = 1, key_scale = 1;
};

/// One attention layer over height x width tokens, N of them.
struct ExplorerLayer {
  std::string name;
  bool softmax = false;     ///< whether the layer itself is softmax attention
  std::string linear_name;  ///< of the feature map
  int64_t height = 0, width = 0, channels = 0;
  int64_t halves = 1;  ///< of a feature
  /// Two halves of which one is 0 in every channel, stored as their difference: one in place of
  /// two.
  bool by_sign = false;
  double eps = 1e-6;  ///< of linear attention's normaliser
  /// Cosines and sines of the rotation, float32 little-endian: (height, d/2), then (width, d/2);
  /// empty without a rotation.
  std::string row_cos, row_sin, column_cos, column_sin;
  std::vector<ExplorerHead> heads;
};

struct Explorer {
  std::string title;
  std::string picture;  ///< bytes of a JPEG of what the network saw
  int64_t picture_width = 0, picture_height = 0;
  std::vector<ExplorerLayer> layers;
};

/// One HTML page that needs nothing else. The page computes the row of the token under the pointer
/// from the stored features, and softmax attention of the same queries and keys beside it. Its
/// fragment chooses what is shown first: `#layer=2&head=0&token=17&rotated=1`.
std::string render_explorer(const Explorer& explorer);

}  // namespace nala::report
