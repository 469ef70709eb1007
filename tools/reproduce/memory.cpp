#include "reproduce/memory.h"

#include <ATen/Context.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <functional>

#include "bench/timing.h"
#include "models/model.h"
#include "ops/linear_attention.h"
#include "ops/rope.h"
#include "ops/softmax_attention.h"

namespace nala::tools {
namespace {

constexpr std::array<MemorySubject, 2> kSubjects{MemorySubject::attention, MemorySubject::network};
constexpr std::array<MemoryKind, 3> kKinds{MemoryKind::nala, MemoryKind::softmax_fused,
                                           MemoryKind::softmax_materialised};

// Makes LibTorch's attention write its scores out while it lives.
class Materialised {
 public:
  explicit Materialised(bool on) : before_(at::globalContext().userEnabledFlashSDP()) {
    at::globalContext().setSDPUseFlash(before_ && !on);
  }
  ~Materialised() { at::globalContext().setSDPUseFlash(before_); }
  Materialised(const Materialised&) = delete;
  Materialised& operator=(const Materialised&) = delete;

 private:
  bool before_;
};

using Work = std::function<void()>;

Work attention_work(const models::ModelConfig& config, MemoryKind kind, PictureSize size) {
  const models::SuperResolutionSizes sizes = models::resolve(config).super_resolution;
  const ops::Rotation rotation =
      ops::rope_tables(ops::rope_angle(sizes.head_dim()), size.height, size.width);
  const at::Tensor packed =
      at::randn({1, size.tokens(), 3, sizes.heads, sizes.head_dim()});  // (1, N, 3, h, d)
  return [=] {
    const auto part = [&](int64_t i) { return packed.select(2, i).transpose(1, 2); };
    if (kind == MemoryKind::nala) {
      ops::linear_attention(part(0), part(1), part(2), rotation.cos, rotation.sin, {});
    } else {
      ops::softmax_attention(part(0), part(1), part(2), rotation.cos, rotation.sin);
    }
  };
}

Work network_work(models::ModelConfig config, MemoryKind kind, PictureSize size) {
  if (kind != MemoryKind::nala) {
    config.attention.feature_map = models::AttentionMap::softmax;
  }
  const auto model = models::build_model(config, models::Task::super_resolution, 0);
  model->eval();
  const at::Tensor image = at::rand({1, config.in_channels, size.height, size.width})
                               .contiguous(at::MemoryFormat::ChannelsLast);  // (1, 3, H, W)
  return [=] { model->forward(image, {}); };
}

// Grows with a power of the tokens from a measured value.
double grown(double value, int64_t from, int64_t to, int power) {
  const double ratio = static_cast<double>(to) / static_cast<double>(from);
  return value * (power == 1 ? ratio : ratio * ratio);
}

// The cells of one subject, filled in order of size.
class Series {
 public:
  Series(const MemoryOptions& options, MemorySubject subject)
      : options_(options), subject_(subject) {}

  void add(MemoryKind kind, PictureSize size) {
    MemoryRow row = expected(kind, size.tokens());
    const bool first = !last_.at(static_cast<size_t>(kind)).has_value();
    if (first || row.bytes <= options_.bytes) {
      const Work work = subject_ == MemorySubject::attention
                            ? attention_work(options_.model, kind, size)
                            : network_work(options_.model, kind, size);
      if (first || row.milliseconds <= 1e3 * options_.seconds) {
        measure(kind, work, row);
      }
    }
    rows_.push_back(row);
  }

  [[nodiscard]] const std::vector<MemoryRow>& rows() const { return rows_; }

 private:
  // One run counts the bytes; a time of less than a second is taken as the median of some more.
  void measure(MemoryKind kind, const Work& work, MemoryRow& row) {
    const Materialised scores(kind == MemoryKind::softmax_materialised);
    Timing once;
    row.bytes = static_cast<double>(peak_extra_bytes(
        [&] { once = time_work(work, at::kCPU, {.warmup = 0, .least = 1, .most = 1}); }));
    constexpr double kShort = 1000;
    row.milliseconds = once.median > kShort
                           ? once.median
                           : time_work(work, at::kCPU, {.warmup = 0, .least = 3}).median;
    row.bytes_measured = row.time_measured = true;
    last_.at(static_cast<size_t>(kind)) = row;
  }

  // What a size would take, from the largest measured one.
  [[nodiscard]] MemoryRow expected(MemoryKind kind, int64_t tokens) const {
    MemoryRow row{.subject = subject_, .kind = kind, .tokens = tokens};
    const auto& last = last_.at(static_cast<size_t>(kind));
    if (!last) {
      return row;
    }
    const int power = kind == MemoryKind::nala ? 1 : 2;
    row.milliseconds = grown(last->milliseconds, last->tokens, tokens, power);
    if (kind == MemoryKind::softmax_materialised) {
      // Measured before, of the same sizes and of larger ones.
      const double fused_then =
          find_row(rows_, subject_, MemoryKind::softmax_fused, last->tokens).bytes;
      const double fused_now = find_row(rows_, subject_, MemoryKind::softmax_fused, tokens).bytes;
      row.bytes = fused_now + grown(last->bytes - fused_then, last->tokens, tokens, 2);
    } else {
      row.bytes = grown(last->bytes, last->tokens, tokens, 1);
    }
    return row;
  }

  const MemoryOptions& options_;
  MemorySubject subject_;
  std::vector<MemoryRow> rows_;
  std::array<std::optional<MemoryRow>, kKinds.size()> last_;  // the largest measured, by kind
};

}  // namespace

std::string_view name_of(MemorySubject subject) {
  return subject == MemorySubject::attention ? "attention" : "network";
}

std::string_view name_of(MemoryKind kind) {
  constexpr std::array<std::string_view, 3> kNames{"nala", "softmax, fused",
                                                   "softmax, materialised"};
  return kNames.at(static_cast<size_t>(kind));
}

std::vector<MemoryRow> measure_memory(const MemoryOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<MemoryRow> all;
  for (const MemorySubject subject : kSubjects) {
    Series series(options, subject);
    for (const MemoryKind kind : kKinds) {
      for (const PictureSize size : options.sizes) {
        series.add(kind, size);
      }
    }
    all.insert(all.end(), series.rows().begin(), series.rows().end());
  }
  return all;
}

const MemoryRow& find_row(const std::vector<MemoryRow>& rows,
                          MemorySubject subject,
                          MemoryKind kind,
                          int64_t tokens) {
  return *std::find_if(rows.begin(), rows.end(), [&](const MemoryRow& row) {
    return row.subject == subject && row.kind == kind && row.tokens == tokens;
  });
}

}  // namespace nala::tools
