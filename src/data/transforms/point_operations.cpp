#include "data/transforms/point_operations.h"

#include <algorithm>
#include <array>

namespace nala::data {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

template <class Rule>
Table table_of(Rule&& rule) {
  Table table{};
  for (int value = 0; value < 256; ++value) {
    table[static_cast<size_t>(value)] = static_cast<uint8_t>(std::clamp(rule(value), 0, 255));
  }
  return table;
}

void look_up(Image& image, const Table& table) {
  for (uint8_t& value : image.pixels) {
    value = table[value];
  }
}

void look_up(Image& image, const std::array<Table, 3>& tables) {
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[i + c] = tables[c][image.pixels[i + c]];
    }
  }
}

std::array<Histogram, 3> histograms(const Image& image) {
  std::array<Histogram, 3> counts{};
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) {
      ++counts[c][image.pixels[i + c]];
    }
  }
  return counts;
}

Table identity() {
  return table_of([](int value) { return value; });
}

Table stretched(const Histogram& counts) {
  const auto present = [](int64_t count) { return count > 0; };
  const auto low = std::find_if(counts.begin(), counts.end(), present) - counts.begin();
  const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), present) - counts.rbegin());
  if (high <= low) {
    return identity();
  }
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  return table_of([&](int value) { return static_cast<int>(value * scale + offset); });
}

Table flattened(const Histogram& counts) {
  int64_t total = 0;
  int64_t last = 0;
  int64_t distinct = 0;
  for (const int64_t count : counts) {
    total += count;
    last = count > 0 ? count : last;
    distinct += count > 0 ? 1 : 0;
  }
  const int64_t step = (total - last) / 255;
  if (distinct <= 1 || step == 0) {
    return identity();
  }
  int64_t below = step / 2;
  return table_of([&](int value) {
    const int64_t mapped = std::min<int64_t>(below / step, 255);
    below += counts[static_cast<size_t>(value)];
    return static_cast<int>(mapped);
  });
}

template <class Rule>
void by_histogram(Image& image, Rule&& rule) {
  const std::array<Histogram, 3> counts = histograms(image);
  look_up(image, std::array<Table, 3>{rule(counts[0]), rule(counts[1]), rule(counts[2])});
}

}  // namespace

void auto_contrast(Image& image) {
  by_histogram(image, stretched);
}

void equalize(Image& image) {
  by_histogram(image, flattened);
}

void invert(Image& image) {
  look_up(image, table_of([](int value) { return 255 - value; }));
}

void posterize(Image& image, int bits) {
  const int mask = ~((1 << (8 - bits)) - 1) & 255;
  look_up(image, table_of([&](int value) { return value & mask; }));
}

void solarize(Image& image, int threshold) {
  look_up(image, table_of([&](int value) { return value < threshold ? value : 255 - value; }));
}

void solarize_add(Image& image, int add) {
  look_up(image, table_of([&](int value) { return value < 128 ? value + add : value; }));
}

}  // namespace nala::data
