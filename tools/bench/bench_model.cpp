#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/bench.h"
#include "bench/network_step.h"
#include "bench/profile_report.h"
#include "bench/resident.h"
#include "bench/timing.h"
#include "command_line.h"
#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "models/zoo.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kDefaultClasses = 1000;

using MakeStep = std::function<void()> (*)(const train::Recipe&, const StepSetting&, at::Device);

// bench model or bench train.
struct NetworkBench {
  CommandText text;
  MakeStep make;
  bool training = false;
};

// What the command line asks for.
struct Request {
  train::Recipe recipe;
  at::Device device = at::kCPU;
  std::vector<StepSetting> settings;
  std::vector<int64_t> threads;
  Repetition repetition;
  bool memory = false;
  bool profile = false;
  std::string picture;  // the profile's, or empty
};

struct Row {
  StepSetting setting;
  int64_t threads = 1;
  Timing timing;
  int64_t peak_bytes = 0;                 // of LibTorch's tensors
  std::optional<int64_t> resident_bytes;  // of the process
  std::optional<ProfileReport> profile;
};

double pictures_per_second(const Row& row) {
  return 1e3 * static_cast<double>(row.setting.batch) / row.timing.median;
}

std::string title_of(const Request& request) {
  return models::resolve(request.recipe.model).name + ", " +
         std::to_string(request.recipe.data.height()) + " x " +
         std::to_string(request.recipe.data.width()) + ", " + request.device.str();
}

ProfileReport profile_of(const Request& request,
                         const NetworkBench& bench,
                         const Row& row,
                         const std::function<void()>& step) {
  ProfileReport report{
      .title = title_of(request) + ", " + (bench.training ? "training step" : "inference") +
               ", batch " + std::to_string(row.setting.batch) + ", " +
               dtype_name(row.setting.dtype) + ", threads: " + std::to_string(row.threads),
      .plain_ms = row.timing.median,
      .roofs = measure_roofs(request.device, row.setting.dtype),
      .profile = {}};
  report.profile = profile_step(step, report.roofs, request.repetition);
  return report;
}

// One row per number of threads, timed in turn.
std::vector<Row> measure(const Request& request,
                         const NetworkBench& bench,
                         const StepSetting& setting) {
  const ResidentPeak resident;
  const std::function<void()> step = bench.make(request.recipe, setting, request.device);
  const int64_t peak = peak_extra_bytes(step);
  std::vector<std::function<void()>> turns;
  for (const int64_t threads : request.threads) {
    turns.emplace_back([&step, threads] {
      at::set_num_threads(static_cast<int>(threads));
      step();
    });
  }
  const std::vector<Timing> timings = time_interleaved(turns, request.device, request.repetition);
  std::vector<Row> rows;
  for (size_t i = 0; i < turns.size(); ++i) {
    Row& row = rows.emplace_back(Row{.setting = setting,
                                     .threads = request.threads[i],
                                     .timing = timings[i],
                                     .peak_bytes = peak,
                                     .resident_bytes = {},
                                     .profile = {}});
    if (request.memory) {
      row.resident_bytes = resident.bytes();
    }
    if (request.profile) {
      turns[i]();
      row.profile = profile_of(request, bench, row, step);
    }
  }
  return rows;
}

void print_heading(const Request& request) {
  std::printf("%s\n\n%-9s %6s %8s %12s %30s %12s%s%s\n", title_of(request).c_str(), "dtype",
              "batch", "threads", "pictures/s", "ms per batch (least - most)", "peak tensors",
              request.memory ? "  peak resident" : "",
              request.threads.size() > 1 ? "   speed-up" : "");
}

