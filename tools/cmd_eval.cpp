#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/progress.h"
#include "inference/fuse.h"
#include "model_loading.h"
#include "train/task.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

struct Settings {
  train::Recipe recipe;
  train::Weights weights;
};

// With a configuration its data and settings count, and its run's checkpoint unless another is
// named; without one, those the checkpoint was trained with. The network is always the
// checkpoint's.
Settings read_settings(const CommandLine& line) {
  const std::string checkpoint = line.text("checkpoint");
  if (line.operands().size() > 1) {
    throw Error(ErrorKind::usage, "eval: expected at most one configuration file");
  }
  if (line.operands().empty()) {
    // Assigned, not initialised by name: GCC 12 destroys members left to their defaults twice when
    // an initialiser behind them throws.
    Settings settings;
    settings.weights = load_checkpoint(line, checkpoint);
    settings.recipe = line.recipe(std::nullopt, config::write(settings.weights.recipe));
    settings.recipe.model = settings.weights.recipe.model;
    return settings;
  }
  Settings settings;
  settings.recipe = line.recipe(line.operands().front());
  settings.weights = checkpoint.empty() ? train::load_weights(settings.recipe.output)
                                        : load_checkpoint(line, checkpoint);
  settings.recipe.model = settings.weights.recipe.model;
  return settings;
}

// One line, and one for each of `sets`; other nested values are for --json alone.
void print_metrics(const std::string& name, const ordered_json& metrics) {
  std::printf("%-4s", name.c_str());
  for (const auto& [key, value] : metrics.items()) {
    if (value.is_number_float()) {
      std::printf("  %s %.4f", key.c_str(), value.get<double>());
    } else if (!value.is_structured()) {
      std::printf("  %s %s", key.c_str(), value.dump().c_str());
    }
  }
  std::printf("\n");
  if (metrics.contains("sets")) {
    for (const auto& [set, values] : metrics.at("sets").items()) {
      print_metrics(name + "  " + set, values);
    }
  }
}

// What the metrics say of plain bicubic enlargement stands beside the network's.
void move_bicubic(ordered_json& metrics, ordered_json& results) {
  if (metrics.contains("bicubic")) {
    results["bicubic"] = metrics.at("bicubic");
    metrics.erase("bicubic");
  }
}

// The fused form of a model, after saying how far its results are from the model's own.
std::shared_ptr<models::Model> fused_form(const train::Recipe& recipe,
                                          const std::shared_ptr<models::Model>& model) {
  auto fused =
      inference::fused(model, recipe.model,
                       recipe.train.amp == train::Amp::bf16 ? ops::cpu::Precision::bfloat16
                                                            : ops::cpu::Precision::float32);
  const double difference = inference::largest_difference(
      *model, *fused, {1, recipe.model.in_channels, recipe.data.height(), recipe.data.width()});
  std::printf("fused form: at most %.1e of the largest output away from the plain one\n",
              difference);
  return fused;
}

}  // namespace

int run_eval(int argc, char** argv) {
  const CommandLine line(
      {.name = "eval",
       .operands = "[CONFIG] [key=value ...]",
       .summary =
           "Measure a checkpoint on the validation set it was trained with, or on the one that\n"
           "CONFIG and key=value name.",
       .example = "nalaformer eval --checkpoint runs/digits --weights both"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
            cxxopts::value<std::string>(), "CKPT")(
            "weights", "raw, ema or both", cxxopts::value<std::string>()->default_value("both"))(
            "fused",
            "run the fused inference form (CPU), its products in bfloat16 with train.amp=bf16");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const auto choice = line.get<std::string>("weights");
  if (choice != "raw" && choice != "ema" && choice != "both") {
    throw Error(ErrorKind::usage, "--weights: expected raw, ema or both, found " + choice);
  }
  const at::Device device = line.start_device();
  const Settings settings = read_settings(line);
  const auto dataset = data::build_dataset(settings.recipe.data, data::Split::val);
  const auto task = train::build_task(settings.recipe, dataset);
  data::Loader loader(dataset, settings.recipe.data, {.split = data::Split::val});
  ordered_json result{{"metrics", ordered_json::object()}};
  int64_t images = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string weights : {"raw", "ema"}) {
    const auto& tensors = weights == "raw" ? settings.weights.raw : settings.weights.ema;
    if (choice != weights && (choice != "both" || tensors.empty())) {
      continue;
    }
    auto model = build_for_inference(settings.recipe, choose_weights(settings.weights, weights),
                                     settings.weights.source, device);
    if (line.has("fused")) {
      model = fused_form(settings.recipe, model);
    }
    Progress bar("eval " + weights, dataset->size(), 0, !line.quiet() && on_terminal());
    const at::Tensor tally =
        task->tally(*model, loader, device, [&](int64_t done) { bar.update(done); });
    bar.clear();
    ordered_json metrics = task->metrics(tally);
    move_bicubic(metrics, result["metrics"]);
    if (line.has("output")) {
      const auto folder = std::filesystem::path(line.text("output")) / weights;
      std::filesystem::create_directories(folder);
      task->write_details(tally, folder);
    }
    images += metrics.at("images").get<int64_t>();
    print_metrics(weights, metrics);
    result["metrics"][weights] = metrics;
  }
  if (result["metrics"].contains("bicubic")) {
    print_metrics("bicubic", result["metrics"]["bicubic"]);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  result["speed"]["images_per_second"] = static_cast<double>(images) / seconds;
  result["skipped"] = ordered_json::array();
  for (const auto& skipped : loader.skipped()) {
    result["skipped"].push_back({{"path", skipped.path}, {"reason", skipped.reason}});
    std::printf("skipped: %s: %s\n", skipped.path.c_str(), skipped.reason.c_str());
  }
  line.write_json(result, device.str(), settings.recipe);
  return 0;
}

}  // namespace nala::tools
