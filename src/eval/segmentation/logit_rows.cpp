#include "eval/segmentation/logit_rows.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

namespace nala::eval {
namespace {

struct Source {
  int64_t low = 0, high = 0;
  float weight = 0;  // of `high`
};

// In float32, as LibTorch computes it.
Source source_of(int64_t row, int64_t from, int64_t to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float place = std::max((static_cast<float>(row) + 0.5F) * scale - 0.5F, 0.0F);
  const int64_t low = std::min(static_cast<int64_t>(place), from - 1);
  return {low, std::min(low + 1, from - 1), place - static_cast<float>(low)};
}

// Logits of a window or a whole view, (1, K, h, w), as (K, H, W) float32 of the size of `view`.
at::Tensor at_view_size(const at::Tensor& logits, const at::Tensor& view) {
  return at::upsample_bilinear2d(logits.to(at::kFloat).contiguous(), {view.size(2), view.size(3)},
                                 false)
      .squeeze(0);
}

class WholeRows : public LogitRows {
 public:
  WholeRows(const Forward& forward, const at::Tensor& view)
      : logits_(forward(view).to(at::kFloat).squeeze(0).contiguous()),
        resize_{logits_.size(1), view.size(2)},
        width_(view.size(3)) {}

  [[nodiscard]] int64_t height() const override { return resize_.height; }
  at::Tensor rows(int64_t begin, int64_t end) override {
    return resize_columns(resize_(logits_, 0, begin, end), width_);
  }

 private:
  at::Tensor logits_;  // (K, h, w)
  RowResize resize_;
  int64_t width_;
};

class SlidingRows : public LogitRows {
 public:
  SlidingRows(Forward forward, const at::Tensor& view, const data::SegmentationEval& options)
      : forward_(std::move(forward)),
        view_(view),
        window_height_(std::min(options.window.front(), view.size(2))),
        window_width_(std::min(options.window.back(), view.size(3))),
        tops_(window_begins(view.size(2), options.window.front(), options.stride.front())),
        lefts_(window_begins(view.size(3), options.window.back(), options.stride.back())) {}

  [[nodiscard]] int64_t height() const override { return view_.size(2); }

  at::Tensor rows(int64_t begin, int64_t end) override {
    while (final_rows() < end) {
      run_windows(tops_[done_++]);
    }
    drop_above(begin);
    const at::Tensor sums = sums_.narrow(1, begin - first_, end - begin);
    return sums / counts_.narrow(0, begin - first_, end - begin);
  }

 private:
  // No window that is still to come covers the rows above this one.
  [[nodiscard]] int64_t final_rows() const {
    return done_ < tops_.size() ? (done_ == 0 ? 0 : tops_[done_]) : height();
  }

  void run_windows(int64_t top) {
    for (const int64_t left : lefts_) {
      const at::Tensor window = view_.narrow(2, top, window_height_).narrow(3, left, window_width_);
      const at::Tensor logits = at_view_size(
          forward_(window.contiguous(at::MemoryFormat::ChannelsLast)), window);  // (K, h, w)
      make_room(top + window_height_, logits);
      sums_.narrow(1, top - first_, window_height_).narrow(2, left, window_width_).add_(logits);
      counts_.narrow(0, top - first_, window_height_).narrow(1, left, window_width_).add_(1);
    }
  }

  void make_room(int64_t end, const at::Tensor& logits) {
    const int64_t have = sums_.defined() ? sums_.size(1) : 0;
    const int64_t missing = end - first_ - have;
    if (missing <= 0) {
      return;
    }
    const int64_t width = view_.size(3);
    const at::Tensor sums = at::zeros({logits.size(0), missing, width}, logits.options());
    const at::Tensor counts = at::zeros({missing, width}, logits.options());
    sums_ = have > 0 ? at::cat({sums_, sums}, 1) : sums;
    counts_ = have > 0 ? at::cat({counts_, counts}) : counts;
  }

  void drop_above(int64_t begin) {
    // Copied now and then, not for every band.
    if (begin - first_ >= window_height_ / 2 && begin > first_) {
      sums_ = sums_.narrow(1, begin - first_, sums_.size(1) - (begin - first_)).contiguous();
      counts_ = counts_.narrow(0, begin - first_, counts_.size(0) - (begin - first_)).contiguous();
      first_ = begin;
    }
  }

  Forward forward_;
  at::Tensor view_;
  int64_t window_height_, window_width_;
  std::vector<int64_t> tops_, lefts_;
  size_t done_ = 0;    // rows of windows
  int64_t first_ = 0;  // row of the view that sums_ begins with
  at::Tensor sums_;    // (K, rows, W)
  at::Tensor counts_;  // (rows, W)
};

}  // namespace

std::pair<int64_t, int64_t> RowResize::rows_needed(int64_t begin, int64_t end) const {
  return {source_of(begin, map_height, height).low,
          source_of(end - 1, map_height, height).high + 1};
}

at::Tensor RowResize::operator()(const at::Tensor& map,
                                 int64_t first,
                                 int64_t begin,
                                 int64_t end) const {
  std::vector<int64_t> low;
  std::vector<int64_t> high;
  std::vector<float> weight;
  for (int64_t row = begin; row < end; ++row) {
    const Source source = source_of(row, map_height, height);
    low.push_back(source.low - first);
    high.push_back(source.high - first);
    weight.push_back(source.weight);
  }
  const auto index = [&](const std::vector<int64_t>& rows) {
    return at::tensor(rows, at::TensorOptions(at::kLong)).to(map.device());  // (end - begin)
  };
  const at::Tensor weights = at::tensor(weight).to(map.device()).unsqueeze(1);  // (end - begin, 1)
  return at::lerp(map.index_select(1, index(low)), map.index_select(1, index(high)), weights);
}

at::Tensor resize_columns(const at::Tensor& rows, int64_t width) {
  if (rows.size(2) == width) {
    return rows;
  }
  return at::upsample_bilinear2d(rows.unsqueeze(0), {rows.size(1), width}, false).squeeze(0);
}

std::unique_ptr<LogitRows> logit_rows(const Forward& forward,
                                      const at::Tensor& view,
                                      const data::SegmentationEval& options) {
  if (options.mode == data::SegmentationMode::slide) {
    return std::make_unique<SlidingRows>(forward, view, options);
  }
  return std::make_unique<WholeRows>(forward, view);
}

std::vector<int64_t> window_begins(int64_t length, int64_t window, int64_t stride) {
  const int64_t count = std::max<int64_t>(length - window + stride - 1, 0) / stride + 1;
  std::vector<int64_t> begins;
  for (int64_t i = 0; i < count; ++i) {
    begins.push_back(std::max<int64_t>(std::min(i * stride + window, length) - window, 0));
  }
  return begins;
}

}  // namespace nala::eval
