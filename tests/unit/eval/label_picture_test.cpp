#include "eval/segmentation/label_picture.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "eval/segmentation/logit_rows.h"

namespace nala::eval {
namespace {

using data::SegmentationEval;
using data::SegmentationMode;

constexpr int64_t kClasses = 5;

// A network without a memory of place: an average of 4 x 4 pixels, then fixed weights per class.
at::Tensor local_network(const at::Tensor& images) {
  const at::Tensor small = at::avg_pool2d(images, {4, 4}, {4, 4}, 0, true);
  const at::Tensor weights =
      (at::arange(kClasses * 3, at::kDouble) * 1.7).sin().to(at::kFloat).view({kClasses, 3, 1, 1});
  return at::conv2d(small, weights);
}

at::Tensor noise_picture(int64_t height, int64_t width) {
  torch::manual_seed(3);
  return torch::randn({1, 3, height, width});
}

// What mmsegmentation does, without any thought of memory.
at::Tensor plain_probabilities(const SegmentationView& view, int64_t height, int64_t width) {
  at::Tensor logits = at::upsample_bilinear2d(local_network(view.image),
                                              {view.image.size(2), view.image.size(3)}, false);
  if (view.mirrored) {
    logits = logits.flip(3);
  }
  return at::softmax(at::upsample_bilinear2d(logits, {height, width}, false), 1);
}

// Labels may differ only where two classes are equally likely to within rounding.
void expect_labels(const at::Tensor& labels, const at::Tensor& probabilities) {
  const at::Tensor mean = probabilities.squeeze(0);  // (K, H, W)
  const at::Tensor best = std::get<0>(mean.max(0));
  const at::Tensor chosen = mean.gather(0, labels.to(at::kLong).unsqueeze(0)).squeeze(0);
  EXPECT_LT((best - chosen).max().item<double>(), 1e-5);
}

TEST(LabelPicture, WholeEqualsResizingEverything) {
  const SegmentationView view{noise_picture(61, 90), false};
  const at::Tensor labels = label_views(local_network, {view}, {}, 203, 301);
  ASSERT_EQ(labels.sizes(), (std::vector<int64_t>{203, 301}));
  expect_labels(labels, plain_probabilities(view, 203, 301));
}

TEST(LabelPicture, ScalesAndMirrorsEqualAPlainLoop) {
  std::vector<SegmentationView> views;
  at::Tensor sum = at::zeros({1, kClasses, 70, 101});
  const at::Tensor whole = noise_picture(70, 101);
  for (const double ratio : {0.5, 0.75, 1.0, 1.25, 1.5, 1.75}) {
    for (const bool mirrored : {false, true}) {
      at::Tensor image = at::upsample_bilinear2d(
          whole, {static_cast<int64_t>(70 * ratio), static_cast<int64_t>(101 * ratio)}, false);
      views.push_back({mirrored ? image.flip(3) : image, mirrored});
      sum += plain_probabilities(views.back(), 70, 101);
    }
  }
  expect_labels(label_views(local_network, views, {}, 70, 101), sum / 12);
}

TEST(LabelPicture, OneWindowIsTheWholePicture) {
  const SegmentationView view{noise_picture(40, 64), false};
  const SegmentationEval slide{.mode = SegmentationMode::slide, .window = {64}, .stride = {43}};
  EXPECT_TRUE(at::equal(label_views(local_network, {view}, slide, 80, 128),
                        label_views(local_network, {view}, {}, 80, 128)));
}

// mmsegmentation's slide_inference, written out.
at::Tensor plain_slide(const at::Tensor& image, int64_t window, int64_t stride) {
  const int64_t height = image.size(2);
  const int64_t width = image.size(3);
  at::Tensor sums = at::zeros({1, kClasses, height, width});
  at::Tensor counts = at::zeros({1, 1, height, width});
  const int64_t rows = std::max<int64_t>(height - window + stride - 1, 0) / stride + 1;
  const int64_t columns = std::max<int64_t>(width - window + stride - 1, 0) / stride + 1;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t bottom = std::min(row * stride + window, height);
      const int64_t right = std::min(column * stride + window, width);
      const int64_t top = std::max<int64_t>(bottom - window, 0);
      const int64_t left = std::max<int64_t>(right - window, 0);
      const at::Tensor part = image.slice(2, top, bottom).slice(3, left, right);
      sums.slice(2, top, bottom).slice(3, left, right) += at::upsample_bilinear2d(
          local_network(part.contiguous()), {bottom - top, right - left}, false);
      counts.slice(2, top, bottom).slice(3, left, right) += 1;
    }
  }
  return sums / counts;
}

TEST(LabelPicture, SlidingEqualsAveragingAllWindows) {
  const SegmentationView view{noise_picture(150, 131), false};
  const SegmentationEval slide{.mode = SegmentationMode::slide, .window = {32}, .stride = {21}};
  const at::Tensor logits = plain_slide(view.image, 32, 21);
  expect_labels(label_views(local_network, {view}, slide, 150, 131), at::softmax(logits, 1));
  expect_labels(label_views(local_network, {view}, slide, 517, 400),
                at::softmax(at::upsample_bilinear2d(logits, {517, 400}, false), 1));
}

TEST(LabelPicture, EveryWindowIsSeenOnce) {
  int64_t calls = 0;
  const auto counted = [&](const at::Tensor& images) {
    ++calls;
    EXPECT_EQ(images.size(2), 32);
    EXPECT_EQ(images.size(3), 32);
    return local_network(images);
  };
  const SegmentationEval slide{.mode = SegmentationMode::slide, .window = {32}, .stride = {21}};
  label_views(counted, {{noise_picture(150, 131), false}}, slide, 1500, 131);
  EXPECT_EQ(calls, 7 * 6);  // ceil((150 - 32) / 21) + 1 by ceil((131 - 32) / 21) + 1
}

TEST(WindowBegins, LastIsShiftedInside) {
  EXPECT_EQ(window_begins(100, 32, 21), (std::vector<int64_t>{0, 21, 42, 63, 68}));
  EXPECT_EQ(window_begins(32, 32, 21), (std::vector<int64_t>{0}));
  EXPECT_EQ(window_begins(20, 32, 21), (std::vector<int64_t>{0}));
}

TEST(RowResize, EqualsLibTorchInBands) {
  const at::Tensor map = noise_picture(11, 9).squeeze(0);
  for (const int64_t height : {3, 11, 12, 40}) {
    const RowResize resize{11, height};
    const at::Tensor expected =
        at::upsample_bilinear2d(map.unsqueeze(0), {height, 9}, false).squeeze(0);
    for (int64_t begin = 0; begin < height; begin += 2) {
      const int64_t end = std::min(begin + 2, height);
      const auto [first, last] = resize.rows_needed(begin, end);
      const at::Tensor band = resize(map.slice(1, first, last), first, begin, end);
      EXPECT_LT((band - expected.slice(1, begin, end)).abs().max().item<double>(), 1e-5);
    }
  }
}

}  // namespace
}  // namespace nala::eval
