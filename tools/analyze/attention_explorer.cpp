#include <torch/torch.h>

#include <filesystem>

#include "analysis/attention_rows.h"
#include "analyze/attention.h"
#include "data/image_io.h"
#include "report/explorer.h"

namespace nala::tools {
namespace {

std::string bytes_of(const at::Tensor& x, at::ScalarType dtype) {
  const at::Tensor flat = x.to(dtype).contiguous();
  return {static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()};
}

std::string halves_of(const at::Tensor& x) {
  return bytes_of(x, at::kHalf);
}

struct Scaled {
  std::string bytes;
  double scale = 1;
};

// Halves of which one is 0 in every channel.
bool split_by_sign(const analysis::Kernel& kernel) {
  return kernel.map == ops::FeatureMap::relu_split;
}

// (N, stored, d) with the largest size at 1: cubes of keys leave the range of half precision.
Scaled scaled_features(const ops::Halves& halves, bool by_sign) {
  const at::Tensor all =
      by_sign ? halves[0] - halves[1] : at::stack(halves, 1);  // (N, d) or (N, halves, d)
  const double largest = all.abs().max().item<double>();
  const double scale = largest > 0 ? largest : 1;
  return {halves_of(all / scale), scale};
}

report::ExplorerHead explorer_head(const analysis::CapturedLayer& layer, int64_t head) {
  const ops::Features features = features_of(layer.linear, layer.q[head], layer.k[head]);
  Scaled query = scaled_features(features.q, split_by_sign(layer.linear));
  Scaled key = scaled_features(features.k, split_by_sign(layer.linear));
  return {.query = halves_of(layer.q[head]),
          .key = halves_of(layer.k[head]),
          .query_feature = std::move(query.bytes),
          .key_feature = std::move(key.bytes),
          .query_scale = query.scale,
          .key_scale = key.scale};
}

// The tables by row and by column that the table of all tokens is made of.
void add_rotation(const analysis::CapturedLayer& layer, report::ExplorerLayer& shown) {
  if (!layer.rotation.cos.defined()) {
    return;
  }
  const int64_t half = shown.channels / 2;
  const auto by_place = [&](const at::Tensor& table) {
    return table.view({layer.height, layer.width, shown.channels});
  };
  const auto rows = [&](const at::Tensor& table) {
    return bytes_of(by_place(table).select(1, 0).narrow(1, 0, half), at::kFloat);  // (H, d/2)
  };
  const auto columns = [&](const at::Tensor& table) {
    return bytes_of(by_place(table).select(0, 0).narrow(1, half, half), at::kFloat);  // (W, d/2)
  };
  shown.row_cos = rows(layer.rotation.cos);
  shown.row_sin = rows(layer.rotation.sin);
  shown.column_cos = columns(layer.rotation.cos);
  shown.column_sin = columns(layer.rotation.sin);
}

report::ExplorerLayer explorer_layer(const analysis::CapturedLayer& layer) {
  report::ExplorerLayer shown{.name = layer.name,
                              .softmax = layer.kernel.softmax,
                              .linear_name = layer.linear.name(),
                              .height = layer.height,
                              .width = layer.width,
                              .channels = layer.q.size(2),
                              .halves = ops::halves_of(layer.linear.map),
                              .by_sign = split_by_sign(layer.linear)};
  add_rotation(layer, shown);
  for (int64_t head = 0; head < layer.q.size(0); ++head) {
    shown.heads.push_back(explorer_head(layer, head));
  }
  return shown;
}

}  // namespace

std::string explorer_page(const PictureStudy& study) {
  report::Explorer explorer{
      .title = "Attention on " + std::filesystem::path(study.picture.path).filename().string(),
      .picture = data::encode_jpeg(study.picture.shown, 90),
      .picture_width = study.picture.shown.width,
      .picture_height = study.picture.shown.height};
  for (const analysis::CapturedLayer& layer : study.layers) {
    explorer.layers.push_back(explorer_layer(layer));
  }
  return render_explorer(explorer);
}

}  // namespace nala::tools
