#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "input_files.h"
#include "model_loading.h"
#include "predict/picture_predictor.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

void print_line(const PicturePredictor& predictor, const ordered_json& prediction, bool as_json) {
  if (as_json) {
    std::printf("%s\n",
                prediction.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("%s: %s\n", prediction.at("path").get<std::string>().c_str(),
              predictor.in_words(prediction).c_str());
}

void check_tiling(const PredictOptions& options) {
  if (!(options.memory_mb > 0)) {
    throw Error(ErrorKind::usage, "--memory: expected a number of megabytes above 0");
  }
  if (options.overlap < 0 || options.tile.value_or(0) < 0 ||
      (options.tile.value_or(0) > 0 && options.overlap >= *options.tile)) {
    throw Error(ErrorKind::usage, "--overlap: expected 0 or more, and less than --tile");
  }
}

}  // namespace

int run_predict(int argc, char** argv) {
  const CommandLine line(
      {.name = "predict",
       .operands = "INPUT...",
       .summary =
           "Run pictures through a checkpoint's network: files, folders, or - for a list of files "
           "on\n"
           "standard input. Classifiers name classes; other tasks write pictures into --output. A\n"
           "file that cannot be read is reported, the others are done, and the status is 1.",
       .example = "nalaformer predict --checkpoint runs/digits datasets/digits/val/7 --top 3"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
            cxxopts::value<std::string>(), "CKPT")(
            "weights", "raw or ema (default: ema where present)", cxxopts::value<std::string>())(
            "top", "classes to name per picture", cxxopts::value<int64_t>()->default_value("5"))(
            "compare", "also write each result beside its input, where results are pictures")(
            "memory", "super-resolution: megabytes for one forward; larger pictures go in tiles",
            cxxopts::value<double>()->default_value("2000"))(
            "tile", "super-resolution: side of the tiles in place of that; 0: whole",
            cxxopts::value<int64_t>())("overlap",
                                       "super-resolution: pixels of the input that tiles share",
                                       cxxopts::value<int64_t>()->default_value("16"))(
            "self-ensemble", "super-resolution: mean over eight orientations")(
            "jsonl", "one JSON object per line on standard output");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (line.get<int64_t>("top") < 1) {
    throw Error(ErrorKind::usage, "--top: expected at least 1");
  }
  const std::vector<std::string> files = expand_inputs(line.operands());
  const at::Device device = line.start_device();
  const train::Weights weights = load_checkpoint(line, line.text("checkpoint"));
  PredictOptions options{.top = line.get<int64_t>("top"), .compare = line.has("compare")};
  options.memory_mb = line.get<double>("memory");
  options.overlap = line.get<int64_t>("overlap");
  options.self_ensemble = line.has("self-ensemble");
  if (line.has("tile")) {
    options.tile = line.get<int64_t>("tile");
  }
  check_tiling(options);
  if (line.has("output")) {
    options.output = line.text("output");
  }
  const auto predictor = build_predictor(
      weights,
      build_for_inference(weights.recipe, choose_weights(weights, line.text("weights")),
                          weights.source, device),
      device, options);

  ordered_json predictions = ordered_json::array();
  ordered_json skipped = ordered_json::array();
  Progress bar("predict", static_cast<int64_t>(files.size()), 0,
               !line.quiet() && on_terminal() && files.size() > predictor->batch_size());
  const auto flush = [&] {
    bar.clear();
    for (ordered_json& prediction : predictor->run()) {
      print_line(*predictor, prediction, line.has("jsonl"));
      predictions.push_back(std::move(prediction));
    }
  };
  size_t added = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    try {
      predictor->add(files[i]);
      ++added;
    } catch (const Error& problem) {
      std::fprintf(stderr, "nalaformer: skipped: %s\n", problem.what());
      skipped.push_back({{"path", files[i]}, {"reason", problem.what()}});
    }
    if (added == predictor->batch_size()) {
      flush();
      added = 0;
      bar.update(static_cast<int64_t>(i) + 1);
    }
  }
  flush();
  const bool failed = !skipped.empty();
  const ordered_json result{{"predictions", std::move(predictions)},
                            {"skipped", std::move(skipped)}};
  if (options.output) {
    write_file(*options.output / "predictions.json", result.dump(2) + "\n");
  }
  line.write_json(result, device.str(), weights.recipe);
  return failed ? 1 : 0;
}

}  // namespace nala::tools
