// analyze attention: where tokens look, and which pixels the network depends on.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "analysis/layer_capture.h"
#include "analysis/receptive_field.h"
#include "analyze/studied_network.h"

namespace nala::tools {

/// A place in a picture: shares of its width and height, 0 ... 1.
struct PicturePoint {
  double x = 0.5, y = 0.5;
};

/// `x,y;x,y...`. Throws Error(usage).
std::vector<PicturePoint> picture_points(const std::string& text);

/// Where the token at a point of the picture looks in one head.
struct AttentionMap {
  PicturePoint point;
  std::string layer, kernel;
  int64_t head = 0, token = 0;
  bool rotated = false;  ///< by the layer's rotary embedding
  at::Tensor weights;    ///< (H', W') float32
  double entropy = 0;    ///< PSE, of what is above 0
  /// Mean distance of what is attended to, by weights above 0, over the picture's diagonal.
  double distance = 0;
};

struct PictureStudy {
  StudiedPicture picture;
  std::vector<analysis::CapturedLayer> layers;
  std::vector<AttentionMap> maps;
  analysis::ReceptiveField field;
};

PictureStudy study_picture(StudiedPicture picture,
                           const StudiedNetwork& network,
                           const std::vector<PicturePoint>& points);

/// Writes attention.html, attention.csv, attention.json and one explorer per picture
/// (explorer.html, explorer_2.html ...) into a folder. Throws Error(usage) where an explorer would
/// be larger than `megabytes`, saying what makes it smaller.
void write_attention(const std::vector<PictureStudy>& studies,
                     double megabytes,
                     const std::filesystem::path& folder);
void print_attention(const std::vector<PictureStudy>& studies);
nlohmann::ordered_json attention_json(const std::vector<PictureStudy>& studies);

/// The page of one picture; see report/explorer.h.
std::string explorer_page(const PictureStudy& study);

}  // namespace nala::tools
