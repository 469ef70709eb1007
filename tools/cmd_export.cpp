#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/number_text.h"
#include "export/fold.h"
#include "export/network_graph.h"
#include "export/onnx.h"
#include "export/torchscript.h"
#include "export_check.h"
#include "io/authors_checkpoint.h"
#include "io/pth_writer.h"
#include "io/safetensors.h"
#include "model_loading.h"
#include "train/averaging.h"
#include "version.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

// What travels in the file so that predict and eval need nothing else. Folders of this machine stay
// out of it.
std::map<std::string, std::string> metadata_of(const train::Weights& weights) {
  train::Recipe recipe = weights.recipe;
  recipe.data.root = {};
  recipe.data.class_list = {};
  recipe.data.val_labels = {};
  recipe.data.synset_map = {};
  recipe.data.real_labels = {};
  recipe.distill.teacher = {};
  recipe.init.checkpoint = {};
  recipe.output = train::Recipe{}.output;
  return {{"format", "pt"},
          {"nalaformer.config", config::to_yaml(config::write(recipe))},
          {"nalaformer.classes", nlohmann::json(weights.classes).dump()}};
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

// What a format is written by, and run by afterwards.
struct Export {
  const train::Weights& weights;
  const io::NamedTensors& tensors;
  std::filesystem::path output;
  bool half = false;
  bool fold = false;
  bool processing = false;
};

struct Format {
  std::string_view name;
  /// Writes the file and gives what runs it; nothing where it cannot be run here.
  std::optional<Run> (*write)(const Export&);
  double tolerance;  ///< relative
  bool is_graph;     ///< holds the computation, for any size of pictures
};

Run model_runner(std::shared_ptr<models::Model> model) {
  return [model = std::move(model)](const at::Tensor& images) { return (*model)(images); };
}

std::optional<Run> write_as_safetensors(const Export& what) {
  io::write_safetensors(what.output, what.tensors, metadata_of(what.weights));
  const train::Weights written = train::load_weights(what.output);
  return model_runner(build_for_inference(written.recipe, written.raw, written.source, at::kCPU));
}

// A .pth says nothing of the network: its weights must fit the one they come from.
std::optional<Run> write_as_pth(const Export& what) {
  io::write_pth(what.output, what.tensors);
  return model_runner(build_for_inference(what.weights.recipe,
                                          io::read_authors_checkpoint(what.output).model,
                                          what.output.string(), at::kCPU));
}

bool is_normalised(const train::Recipe& recipe) {
  return recipe.task != models::Task::super_resolution;
}

exporting::Graph graph_of(const Export& what) {
  const train::Recipe& recipe = what.weights.recipe;
  std::optional<exporting::ByteProcessing> bytes;
  if (what.processing) {
    bytes.emplace();
    if (is_normalised(recipe)) {
      *bytes = {.mean = recipe.data.mean, .deviation = recipe.data.std};
    }
  }
  exporting::Graph graph =
      exporting::network_graph(models::resolve(recipe.model), recipe.task, what.tensors, bytes);
  if (what.fold) {
    exporting::fold_batch_norms(graph);
  }
  return graph;
}

// What a graph of bytes is to compute, of (B, H, W, C) uint8.
Run byte_runner(std::shared_ptr<models::Model> model, const train::Recipe& recipe) {
  return [model = std::move(model), &recipe](const at::Tensor& images) {
    at::Tensor pictures = images.permute({0, 3, 1, 2}).to(at::kFloat) / 255;  // (B, C, H, W)
    if (is_normalised(recipe)) {
      const auto per_channel = [](const std::vector<double>& numbers) {
        return at::tensor(numbers).to(at::kFloat).view({-1, 1, 1});  // (C, 1, 1)
      };
      pictures = (pictures - per_channel(recipe.data.mean)) / per_channel(recipe.data.std);
    }
    const at::Tensor output = (*model)(pictures);
    if (recipe.task == models::Task::classification) {
      return at::softmax(output, 1);
    }
    if (recipe.task == models::Task::segmentation) {
      return at::upsample_bilinear2d(output, {pictures.size(2), pictures.size(3)}, false)
          .argmax(1)
          .to(at::kByte);
    }
    return (output * 255 + 0.5).floor().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1});
  };
}

std::optional<Run> write_as_torchscript(const Export& what) {
  exporting::write_torchscript(what.output, graph_of(what));
  return torchscript_runner(what.output);
}

std::optional<Run> write_as_onnx(const Export& what) {
  exporting::write_onnx(what.output, graph_of(what),
                        {.half_weights = what.half, .producer_version = kVersion});
  return onnx_runner(what.output);
}

