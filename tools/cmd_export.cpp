#include <torch/torch.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "io/authors_checkpoint.h"
#include "io/pth_writer.h"
#include "io/safetensors.h"
#include "model_loading.h"
#include "train/averaging.h"

namespace nala::tools {
namespace {

// What travels in the file so that predict and eval need nothing else. Folders of this machine stay
// out of it.
std::map<std::string, std::string> metadata_of(const train::Weights& weights) {
  train::Recipe recipe = weights.recipe;
  recipe.data.root = {};
  recipe.data.class_list = {};
  recipe.data.val_labels = {};
  recipe.data.synset_map = {};
  recipe.distill.teacher = {};
  recipe.init.checkpoint = {};
  recipe.output = train::Recipe{}.output;
  return {{"format", "pt"},
          {"nalaformer.config", config::to_yaml(config::write(recipe))},
          {"nalaformer.classes", nlohmann::json(weights.classes).dump()}};
}

// Largest difference of the outputs over the largest output, on one keyed noise picture.
double relative_error(models::Model& expected, models::Model& found, const train::Recipe& recipe) {
  const at::NoGradGuard no_grad;
  const int64_t height = recipe.data.height();
  const int64_t width = recipe.data.width();
  const int64_t channels = recipe.model.in_channels;
  const at::Tensor ramp = at::arange(channels * height * width, at::kDouble);
  const at::Tensor image =
      (ramp * 0.7).sin().to(at::kFloat).reshape({1, channels, height, width});  // (1, C, H, W)
  const at::Tensor reference = expected.forward(image, {}).main;                // (1, K)
  const at::Tensor difference = (found.forward(image, {}).main - reference).abs();
  return difference.max().item<double>() / reference.abs().max().clamp_min(1e-30).item<double>();
}

// The chosen weights, or their mean with those of the checkpoints that --average names.
io::NamedTensors chosen_tensors(const CommandLine& line, const train::Weights& weights) {
  const std::string choice = line.text("weights");
  std::vector<io::NamedTensors> parts{choose_weights(weights, choice)};
  std::vector<std::string> sources{weights.source};
  for (const std::string& path : split_list(line.text("average"))) {
    const train::Weights other = load_checkpoint(line, path);
    parts.push_back(choose_weights(other, choice));
    sources.push_back(other.source);
  }
  return parts.size() == 1 ? parts.front() : train::mean_of(parts, sources);
}

// The network that the written file gives. A .pth says nothing of the network: its weights must fit
// the one they come from.
std::shared_ptr<models::Model> read_again(const std::filesystem::path& file,
                                          const std::string& format,
                                          const train::Recipe& recipe) {
  if (format == "pth") {
    const io::NamedTensors written = io::read_authors_checkpoint(file).model;
    return build_for_inference(recipe, written, file.string(), at::kCPU);
  }
  const train::Weights written = train::load_weights(file);
  return build_for_inference(written.recipe, written.raw, written.source, at::kCPU);
}

}  // namespace

int run_export(int argc, char** argv) {
  const CommandLine line(
      {.name = "export",
       .operands = "",
       .summary =
           "Write a checkpoint's weights to one file, run the result and compare. A .safetensors\n"
           "holds the class names and the preprocessing too: predict and eval need nothing else.",
       .example = "nalaformer export --checkpoint runs/digits --format safetensors --output "
                  "digits.safetensors"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
            cxxopts::value<std::string>(), "CKPT")(
            "weights", "raw or ema (default: ema where present)", cxxopts::value<std::string>())(
            "average", "further checkpoints, with commas: write the mean of all",
            cxxopts::value<std::string>(), "CKPT,...")(
            "format", "safetensors, or pth for torch.load and the authors' code: weights alone",
            cxxopts::value<std::string>()->default_value("safetensors"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const auto format = line.get<std::string>("format");
  if (format != "safetensors" && format != "pth") {
    throw Error(ErrorKind::usage, "--format: expected safetensors or pth, found " + format);
  }
  if (!line.has("output")) {
    throw Error(ErrorKind::usage, "export: --output FILE is needed");
  }
  const std::filesystem::path output = line.text("output");
  const train::Weights weights = load_checkpoint(line, line.text("checkpoint"));
  const io::NamedTensors tensors = chosen_tensors(line, weights);
  const auto model = build_for_inference(weights.recipe, tensors, weights.source, at::kCPU);
  if (format == "pth") {
    io::write_pth(output, tensors);
  } else {
    io::write_safetensors(output, tensors, metadata_of(weights));
  }
  const auto reread = read_again(output, format, weights.recipe);
  const double error = relative_error(*model, *reread, weights.recipe);
  if (!(error <= 1e-6)) {
    std::filesystem::remove(output);
    throw Error(ErrorKind::checkpoint, output.string() +
                                           ": the written file computes other results (" +
                                           std::to_string(error) + " relative); removed");
  }
  std::printf("%s: %zu tensors, %ju bytes, largest relative difference %g\n", output.c_str(),
              tensors.size(), static_cast<uintmax_t>(std::filesystem::file_size(output)), error);
  line.write_json({{"format", format},
                   {"output", output.string()},
                   {"executed", true},
                   {"max_relative_error", error}},
                  "cpu", weights.recipe);
  return 0;
}

}  // namespace nala::tools
