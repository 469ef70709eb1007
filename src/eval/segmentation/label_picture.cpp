#include "eval/segmentation/label_picture.h"

#include <torch/torch.h>

#include <algorithm>

#include "data/samples/segmentation.h"
#include "eval/segmentation/logit_rows.h"

namespace nala::eval {
namespace {

// Values of the logits of one band (16 MB).
constexpr int64_t kBandValues = int64_t{1} << 22;

// Logits of a view at the size of the picture, band by band.
class PictureRows {
 public:
  PictureRows(const Forward& forward,
              const SegmentationView& view,
              const data::SegmentationEval& options,
              int64_t height)
      : rows_(logit_rows(forward, view.image, options)),
        resize_{rows_->height(), height},
        mirrored_(view.mirrored) {}

  // (K, end - begin, width)
  at::Tensor operator()(int64_t begin, int64_t end, int64_t width) {
    const auto [first, last] = resize_.rows_needed(begin, end);
    at::Tensor rows = rows_->rows(first, last);
    if (mirrored_) {
      rows = rows.flip(2);
    }
    return resize_columns(resize_(rows, first, begin, end), width);
  }

 private:
  std::unique_ptr<LogitRows> rows_;
  RowResize resize_;
  bool mirrored_;
};

// (K, rows, width): logits of one view, or the sum of the probabilities of several.
at::Tensor scores_of(std::vector<PictureRows>& views, int64_t begin, int64_t end, int64_t width) {
  if (views.size() == 1) {
    return views.front()(begin, end, width);
  }
  at::Tensor sum;
  for (PictureRows& view : views) {
    const at::Tensor probabilities = at::softmax(view(begin, end, width), 0);
    sum = sum.defined() ? sum.add_(probabilities) : probabilities;
  }
  return sum;
}

}  // namespace

at::Tensor label_views(const Forward& forward,
                       const std::vector<SegmentationView>& views,
                       const data::SegmentationEval& options,
                       int64_t height,
                       int64_t width) {
  const at::NoGradGuard no_grad;
  std::vector<PictureRows> rows;
  for (const SegmentationView& view : views) {
    rows.emplace_back(forward, view, options, height);
  }
  at::Tensor labels = at::empty({height, width}, at::kByte);  // (H, W)
  int64_t band = 1;  // the first row tells the number of classes
  for (int64_t begin = 0; begin < height;) {
    const int64_t end = std::min(begin + band, height);
    const at::Tensor scores = scores_of(rows, begin, end, width);
    labels.narrow(0, begin, end - begin).copy_(scores.argmax(0));
    band = std::max<int64_t>(1, kBandValues / (scores.size(0) * width));
    begin = end;
  }
  return labels;
}

at::Tensor label_picture(const Forward& forward,
                         const data::Image& image,
                         const data::DataConfig& config,
                         at::Device device) {
  const data::SegmentationEval& options = config.segmentation.eval;
  std::vector<SegmentationView> views;
  for (const double ratio : options.ratios) {
    for (const bool mirrored : {false, true}) {
      if (!mirrored || options.flip) {
        views.push_back(
            {data::segmentation_view(image, config, ratio, mirrored).to(device), mirrored});
      }
    }
  }
  return label_views(forward, views, options, image.height, image.width);
}

}  // namespace nala::eval
