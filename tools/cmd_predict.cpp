#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "data/image_io.h"
#include "data/transforms/pipeline.h"
#include "input_files.h"
#include "model_loading.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr size_t kBatch = 32;

struct Prepared {
  std::string path;
  at::Tensor image;  // (1, 3, H, W)
};

// Classifies pictures batch by batch and hands every result on in the order of the inputs.
class Classifier {
 public:
  Classifier(const train::Weights& weights,
             std::shared_ptr<models::Model> model,
             at::Device device,
             int64_t top)
      : weights_(weights), model_(std::move(model)), device_(device), top_(top) {}

  // One JSON object per picture: path, top[{index, label, probability}].
  std::vector<ordered_json> classify(const std::vector<Prepared>& batch) const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> images;
    for (const Prepared& prepared : batch) {
      images.push_back(prepared.image);
    }
    const at::Tensor logits = model_->forward(at::cat(images).to(device_), {}).main;  // (B, K)
    const at::Tensor probabilities = at::softmax(logits.to(at::kFloat), 1).cpu();     // (B, K)
    const int64_t top = std::min(top_, probabilities.size(1));
    const auto [values, indices] = probabilities.topk(top, 1);  // (B, top) each
    std::vector<ordered_json> results;
    for (size_t i = 0; i < batch.size(); ++i) {
      ordered_json classes = ordered_json::array();
      for (int64_t rank = 0; rank < top; ++rank) {
        const int64_t index = indices[static_cast<int64_t>(i)][rank].item<int64_t>();
        classes.push_back({{"index", index},
                           {"label", class_name(weights_, index)},
                           {"probability", values[static_cast<int64_t>(i)][rank].item<float>()}});
      }
      results.push_back({{"path", batch[i].path}, {"top", std::move(classes)}});
    }
    return results;
  }

 private:
  const train::Weights& weights_;
  std::shared_ptr<models::Model> model_;
  at::Device device_;
  int64_t top_;
};

void print_line(const ordered_json& prediction, bool as_json) {
  if (as_json) {
    std::printf("%s\n",
                prediction.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
    return;
  }
  std::string text = prediction["path"].get<std::string>() + ":";
  const char* separator = " ";
  for (const auto& entry : prediction["top"]) {
    std::array<char, 32> percent{};
    std::snprintf(percent.data(), percent.size(), " %.1f %%",
                  100 * entry["probability"].get<double>());
    text += separator + entry["label"].get<std::string>() + percent.data();
    separator = ", ";
  }
  std::printf("%s\n", text.c_str());
}

}  // namespace

int run_predict(int argc, char** argv) {
  const CommandLine line(
      {.name = "predict",
       .operands = "INPUT...",
       .summary =
           "Classify pictures: files, folders, or - for a list of files on standard input. A file\n"
           "that cannot be read is reported, the others are done, and the status is 1.",
       .example = "nalaformer predict --checkpoint runs/digits datasets/digits/val/7 --top 3"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
            cxxopts::value<std::string>(), "CKPT")(
            "weights", "raw or ema (default: ema where present)", cxxopts::value<std::string>())(
            "top", "classes to name per picture", cxxopts::value<int64_t>()->default_value("5"))(
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
  const Classifier classifier(
      weights,
      build_for_inference(weights.recipe, choose_weights(weights, line.text("weights")),
                          weights.source, device),
      device, line.get<int64_t>("top"));

  ordered_json predictions = ordered_json::array();
  ordered_json skipped = ordered_json::array();
  std::vector<Prepared> batch;
  Progress bar("predict", static_cast<int64_t>(files.size()), 0,
               !line.quiet() && on_terminal() && files.size() > kBatch);
  const auto flush = [&] {
    if (batch.empty()) {
      return;
    }
    bar.clear();
    for (ordered_json& prediction : classifier.classify(batch)) {
      print_line(prediction, line.has("jsonl"));
      predictions.push_back(std::move(prediction));
    }
    batch.clear();
  };
  for (size_t i = 0; i < files.size(); ++i) {
    try {
      batch.push_back(
          {files[i], data::prepare_for_eval(data::read_image(files[i]), weights.recipe.data)});
    } catch (const Error& problem) {
      std::fprintf(stderr, "nalaformer: skipped: %s\n", problem.what());
      skipped.push_back({{"path", files[i]}, {"reason", problem.what()}});
    }
    if (batch.size() == kBatch) {
      flush();
      bar.update(static_cast<int64_t>(i) + 1);
    }
  }
  flush();
  const bool failed = !skipped.empty();
  const ordered_json result{{"predictions", std::move(predictions)},
                            {"skipped", std::move(skipped)}};
  if (line.has("output")) {
    write_file(std::filesystem::path(line.text("output")) / "predictions.json",
               result.dump(2) + "\n");
  }
  line.write_json(result, device.str(), weights.recipe);
  return failed ? 1 : 0;
}

}  // namespace nala::tools
