#include <torch/torch.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bench/bench.h"
#include "bench/timing.h"
#include "command_line.h"
#include "core/error.h"
#include "core/number_text.h"
#include "inference/fuse.h"
#include "models/model.h"
#include "models/zoo.h"
#include "train/amp.h"
#include "train/optimizer.h"
#include "train/param_groups.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kDefaultClasses = 1000;

// A network with pictures of noise to run on.
struct Subject {
  std::shared_ptr<models::Model> model;
  at::Tensor images;  // (B, 3, H, W), channels-last
  train::Amp amp = train::Amp::none;
};

Subject subject_of(const train::Recipe& recipe,
                   int64_t batch,
                   at::ScalarType dtype,
                   at::Device device) {
  Subject subject;
  subject.model = models::build_model(recipe.model, recipe.task, recipe.seed);
  subject.model->to(device);
  subject.images =
      at::randn({batch, recipe.model.in_channels, recipe.data.height(), recipe.data.width()},
                at::TensorOptions(device))
          .contiguous(at::MemoryFormat::ChannelsLast);
  subject.amp = dtype == at::kFloat      ? train::Amp::none
                : dtype == at::kBFloat16 ? train::Amp::bf16
                                         : train::Amp::fp16;
  return subject;
}

// What to measure.
struct Setting {
  int64_t batch;
  at::ScalarType dtype;
  bool fused;
};

struct Row {
  int64_t batch;
  at::ScalarType dtype;
  Timing timing;
  int64_t peak_bytes;
};

// Puts the fused form in the model's place, which keeps half precision to its products.
void fuse(Subject& subject, const train::Recipe& recipe) {
  subject.model->eval();
  subject.model = inference::fused(subject.model, recipe.model,
                                   subject.amp == train::Amp::bf16 ? ops::cpu::Precision::bfloat16
                                                                   : ops::cpu::Precision::float32);
  subject.amp = train::Amp::none;
}

Row measure_inference(const train::Recipe& recipe,
                      const Setting& setting,
                      at::Device device,
                      const Repetition& repetition) {
  Subject subject = subject_of(recipe, setting.batch, setting.dtype, device);
  subject.model->eval();
  if (setting.fused) {
    fuse(subject, recipe);
  }
  const at::NoGradGuard no_grad;
  const auto run = [&] {
    const train::AutocastScope scope(subject.amp, device.type());
    subject.model->forward(subject.images, {});
  };
  const int64_t peak = peak_extra_bytes(run);
  return {setting.batch, setting.dtype, time_work(run, device, repetition), peak};
}

// Forward, loss, backward and the update; the recipe's optimizer, labels drawn once.
Row measure_training(const train::Recipe& recipe,
                     const Setting& setting,
                     at::Device device,
                     const Repetition& repetition) {
  const int64_t batch = setting.batch;
  const Subject subject = subject_of(recipe, batch, setting.dtype, device);
  subject.model->train();
  train::Optimizer optimizer(
      recipe.optimizer, train::parameter_groups(*subject.model, recipe.optimizer.weight_decay));
  std::vector<int64_t> positions(static_cast<size_t>(batch));
  std::iota(positions.begin(), positions.end(), 0);
  const at::Tensor labels = at::zeros({batch}, at::TensorOptions(at::kLong).device(device));  // (B)
  const auto run = [&] {
    models::Outputs outputs;
    {
      const train::AutocastScope scope(subject.amp, device.type());
      outputs = subject.model->forward(subject.images, {.positions = positions});
    }
    torch::nn::functional::cross_entropy(outputs.main, labels).backward();
    optimizer.step(recipe.optimizer.lr);
    optimizer.zero_grad();
  };
  run();  // moments are made by the first step
  const int64_t peak = peak_extra_bytes(run);
  return {batch, setting.dtype, time_work(run, device, repetition), peak};
}

using Measure = Row (*)(const train::Recipe&, const Setting&, at::Device, const Repetition&);

void print_heading(const std::string& title) {
  std::printf("%s\n\n%-9s %6s %12s %30s %12s\n", title.c_str(), "dtype", "batch", "pictures/s",
              "ms per batch (least - most)", "peak memory");
}

