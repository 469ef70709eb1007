#include "analyze/attention.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "analysis/attention_rows.h"
#include "analysis/entropy.h"
#include "core/error.h"

namespace nala::tools {
namespace {

int64_t token_at(const PicturePoint& point, const analysis::CapturedLayer& layer) {
  const auto place = [](double share, int64_t count) {
    return std::min(count - 1, static_cast<int64_t>(share * static_cast<double>(count)));
  };
  return place(point.y, layer.height) * layer.width + place(point.x, layer.width);
}

// Mean distance from the token, by weights above 0, over the diagonal.
double mean_distance(const at::Tensor& weights, int64_t token) {
  const int64_t height = weights.size(0);
  const int64_t width = weights.size(1);
  const auto* weight = weights.const_data_ptr<float>();
  double sum = 0;
  double moment = 0;
  for (int64_t i = 0; i < height * width; ++i) {
    const double w = std::max(weight[i], 0.0F);
    sum += w;
    moment += w * std::hypot(i / width - token / width, i % width - token % width);
  }
  return sum > 0 ? moment / sum / std::hypot(height, width) : 0;
}

AttentionMap map_of(const analysis::CapturedLayer& layer,
                    int64_t head,
                    const PicturePoint& point,
                    bool rotated) {
  const int64_t token = token_at(point, layer);
  const analysis::AttentionRows rows(layer.kernel, layer.q[head], layer.k[head],
                                     rotated ? layer.rotation : ops::Rotation{});
  AttentionMap map{.point = point,
                   .layer = layer.name,
                   .kernel = layer.kernel.name(),
                   .head = head,
                   .token = token,
                   .rotated = rotated};
  map.weights =
      rows(at::full({1}, token, at::kLong)).view({layer.height, layer.width}).contiguous();
  map.entropy = analysis::positive_sequence_entropy(
      {map.weights.const_data_ptr<float>(), static_cast<size_t>(map.weights.numel())});
  map.distance = mean_distance(map.weights, token);
  return map;
}

}  // namespace

std::vector<PicturePoint> picture_points(const std::string& text) {
  std::vector<PicturePoint> points;
  std::istringstream list(text);
  for (std::string one; std::getline(list, one, ';');) {
    std::istringstream stream(one);
    PicturePoint point;
    char comma = 0;
    stream >> point.x >> comma >> point.y;
    const auto inside = [](double share) { return share >= 0 && share <= 1; };
    if (stream.fail() || comma != ',' || !(stream >> std::ws).eof() || !inside(point.x) ||
        !inside(point.y)) {
      throw Error(ErrorKind::usage,
                  "--points: expected x,y;x,y... with numbers from 0 to 1, found '" + one + "'");
    }
    points.push_back(point);
  }
  if (points.empty()) {
    throw Error(ErrorKind::usage, "--points: expected at least one x,y");
  }
  return points;
}

PictureStudy study_picture(StudiedPicture picture,
                           const StudiedNetwork& network,
                           const std::vector<PicturePoint>& points) {
  PictureStudy study{.picture = std::move(picture)};
  study.layers = analysis::capture_layers(*network.model, study.picture.input);
  for (const PicturePoint& point : points) {
    for (const analysis::CapturedLayer& layer : study.layers) {
      for (int64_t head = 0; head < layer.q.size(0); ++head) {
        study.maps.push_back(map_of(layer, head, point, false));
        if (layer.rotation.cos.defined()) {
          study.maps.push_back(map_of(layer, head, point, true));
        }
      }
    }
  }
  study.field = analysis::receptive_field(*network.model, study.picture.input);
  return study;
}

}  // namespace nala::tools
