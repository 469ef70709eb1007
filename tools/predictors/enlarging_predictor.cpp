#include "predictors/enlarging_predictor.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "data/image_io.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kComparedGap = 8;  // white pixels between the two pictures

struct EnlargedPicture : PicturePredictor::Picture {
  std::string name;
  data::RawPicture picture;
  data::RawPicture enlarged;
};

// Two pictures of one size as 8-bit colours, side by side.
data::Image side_by_side_picture(const data::RealImage& left,
                                 const data::RawPicture& right,
                                 double largest) {
  data::Image image(2 * right.width + kComparedGap, right.height, 3);
  std::ranges::fill(image.pixels, uint8_t{255});
  const auto put = [&](int64_t x, int64_t y, int64_t c, double value) {
    const double shown = std::floor(value * 255 / largest + 0.5);
    image.row(y)[3 * x + c] = static_cast<uint8_t>(std::clamp(shown, 0.0, 255.0));
  };
  const int64_t colours = right.colours();
  for (int64_t y = 0; y < right.height; ++y) {
    for (int64_t x = 0; x < right.width; ++x) {
      const auto pixel = static_cast<size_t>(y * right.width + x);
      for (int64_t c = 0; c < 3; ++c) {
        const auto from = static_cast<size_t>(colours == 1 ? 0 : c);
        put(x, y, c, left.values[pixel * static_cast<size_t>(colours) + from]);
        put(right.width + kComparedGap + x, y, c,
            right.values[pixel * static_cast<size_t>(right.channels) + from]);
      }
    }
  }
  return image;
}

}  // namespace

EnlargingPredictor::EnlargingPredictor(const predict::Network& network,
                                       std::vector<std::string> files,
                                       const PredictOptions& options)
    : upscaler_(network, options.upscale), files_(std::move(files)), compare_(options.compare) {
  if (!options.output) {
    throw Error(ErrorKind::usage, "--output: needed, the enlarged pictures are written there");
  }
  folder_ = *options.output;
  std::set<std::string> names;
  for (const std::string& path : files_) {
    name_taken_.push_back(!names.insert(name_of(path)).second);
  }
}

std::string EnlargingPredictor::name_of(const std::string& path) const {
  return std::filesystem::path(path).stem().string() + "_x" + std::to_string(upscaler_.scale());
}

std::unique_ptr<predict::StreamTask::Item> EnlargingPredictor::read(int64_t index) const {
  auto picture = std::make_unique<EnlargedPicture>();
  const std::string& path = files_[static_cast<size_t>(index)];
  picture->name = name_of(path);
  if (name_taken_[static_cast<size_t>(index)]) {
    throw Error(ErrorKind::data, path + ": " + picture->name +
                                     ".png is already another input's; give this one a run with "
                                     "another --output");
  }
  picture->picture = data::read_raw(path);
  picture->result["path"] = path;
  return picture;
}

void EnlargingPredictor::run(std::span<Item* const> batch) const {
  for (Item* item : batch) {
    auto& picture = static_cast<EnlargedPicture&>(*item);
    picture.enlarged = upscaler_(picture.picture);
  }
}

void EnlargingPredictor::write(Item& item) const {
  auto& picture = static_cast<EnlargedPicture&>(item);
  const std::filesystem::path file = folder_ / (picture.name + ".png");
  write_file(file, data::encode_png(picture.enlarged));
  ordered_json outputs{file.string()};
  if (compare_) {
    const std::filesystem::path compared = folder_ / (picture.name + "_compare.png");
    const data::RawPicture& input = picture.picture;
    data::write_png(
        compared,
        side_by_side_picture(predict::enlarge_bicubic(input, 0, input.colours(), upscaler_.scale()),
                             picture.enlarged, input.largest()));
    outputs.push_back(compared.string());
  }
  picture.result["outputs"] = std::move(outputs);
  if (const int64_t tile = upscaler_.tile_of(picture.picture.height, picture.picture.width)) {
    picture.result["tile"] = tile;
  }
}

std::string EnlargingPredictor::warning(const ordered_json& result) const {
  if (!result.contains("tile") || result["tile"].get<int64_t>() >= predict::kSafeTile) {
    return "";
  }
  return result.at("path").get<std::string>() + ": in tiles of " + result["tile"].dump() +
         " pixels, which may lose more than 0.1 dB against the whole picture: give --tile " +
         std::to_string(predict::kSafeTile) + " or more, --tile 0, or more --memory";
}

std::string EnlargingPredictor::in_words(const ordered_json& result) const {
  std::string text;
  for (const auto& file : result.at("outputs")) {
    text.append(text.empty() ? "" : ", ").append(file.get<std::string>());
  }
  return text;
}

}  // namespace nala::tools
