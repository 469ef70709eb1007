// The network and the pictures that an analysis looks at.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "command_line.h"
#include "data/image.h"
#include "models/model.h"
#include "train/recipe.h"

namespace nala::tools {

struct StudiedNetwork {
  train::Recipe recipe;  ///< data.image_size as the command line has it
  std::shared_ptr<models::Model> model;
  at::Device device = at::kCPU;
  std::string source;  ///< what was read
};

/// The network of --checkpoint and --weights. Throws Error(usage | checkpoint | config).
StudiedNetwork studied_network(const CommandLine& line);

struct StudiedPicture {
  std::string path;
  data::Image shown;  ///< what the network sees, before normalisation
  at::Tensor input;   ///< (1, 3, H, W) on the network's device
};

/// The operands' pictures, each in data.image_size: resized and cropped as in evaluation, for
/// super-resolution the middle at most that large. Throws Error for one that cannot be used.
std::vector<StudiedPicture> studied_pictures(const CommandLine& line,
                                             const StudiedNetwork& network);

}  // namespace nala::tools
