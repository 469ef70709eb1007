#include "analyze/studied_network.h"

#include <torch/torch.h>

#include <algorithm>

#include "core/error.h"
#include "data/image_io.h"
#include "data/transforms/crop.h"
#include "data/transforms/pipeline.h"
#include "input_files.h"
#include "model_loading.h"

namespace nala::tools {
namespace {

data::Image middle(const data::Image& image, const data::DataConfig& config) {
  const int64_t width = std::min(image.width, config.width());
  const int64_t height = std::min(image.height, config.height());
  return data::crop(image, data::centre_window(image.width, image.height, width, height));
}

// (1, 3, H, W) in 0 ... 1.
at::Tensor unnormalised(const data::Image& image) {
  return at::from_blob(const_cast<uint8_t*>(image.row(0)), {1, image.height, image.width, 3},
                       at::kByte)
             .to(at::kFloat)
             .permute({0, 3, 1, 2}) /
         255;
}

}  // namespace

StudiedNetwork studied_network(const CommandLine& line) {
  const at::Device device = line.start_device();
  const train::Weights weights = load_checkpoint(line, line.text("checkpoint"));
  StudiedNetwork network{
      .recipe = weights.recipe,
      .model = build_for_inference(weights.recipe, choose_weights(weights, line.text("weights")),
                                   weights.source, device),
      .device = device,
      .source = weights.source};
  if (line.has("size")) {
    network.recipe.data.image_size = {line.get<int64_t>("size")};
    if (line.get<int64_t>("size") < 1 || line.get<int64_t>("size") > 4096) {
      throw Error(ErrorKind::usage, "--size: expected 1 to 4096");
    }
  }
  return network;
}

std::vector<StudiedPicture> studied_pictures(const CommandLine& line,
                                             const StudiedNetwork& network) {
  if (line.operands().empty()) {
    throw Error(ErrorKind::usage,
                "analyze: expected pictures beside --checkpoint: files or folders");
  }
  const data::DataConfig& config = network.recipe.data;
  std::vector<StudiedPicture> pictures;
  for (const std::string& path : expand_inputs(line.operands())) {
    const data::Image image = data::read_image(path);
    StudiedPicture picture{.path = path};
    if (network.recipe.task == models::Task::super_resolution) {
      picture.shown = middle(image, config);
      picture.input = unnormalised(picture.shown);
    } else {
      picture.shown = data::resize_for_eval(image, config);
      picture.input = data::prepare_for_eval(image, config);
    }
    picture.input = picture.input.to(network.device);
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

}  // namespace nala::tools
