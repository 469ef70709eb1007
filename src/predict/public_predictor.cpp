#include <torch/torch.h>

#include <nalaformer/predictor.h>
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/image_io.h"
#include "data/transforms/pipeline.h"
#include "predict/classifier.h"
#include "predict/loading.h"
#include "predict/segmenter.h"
#include "predict/upscaler.h"
#include "train/device.h"

namespace nalaformer {
namespace {

// Nothing but our own public error leaves the library, in one line.
template <class Function>
auto guarded(Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw Error(error.what());
  }
}

[[noreturn]] void refuse(const char* function, const std::string& message) {
  throw Error(std::string("nalaformer::") + function + ": " + message);
}

void check_view(const PixelView& view) {
  if (view.pixels == nullptr || view.width < 1 || view.height < 1 ||
      view.width > nala::data::kMaxSide || view.height > nala::data::kMaxSide ||
      view.width * view.height > nala::data::kMaxPixels) {
    refuse("PixelView", "expected pixels, sides of 1 to " + std::to_string(nala::data::kMaxSide) +
                            " and at most " + std::to_string(nala::data::kMaxPixels) +
                            " pixels, found " + std::to_string(view.width) + " x " +
                            std::to_string(view.height));
  }
  if (view.channels != 1 && view.channels != 3 && view.channels != 4) {
    refuse("PixelView", "expected 1, 3 or 4 channels, found " + std::to_string(view.channels));
  }
  if (view.row_bytes != 0 && view.row_bytes < view.width * view.channels) {
    refuse("PixelView", "row_bytes " + std::to_string(view.row_bytes) +
                            " is less than a row of pixels; 0 stands for rows without gaps");
  }
}

const uint8_t* row_of(const PixelView& view, int64_t y) {
  return view.pixels + y * (view.row_bytes == 0 ? view.width * view.channels : view.row_bytes);
}

nala::data::Image rgb_of(const PixelView& view) {
  check_view(view);
  nala::data::Image image(view.width, view.height);
  uint8_t* out = image.pixels.data();
  for (int64_t y = 0; y < view.height; ++y) {
    const uint8_t* pixel = row_of(view, y);
    for (int64_t x = 0; x < view.width; ++x, pixel += view.channels) {
      for (int64_t c = 0; c < 3; ++c) {
        *out++ = pixel[view.channels == 1 ? 0 : c];
      }
    }
  }
  return image;
}

nala::data::RawPicture raw_of(const PixelView& view) {
  check_view(view);
  nala::data::RawPicture picture{view.width, view.height, view.channels, 8, {}};
  for (int64_t y = 0; y < view.height; ++y) {
    const uint8_t* row = row_of(view, y);
    picture.values.insert(picture.values.end(), row, row + view.width * view.channels);
  }
  return picture;
}

Picture public_picture(nala::data::Image&& image) {
  return {image.width, image.height, image.channels, std::move(image.pixels)};
}

}  // namespace

struct Predictor::State {
  nala::predict::Network network;
  std::optional<nala::predict::Upscaler> upscaler;

  void expect(nala::models::Task task, const char* function) const {
    if (network.recipe.task != task) {
      const auto name = [](nala::models::Task of) {
        return std::string(nala::models::kTaskNames[static_cast<size_t>(of)]);
      };
      refuse(function, "this checkpoint is of " + name(network.recipe.task) + ", expected one of " +
                           name(task));
    }
  }
};

Predictor::Predictor(const std::filesystem::path& checkpoint, const Options& options)
    : state_(guarded([&] {
        auto state = std::make_unique<State>();
        const at::Device device = nala::train::resolve_device(options.device);
        state->network = nala::predict::build_network(nala::train::load_weights(checkpoint),
                                                      options.weights, device);
        if (state->network.recipe.task == nala::models::Task::super_resolution) {
          nala::predict::UpscaleOptions upscale;
          upscale.memory_mb = options.memory_mb;
          state->upscaler.emplace(state->network, upscale);
        }
        return state;
      })) {}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

Task Predictor::task() const {
  return static_cast<Task>(state_->network.recipe.task);
}

const std::vector<std::string>& Predictor::classes() const {
  return state_->network.classes;
}

int64_t Predictor::scale() const {
  return state_->upscaler ? state_->upscaler->scale() : 1;
}

std::vector<std::vector<ClassScore>> Predictor::classify(std::span<const PixelView> pictures,
                                                         int64_t top) const {
  return guarded([&] {
    state_->expect(nala::models::Task::classification, "classify");
    if (top < 1) {
      refuse("classify", "expected top of at least 1, found " + std::to_string(top));
    }
    std::vector<std::vector<ClassScore>> results;
    if (pictures.empty()) {
      return results;
    }
    std::vector<at::Tensor> images;  // (1, 3, H, W) each
    for (const PixelView& view : pictures) {
      images.push_back(nala::data::prepare_for_eval(rgb_of(view), state_->network.recipe.data));
    }
    for (auto& scores : nala::predict::classify(state_->network, at::cat(images), top)) {
      std::vector<ClassScore>& result = results.emplace_back();
      for (nala::predict::ClassScore& score : scores) {
        result.push_back({score.index, std::move(score.label), score.probability});
      }
    }
    return results;
  });
}

std::vector<ClassScore> Predictor::classify(const PixelView& picture, int64_t top) const {
  return classify(std::span(&picture, 1), top).front();
}

Picture Predictor::label_map(const PixelView& picture) const {
  return guarded([&] {
    state_->expect(nala::models::Task::segmentation, "label_map");
    return public_picture(nala::predict::label_map(state_->network, rgb_of(picture)));
  });
}

Picture Predictor::enlarge(const PixelView& picture) const {
  return guarded([&] {
    state_->expect(nala::models::Task::super_resolution, "enlarge");
    const nala::data::RawPicture result = (*state_->upscaler)(raw_of(picture));
    return Picture{
        result.width, result.height, result.channels, {result.values.begin(), result.values.end()}};
  });
}

Picture read_picture(const std::filesystem::path& file) {
  return guarded([&] { return public_picture(nala::data::read_image(file)); });
}

}  // namespace nalaformer