// THE table: a new format is a new row.
constexpr std::array<Format, 4> kFormats{{
    {"safetensors", &write_as_safetensors, 1e-6, false},
    {"pth", &write_as_pth, 1e-6, false},
    {"torchscript", &write_as_torchscript, 1e-4, true},
    {"onnx", &write_as_onnx, 1e-4, true},
}};
constexpr double kHalfTolerance = 2e-2;
constexpr double kByteTolerance = 5e-3;  // share of bytes that rounding puts on the other side

double tolerance_of(const Format& format, const Export& what) {
  const bool bytes = what.processing && what.weights.recipe.task != models::Task::classification;
  const double tolerance = bytes ? kByteTolerance : format.tolerance;
  return what.half ? std::max(kHalfTolerance, 10 * tolerance) : tolerance;
}

void check_options(const CommandLine& line, const Format& format) {
  if (line.has("half") && format.name != "onnx") {
    throw Error(ErrorKind::usage, "--half: only onnx stores weights in float16");
  }
  for (const char* option : {"fold", "processing"}) {
    if (line.has(option) && !format.is_graph) {
      throw Error(ErrorKind::usage,
                  "--" + std::string(option) + ": only torchscript and onnx hold the computation");
    }
  }
  if (!line.has("output")) {
    throw Error(ErrorKind::usage, "export: --output FILE is needed");
  }
}

const Format& format_named(const std::string& name) {
  std::string known;
  for (const Format& format : kFormats) {
    if (format.name == name) {
      return format;
    }
    known.append(known.empty() ? "" : ", ").append(format.name);
  }
  throw Error(ErrorKind::usage, "--format: expected one of " + known + ", found " + name);
}

}  // namespace

int run_export(int argc, char** argv) {
  const CommandLine line(
      {.name = "export",
       .operands = "",
       .summary =
           "Write a checkpoint's weights to one file, run the result and compare. A .safetensors\n"
           "holds the class names and the preprocessing too: predict and eval need nothing else.\n"
           "ONNX is run by onnxruntime where the python3 of PATH can import it.",
       .example = "nalaformer export --checkpoint runs/digits --format safetensors --output "
                  "digits.safetensors"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
            cxxopts::value<std::string>(), "CKPT")(
            "weights", "raw or ema (default: ema where present)", cxxopts::value<std::string>())(
            "average", "further checkpoints, with commas: write the mean of all",
            cxxopts::value<std::string>(), "CKPT,...")(
            "format",
            "safetensors; pth for torch.load and the authors' code; torchscript or onnx: the "
            "computation too, for any batch and size of pictures",
            cxxopts::value<std::string>()->default_value("safetensors"))(
            "half", "onnx: store the weights in float16")(
            "fold", "torchscript, onnx: BatchNorm folded into the weights before it")(
            "processing",
            "torchscript, onnx: take bytes (batch, height, width, 3); give probabilities, labels "
            "or "
            "bytes of pictures");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const Format& format = format_named(line.get<std::string>("format"));
  check_options(line, format);
  const train::Weights weights = load_checkpoint(line, line.text("checkpoint"));
  const io::NamedTensors tensors = chosen_tensors(line, weights);
  const auto model = build_for_inference(weights.recipe, tensors, weights.source, at::kCPU);
  const Export what{.weights = weights,
                    .tensors = tensors,
                    .output = line.text("output"),
                    .half = line.has("half"),
                    .fold = line.has("fold"),
                    .processing = line.has("processing")};
  const std::optional<Run> runner = format.write(what);
  const data::DataConfig& data = weights.recipe.data;
  std::vector<CheckedShape> shapes =
      checked_shapes(weights.recipe.model.in_channels, data.height(), data.width());
  shapes.resize(format.is_graph ? shapes.size() : 1);
  const Run expected = what.processing ? byte_runner(model, weights.recipe) : model_runner(model);
  const double error =
      runner ? largest_relative_error(expected, *runner, shapes, what.processing) : 0;
  const double tolerance = tolerance_of(format, what);
  if (!(error <= tolerance)) {
    std::filesystem::remove(what.output);
    throw Error(ErrorKind::checkpoint, what.output.string() +
                                           ": the written file computes other results (" +
                                           short_number(error) + " relative, allowed " +
                                           short_number(tolerance) + "); removed");
  }
  std::printf("%s: %zu tensors, %ju bytes, ", what.output.c_str(), tensors.size(),
              static_cast<uintmax_t>(std::filesystem::file_size(what.output)));
  if (runner) {
    std::printf("largest relative difference %g\n", error);
  } else {
    std::printf("checked, but not executed: python3 cannot import onnxruntime\n");
  }
  ordered_json result{{"format", format.name},
                      {"output", what.output.string()},
                      {"executed", runner.has_value()},
                      {"max_relative_error", nullptr}};
  if (runner) {
    result["max_relative_error"] = error;
  }
  line.write_json(std::move(result), "cpu", weights.recipe);
  return 0;
}

}  // namespace nala::tools