void print_row(const Request& request, const Row& row, const Row& first) {
  const std::string times = fixed(row.timing.median, 2) + " (" + fixed(row.timing.least, 2) +
                            " - " + fixed(row.timing.most, 2) + ")";
  std::printf("%-9s %6jd %8jd %12s %30s %12s", dtype_name(row.setting.dtype).c_str(),
              static_cast<intmax_t>(row.setting.batch), static_cast<intmax_t>(row.threads),
              fixed(pictures_per_second(row), 1).c_str(), times.c_str(),
              bytes_text(row.peak_bytes).c_str());
  if (request.memory) {
    std::printf("  %13s", row.resident_bytes ? bytes_text(*row.resident_bytes).c_str() : "-");
  }
  if (request.threads.size() > 1) {
    std::printf("  %9s", fixed(first.timing.median / row.timing.median, 2).c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

ordered_json to_json(const train::Recipe& recipe, const Row& row) {
  ordered_json json{{"variant", models::resolve(recipe.model).name},
                    {"batch", row.setting.batch},
                    {"dtype", dtype_name(row.setting.dtype)},
                    {"threads", row.threads},
                    {"height", recipe.data.height()},
                    {"width", recipe.data.width()},
                    {"images_per_second", pictures_per_second(row)},
                    {"latency_ms", row.timing.median},
                    {"latency_ms_least", row.timing.least},
                    {"latency_ms_most", row.timing.most},
                    {"peak_bytes", row.peak_bytes}};
  if (row.resident_bytes) {
    json["peak_resident_bytes"] = *row.resident_bytes;
  }
  if (row.profile) {
    json["profile"] = profile_json(*row.profile);
  }
  return json;
}

// Options that do not go together.
void check(const Request& request, const NetworkBench& bench, bool fused) {
  const std::string& name = bench.text.name;
  if (bench.training && fused) {
    throw Error(ErrorKind::usage, name +
                                      ": --fused is a form for inference, and training has none; "
                                      "nalaformer bench model --fused measures it");
  }
  if (request.profile && fused) {
    throw Error(ErrorKind::usage,
                name +
                    ": --profile listens to operators, and the fused form calls none; profile the "
                    "plain form, or the fused one with perf record");
  }
  if (request.profile && !request.device.is_cpu()) {
    throw Error(ErrorKind::usage, name + ": --profile measures on the CPU alone: operators of " +
                                      request.device.str() + " run after their launch");
  }
  const size_t rows = request.settings.size() * request.threads.size();
  if (rows != 1 && (request.memory || !request.picture.empty())) {
    throw Error(ErrorKind::usage,
                name + ": " + (request.memory ? "--memory" : "the picture of --profile") +
                    " is of one row: expected one --batch, --dtype and --threads, found " +
                    std::to_string(rows) + " rows");
  }
}

// The words that are neither key=value nor the profile's picture: the configuration, if any.
std::optional<std::filesystem::path> configuration_of(const CommandLine& line,
                                                      const std::string& name,
                                                      Request& request) {
  std::optional<std::filesystem::path> file;
  for (const std::string& word : line.operands()) {
    if (request.profile && request.picture.empty() && word.ends_with(".svg")) {
      request.picture = word;
    } else if (file) {
      throw Error(ErrorKind::usage, name + ": expected at most one configuration file");
    } else {
      file = word;
    }
  }
  return file;
}

Request request_of(const CommandLine& line, const NetworkBench& bench) {
  Request request;
  request.profile = line.has("profile");
  request.picture = line.text("profile");
  request.memory = line.has("memory");
  request.recipe = line.recipe(configuration_of(line, bench.text.name, request));
  if (request.recipe.model.num_classes == 0) {
    request.recipe.model.num_classes = kDefaultClasses;
  }
  request.device = line.start_device();
  request.threads = line.thread_counts();
  request.repetition.seconds = line.get<double>("seconds");
  const bool one_batch = (request.profile || request.memory) && !line.has("batch");
  for (const std::string& dtype : split_list(line.get<std::string>("dtype"))) {
    for (const int64_t batch :
         integers_of("batch", one_batch ? "16" : line.get<std::string>("batch"))) {
      request.settings.push_back(
          {.batch = batch, .dtype = dtype_named(dtype), .fused = line.has("fused")});
    }
  }
  check(request, bench, line.has("fused"));
  return request;
}

void add_options(cxxopts::OptionAdder& add) {
  using cxxopts::value;
  add("batch", "pictures at once (with --profile or --memory: 16)",
      value<std::string>()->default_value("1,16"),
      "LIST")("dtype", "float32, bfloat16, float16 (half precision by autocast)",
              value<std::string>()->default_value("float32"),
              "LIST")("seconds", "time to spend on each row", value<double>()->default_value("3"))(
      "fused", "bench model: the fused inference form (CPU)")(
      "profile", "also where the time goes, by kind of operator, and as a picture",
      value<std::string>()->implicit_value(""),
      "FILE.svg")("memory", "also the process's peak of resident memory, weights and all");
}

int run(const NetworkBench& bench, int argc, char** argv) {
  const CommandLine line(bench.text, add_options, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const Request request = request_of(line, bench);
  print_heading(request);
  ordered_json rows = ordered_json::array();
  for (const StepSetting& setting : request.settings) {
    const std::vector<Row> measured = measure(request, bench, setting);
    for (const Row& row : measured) {
      print_row(request, row, measured.front());
      rows.push_back(to_json(request.recipe, row));
      if (row.profile) {
        std::printf("%s\n", profile_text(*row.profile).c_str());
      }
    }
    if (!request.picture.empty()) {
      write_file(request.picture, profile_picture(*measured.front().profile));
    }
  }
  line.write_json({{"command", "bench"},
                   {"subject", bench.training ? "train" : "model"},
                   {"threads", request.threads.front()},
                   {"rows", std::move(rows)}},
                  request.device.str(), request.recipe);
  return 0;
}

}  // namespace

int bench_model(int argc, char** argv) {
  return run(
      {.text = {.name = "bench model",
                .operands = "[CONFIG] [key=value ...]",
                .summary =
                    "Inference of a network on noise: pictures per second, latency, and peak\n"
                    "memory of tensors above the weights and the input. --threads takes a list.",
                .example = "nalaformer bench model model.name=nalaformer_xt --dtype "
                           "float32,bfloat16 --threads 1,2",
                .several_threads = true},
       .make = inference_step},
      argc, argv);
}

int bench_train(int argc, char** argv) {
  return run(
      {.text = {.name = "bench train",
                .operands = "[CONFIG] [key=value ...]",
                .summary =
                    "Training steps of a network on noise: forward, loss, backward, update.\n"
                    "Loading pictures is not part of it. --threads takes a list.",
                .example = "nalaformer bench train model.name=nalaformer_xt --batch 16 --profile",
                .several_threads = true},
       .make = training_step,
       .training = true},
      argc, argv);
}

}  // namespace nala::tools