void print_row(const Row& row) {
  const std::string times = fixed(row.timing.median, 2) + " (" + fixed(row.timing.least, 2) +
                            " - " + fixed(row.timing.most, 2) + ")";
  std::printf("%-9s %6jd %12s %30s %12s\n", dtype_name(row.dtype).c_str(),
              static_cast<intmax_t>(row.batch),
              fixed(1e3 * static_cast<double>(row.batch) / row.timing.median, 1).c_str(),
              times.c_str(), bytes_text(row.peak_bytes).c_str());
  std::fflush(stdout);
}

ordered_json to_json(const train::Recipe& recipe, const Row& row) {
  return {{"variant", models::resolve(recipe.model).name},
          {"batch", row.batch},
          {"dtype", dtype_name(row.dtype)},
          {"height", recipe.data.height()},
          {"width", recipe.data.width()},
          {"images_per_second", 1e3 * static_cast<double>(row.batch) / row.timing.median},
          {"latency_ms", row.timing.median},
          {"latency_ms_least", row.timing.least},
          {"latency_ms_most", row.timing.most},
          {"peak_bytes", row.peak_bytes}};
}

int run(const CommandText& text, const Measure measure, int argc, char** argv) {
  const CommandLine line(
      text,
      [](cxxopts::OptionAdder& add) {
        using cxxopts::value;
        add("batch", "pictures at once", value<std::string>()->default_value("1,16"), "LIST")(
            "dtype", "float32, bfloat16, float16 (half precision by autocast)",
            value<std::string>()->default_value("float32"),
            "LIST")("seconds", "time to spend on each row", value<double>()->default_value("3"))(
            "fused", "bench model: the fused inference form (CPU)");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (line.operands().size() > 1) {
    throw Error(ErrorKind::usage, text.name + ": expected at most one configuration file");
  }
  train::Recipe recipe = line.recipe(
      line.operands().empty() ? std::nullopt
                              : std::optional<std::filesystem::path>(line.operands().front()));
  if (recipe.model.num_classes == 0) {
    recipe.model.num_classes = kDefaultClasses;
  }
  const at::Device device = line.start_device();
  const Repetition repetition{.seconds = line.get<double>("seconds")};
  print_heading(models::resolve(recipe.model).name + ", " + std::to_string(recipe.data.height()) +
                " x " + std::to_string(recipe.data.width()) + ", " + device.str() + ", " +
                std::to_string(at::get_num_threads()) + " threads");
  ordered_json rows = ordered_json::array();
  for (const std::string& dtype : split_list(line.get<std::string>("dtype"))) {
    for (const int64_t batch : integers_of("batch", line.get<std::string>("batch"))) {
      const Row row =
          measure(recipe, {.batch = batch, .dtype = dtype_named(dtype), .fused = line.has("fused")},
                  device, repetition);
      print_row(row);
      rows.push_back(to_json(recipe, row));
    }
  }
  line.write_json({{"command", "bench"},
                   {"subject", text.name.substr(text.name.find(' ') + 1)},
                   {"threads", at::get_num_threads()},
                   {"rows", std::move(rows)}},
                  device.str(), recipe);
  return 0;
}

}  // namespace

int bench_model(int argc, char** argv) {
  return run(
      {.name = "bench model",
       .operands = "[CONFIG] [key=value ...]",
       .summary = "Inference of a network on noise: pictures per second, latency, and peak\n"
                  "memory above the weights and the input.",
       .example = "nalaformer bench model model.name=nalaformer_xt --dtype float32,bfloat16"},
      measure_inference, argc, argv);
}

int bench_train(int argc, char** argv) {
  return run({.name = "bench train",
              .operands = "[CONFIG] [key=value ...]",
              .summary = "Training steps of a network on noise: forward, loss, backward, update.\n"
                         "Loading pictures is not part of it.",
              .example = "nalaformer bench train model.name=nalaformer_xt --batch 16"},
             measure_training, argc, argv);
}

}  // namespace nala::tools
