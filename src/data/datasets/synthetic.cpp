#include "data/datasets/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace nala::data {
namespace {

constexpr double kPixelsPerStripe = 8.0;
constexpr int kNoise = 64;  // peak to peak

class Synthetic : public Dataset {
 public:
  Synthetic(const SyntheticConfig& config, Split split) : config_(config), split_(split) {
    for (int64_t i = 0; i < config.classes; ++i) {
      classes_.push_back("stripes_" + std::to_string(i));
    }
  }

  [[nodiscard]] int64_t size() const override {
    return split_ == Split::train ? config_.train_images : config_.val_images;
  }
  [[nodiscard]] Sample load(int64_t index) const override { return {draw(index), label(index)}; }
  [[nodiscard]] std::string path(int64_t index) const override {
    return "synthetic picture " + std::to_string(index);
  }
  [[nodiscard]] int64_t label(int64_t index) const override { return index % config_.classes; }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }

 private:
  [[nodiscard]] Image draw(int64_t index) const;

  SyntheticConfig config_;
  Split split_;
  std::vector<std::string> classes_;
};

// A triangle wave of 0 ... 255 over the 2^32 phases.
int wave(uint32_t phase) {
  const uint32_t folded = phase < 0x80000000U ? phase : ~phase;
  return static_cast<int>(folded >> 23);
}

Image Synthetic::draw(int64_t index) const {
  Rng rng(Stream::synthetic, {static_cast<uint64_t>(config_.seed), static_cast<uint64_t>(split_),
                              static_cast<uint64_t>(index)});
  const double angle =
      std::numbers::pi * static_cast<double>(label(index)) / static_cast<double>(config_.classes);
  // Phase gained per pixel; unsigned arithmetic wraps as a phase does.
  const auto step = [](double part) {
    return static_cast<uint32_t>(std::llround(part / kPixelsPerStripe * 0x1.0p32));
  };
  const uint32_t right = step(std::cos(angle));
  const uint32_t down = step(std::sin(angle));
  const auto start = static_cast<uint32_t>(rng.bits());
  std::array<int, 3> strength{};
  for (int& value : strength) {
    value = 64 + static_cast<int>(rng.integer(192));
  }
  Image image(config_.size.back(), config_.size.front());
  uint64_t noise = 0;
  uint8_t* out = image.pixels.data();
  for (int64_t y = 0; y < image.height; ++y) {
    uint32_t phase = start + down * static_cast<uint32_t>(y);
    for (int64_t x = 0; x < image.width; ++x, phase += right) {
      noise = x % 2 == 0 ? rng.bits() : noise >> 32;
      for (size_t c = 0; c < 3; ++c) {
        const int grain = static_cast<int>(noise >> (c * 8) & (kNoise - 1)) - kNoise / 2;
        *out++ = static_cast<uint8_t>(std::clamp(wave(phase) * strength[c] / 255 + grain, 0, 255));
      }
    }
  }
  return image;
}

}  // namespace

std::shared_ptr<const Dataset> open_synthetic(const DataConfig& config, Split split) {
  return std::make_shared<Synthetic>(config.synthetic, split);
}

}  // namespace nala::data
