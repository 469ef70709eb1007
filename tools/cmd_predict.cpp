#include <ATen/Parallel.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "input_files.h"
#include "model_loading.h"
#include "predict/stream.h"
#include "predictors/picture_predictor.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

void print_line(const PicturePredictor& predictor, const ordered_json& prediction, bool as_json) {
  if (as_json) {
    std::printf("%s\n",
                prediction.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
    std::fflush(stdout);  // whoever reads the pipe waits for it
    return;
  }
  std::printf("%s: %s\n", prediction.at("path").get<std::string>().c_str(),
              predictor.in_words(prediction).c_str());
}

void check_tiling(const predict::UpscaleOptions& options) {
  if (!(options.memory_mb > 0)) {
    throw Error(ErrorKind::usage, "--memory: expected a number of megabytes above 0");
  }
  if (options.overlap < 0 || options.tile.value_or(0) < 0 ||
      (options.tile.value_or(0) > 0 && options.overlap >= *options.tile)) {
    throw Error(ErrorKind::usage, "--overlap: expected 0 or more, and less than --tile");
  }
}

PredictOptions options_of(const CommandLine& line) {
  PredictOptions options{.top = line.get<int64_t>("top"), .compare = line.has("compare")};
  if (options.top < 1) {
    throw Error(ErrorKind::usage, "--top: expected at least 1");
  }
  options.upscale.memory_mb = line.get<double>("memory");
  options.upscale.overlap = line.get<int64_t>("overlap");
  options.upscale.self_ensemble = line.has("self-ensemble");
  if (line.has("tile")) {
    options.upscale.tile = line.get<int64_t>("tile");
  }
  check_tiling(options.upscale);
  if (line.has("output")) {
    options.output = line.text("output");
  }
  return options;
}

// What the pictures cost; the forward's threads are the cores that there were.
ordered_json speed_of(const predict::StreamTimes& times, int64_t pictures, int cores) {
  const auto per_second = times.wall > 0 ? static_cast<double>(pictures) / times.wall : 0;
  return {{"pictures", pictures},
          {"images_per_second", per_second},
          {"wall_seconds", times.wall},
          {"cores", cores},
          {"core_seconds", {{"decode", times.read}, {"model", times.run}, {"write", times.write}}},
          {"share_of_possible", times.share_of_possible(cores)}};
}

void print_speed(const predict::StreamTimes& times, int64_t pictures) {
  std::fprintf(stderr,
               "nalaformer: %jd pictures in %.2f s, %.1f per second (core-seconds: decode %.2f, "
               "model %.2f, write %.2f)\n",
               static_cast<intmax_t>(pictures), times.wall,
               times.wall > 0 ? static_cast<double>(pictures) / times.wall : 0.0, times.read,
               times.run, times.write);
}

}  // namespace

int run_predict(int argc, char** argv) {
  const CommandLine line(
      {.name = "predict",
       .operands = "INPUT... [key=value ...]",
       .summary =
           "Run pictures through a checkpoint's network: files, folders, or - for a list of files "
           "on\n"
           "standard input. Classifiers name classes; other tasks write pictures into --output. A\n"
           "file that cannot be read is reported, the others are done, and the status is 1. Keys "
           "of\n"
           "data change how pictures are seen, such as data.segmentation.eval.mode=slide.",
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
            "jsonl", "one JSON object per line on standard output")(
            "fused", "fail where the fused form, the default where there is one, cannot run");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const PredictOptions options = options_of(line);
  const std::vector<std::string> files = expand_inputs(line.operands());
  const at::Device device = line.start_device();
  const predict::Network network = predict::build_network(
      load_for_prediction(line), line.text("weights"), device,
      line.has("fused") ? predict::Form::fused : predict::Form::fused_where_possible);
  const auto predictor = build_predictor(network, files, options);
  const auto count = static_cast<int64_t>(files.size());
  const int cores = at::get_num_threads();

  ordered_json predictions = ordered_json::array();
  ordered_json skipped = ordered_json::array();
  Progress bar("predict", count, 0,
               !line.quiet() && on_terminal() && count > predictor->batch_size());
  Log log(line.log_level());
  const auto take = [&](int64_t index, const predict::StreamTask::Item* item,
                        const std::string& problem) {
    bar.clear();
    if (item == nullptr) {
      std::fprintf(stderr, "nalaformer: skipped: %s\n", problem.c_str());
      skipped.push_back({{"path", files[static_cast<size_t>(index)]}, {"reason", problem}});
    } else {
      const auto& result = static_cast<const PicturePredictor::Picture*>(item)->result;
      print_line(*predictor, result, line.has("jsonl"));
      if (const std::string warning = predictor->warning(result); !warning.empty()) {
        log.warning(warning);
      }
      predictions.push_back(result);
    }
    bar.update(index + 1);
  };
  const predict::StreamTimes times = predict::stream(
      *predictor, count,
      predict::plan_stream(count, predictor->batch_size(), predictor->side_by_side(), cores), take);
  bar.clear();
  if (!line.quiet()) {
    print_speed(times, count);
  }
  const bool failed = !skipped.empty();
  const ordered_json result{{"predictions", std::move(predictions)},
                            {"skipped", std::move(skipped)},
                            {"speed", speed_of(times, count, cores)}};
  if (options.output) {
    write_file(*options.output / "predictions.json", result.dump(2) + "\n");
  }
  line.write_json(result, device.str(), network.recipe);
  return failed ? 1 : 0;
}

}  // namespace nala::tools
