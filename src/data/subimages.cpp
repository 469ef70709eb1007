#include "data/subimages.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/error.h"
#include "data/image_io.h"
#include "data/transforms/crop.h"

namespace nala::data {
namespace {

// Where the parts of one side begin.
std::vector<int64_t> begins_of(int64_t side, const SubimageOptions& options) {
  std::vector<int64_t> begins;
  for (int64_t begin = 0; begin + options.size <= side; begin += options.step) {
    begins.push_back(begin);
  }
  if (begins.empty()) {
    return {0};
  }
  if (begins.back() + options.size < side) {
    begins.push_back(side - options.size);
  }
  return begins;
}

std::string part_name(const std::filesystem::path& picture, int64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "_s%03jd", static_cast<intmax_t>(number));
  return picture.stem().string() + text.data();
}

// The parts of one picture.
int64_t write_parts(const PicturePair& pair,
                    const std::filesystem::path& name,
                    const std::filesystem::path& set,
                    const SubimageOptions& options) {
  const int64_t scale = options.scale;
  const std::string factor = std::to_string(scale);
  const Image low =
      pair.image.pixels.empty() ? matlab_reduce(pair.target, scale, options.form) : pair.image;
  int64_t count = 0;
  for (const int64_t top : begins_of(pair.target.height, options)) {
    for (const int64_t left : begins_of(pair.target.width, options)) {
      const Window high{left, top, std::min(options.size, pair.target.width),
                        std::min(options.size, pair.target.height)};
      const std::string part = part_name(name, ++count);
      write_png(set / "HR" / (part + ".png"), crop(pair.target, high));
      write_png(set / "LR_bicubic" / ("X" + factor) / (part + "x" + factor + ".png"),
                crop(low, {high.left / scale, high.top / scale, high.width / scale,
                           high.height / scale}));
    }
  }
  return count;
}

}  // namespace

int64_t write_subimages(const SuperResolutionSets& sets,
                        const std::filesystem::path& folder,
                        const SubimageOptions& options,
                        const std::function<void(int64_t done)>& progress) {
  if (options.size % options.scale != 0 || options.step % options.scale != 0 || options.step < 1 ||
      options.size < options.scale) {
    throw Error(ErrorKind::config, "sub-images: sides of " + std::to_string(options.size) +
                                       " every " + std::to_string(options.step) +
                                       ", expected multiples of the scale " +
                                       std::to_string(options.scale));
  }
  int64_t count = 0;
  for (int64_t i = 0; i < sets.size(); ++i) {
    count += write_parts(sets.load_pair(i), sets.path(i), folder / sets.names()[sets.set_of(i)],
                         options);
    if (progress) {
      progress(i + 1);
    }
  }
  return count;
}

}  // namespace nala::data
