#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/bench.h"
#include "bench/timing.h"
#include "command_line.h"
#include "core/error.h"
#include "core/number_text.h"
#include "ops/implementations.h"
#include "ops/rope.h"
#include "ops/softmax_attention.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

// One setting of the sweep.
struct Case {
  int64_t batch, heads, d, tokens;
  at::ScalarType dtype;
};

struct Settings {
  std::vector<std::string> implementations;  // empty: every one that accepts the problem
  ops::FeatureMap map = ops::FeatureMap::relu_split;
  at::Device device = at::kCPU;
  bool backward = true;
  bool softmax = true;
  Repetition repetition;
};

// What one implementation did in one case.
struct Measured {
  std::string name;
  Timing forward, backward;
  int64_t forward_bytes = 0;   // beyond the inputs and y
  int64_t backward_bytes = 0;  // beyond the inputs, what the forward kept, and the gradients
};

// q, k, v as slices of a packed projection, as the model has them, and its rotation.
ops::Problem problem_of(const Case& shape, const Settings& settings) {
  const at::TensorOptions options = at::TensorOptions(shape.dtype).device(settings.device);
  const at::Tensor packed =
      at::randn({shape.batch, shape.tokens, 3, shape.heads, shape.d}, options);
  const auto part = [&](int64_t i) { return packed.select(2, i).transpose(1, 2); };
  auto height = static_cast<int64_t>(std::sqrt(static_cast<double>(shape.tokens)));
  while (shape.tokens % height != 0) {
    --height;
  }
  const ops::Rotation rotation =
      ops::rope_tables(ops::rope_angle(shape.d), height, shape.tokens / height);
  return {.q = part(0),
          .k = part(1),
          .v = part(2),
          .cos = rotation.cos.to(settings.device),
          .sin = rotation.sin.to(settings.device),
          .map = settings.map};
}

bool wanted(const Settings& settings, std::string_view name) {
  return settings.implementations.empty() ||
         std::find(settings.implementations.begin(), settings.implementations.end(), name) !=
             settings.implementations.end();
}

// Each implementation that accepts the problem, timed in turn with the others.
std::vector<Measured> measure_linear(const ops::Problem& problem, const Settings& settings) {
  std::vector<Measured> measured;
  std::vector<std::function<void()>> forwards;
  std::vector<std::function<void()>> backwards;
  const at::Tensor dy = at::randn_like(problem.q);
  const auto bytes = static_cast<int64_t>(problem.q.nbytes());
  for (const ops::Implementation& row : ops::implementations()) {
    if (!wanted(settings, row.name) || !row.refuses(problem).empty()) {
      continue;
    }
    Measured& own = measured.emplace_back();
    own.name = row.name;
    own.forward_bytes = peak_extra_bytes([&] { row.forward(problem); }) - bytes;
    forwards.emplace_back([&problem, &row] { row.forward(problem); });
    if (settings.backward) {
      const ops::Forward forward = row.forward(problem);
      own.backward_bytes =
          peak_extra_bytes([&] { row.backward(problem, forward, dy); }) - 3 * bytes;
      backwards.emplace_back([&problem, &row, forward, dy] { row.backward(problem, forward, dy); });
    }
  }
  const auto forward = time_interleaved(forwards, settings.device, settings.repetition);
  const auto backward = time_interleaved(backwards, settings.device, settings.repetition);
  for (size_t i = 0; i < measured.size(); ++i) {
    measured[i].forward = forward[i];
    measured[i].backward = settings.backward ? backward[i] : Timing{};
  }
  return measured;
}

Measured measure_softmax(const ops::Problem& problem, const Settings& settings) {
  const auto run = [](const ops::Problem& p) {
    return ops::softmax_attention(p.q, p.k, p.v, p.cos, p.sin);
  };
  const auto bytes = static_cast<int64_t>(problem.q.nbytes());
  Measured own{.name = "softmax", .forward = {}, .backward = {}};
  own.forward_bytes = peak_extra_bytes([&] { run(problem); }) - bytes;
  own.forward = time_work([&] { run(problem); }, settings.device, settings.repetition);
  if (settings.backward) {
    const at::AutoGradMode on(true);
    ops::Problem leaves = problem;
    for (at::Tensor* x : {&leaves.q, &leaves.k, &leaves.v}) {
      *x = x->detach().requires_grad_();
    }
    const at::Tensor y = run(leaves);
    const at::Tensor dy = at::ones_like(y);
    const auto backward = [&] {
      y.backward(dy, /*retain_graph=*/true);
      for (const at::Tensor& x : {leaves.q, leaves.k, leaves.v}) {
        x.mutable_grad() = at::Tensor();
      }
    };
    own.backward_bytes = peak_extra_bytes(backward) - 3 * bytes;
    own.backward = time_work(backward, settings.device, settings.repetition);
  }
  return own;
}

// Softmax takes N^2: this many multiply-adds are some seconds on a CPU.
bool softmax_is_bearable(const Case& shape, const Settings& settings) {
  const double work = 2.0 * static_cast<double>(shape.batch * shape.heads * shape.d) *
                      static_cast<double>(shape.tokens) * static_cast<double>(shape.tokens);
  return settings.device.is_cpu() ? work < 6e10 : work < 1e14;
}

// The least traffic: q, k, v and y (and their gradients) once, the rotation's tables once.
double gigabytes(const Case& shape, int tensors) {
  const double values = static_cast<double>(shape.batch * shape.heads * shape.tokens * shape.d);
  const double tables = 8.0 * static_cast<double>(shape.tokens * shape.d);
  return (tensors * values * static_cast<double>(c10::elementSize(shape.dtype)) + tables) / 1e9;
}

double gigaflops(const Case& shape, int products) {
  return 4.0 * products *
         static_cast<double>(shape.batch * shape.heads * shape.tokens * shape.d * shape.d) / 1e9;
}

ordered_json row_of(const Case& shape, const Settings& settings, const Measured& m) {
  const bool linear = m.name != "softmax";
  const auto rate = [&](double amount, double ms) {
    return linear && ms > 0 ? ordered_json(amount / ms * 1e3) : ordered_json();
  };
  const auto backward = [&](ordered_json value) {
    return settings.backward ? std::move(value) : ordered_json();
  };
  return {{"implementation", m.name},
          {"feature_map", linear ? ops::names_of(settings.map)[static_cast<size_t>(settings.map)]
                                 : std::string_view("softmax")},
          {"device", settings.device.str()},
          {"dtype", dtype_name(shape.dtype)},
          {"batch", shape.batch},
          {"heads", shape.heads},
          {"head_dim", shape.d},
          {"tokens", shape.tokens},
          {"forward_ms", m.forward.median},
          {"forward_ms_least", m.forward.least},
          {"forward_ms_most", m.forward.most},
          {"backward_ms", backward(m.backward.median)},
          {"backward_ms_least", backward(m.backward.least)},
          {"backward_ms_most", backward(m.backward.most)},
          {"extra_bytes", m.forward_bytes},
          {"backward_extra_bytes", backward(m.backward_bytes)},
          {"forward_gb_per_s", rate(gigabytes(shape, 4), m.forward.median)},
          {"forward_gflop_per_s", rate(gigaflops(shape, 2), m.forward.median)},
          {"backward_gb_per_s", rate(gigabytes(shape, 7), m.backward.median)},
          {"backward_gflop_per_s", rate(gigaflops(shape, 4), m.backward.median)}};
}

void print_heading() {
  std::printf("%-14s %-9s %5s %2s %4s %6s %28s %28s %10s %10s %7s %8s\n", "implementation", "dtype",
              "batch", "h", "d", "N", "forward ms (least - most)", "backward ms (least - most)",
              "extra", "backward", "GB/s", "GFLOP/s");
}

void print_row(const Case& shape, const Settings& settings, const Measured& m) {
  const auto times = [](const Timing& t) {
    return fixed(t.median, 3) + " (" + fixed(t.least, 3) + " - " + fixed(t.most, 3) + ")";
  };
  const bool linear = m.name != "softmax";
  std::printf("%-14s %-9s %5jd %2jd %4jd %6jd %28s %28s %10s %10s %7s %8s\n", m.name.c_str(),
              dtype_name(shape.dtype).c_str(), static_cast<intmax_t>(shape.batch),
              static_cast<intmax_t>(shape.heads), static_cast<intmax_t>(shape.d),
              static_cast<intmax_t>(shape.tokens), times(m.forward).c_str(),
              settings.backward ? times(m.backward).c_str() : "",
              bytes_text(m.forward_bytes).c_str(),
              settings.backward ? bytes_text(m.backward_bytes).c_str() : "",
              linear ? fixed(gigabytes(shape, 4) / m.forward.median * 1e3, 1).c_str() : "",
              linear ? fixed(gigaflops(shape, 2) / m.forward.median * 1e3, 1).c_str() : "");
  std::fflush(stdout);
}

Settings settings_of(const CommandLine& line) {
  Settings settings;
  settings.device = line.start_device();
  settings.implementations = split_list(line.text("implementation"));
  const auto map = ops::feature_map_named(line.get<std::string>("feature-map"));
  if (!map) {
    throw Error(ErrorKind::usage, "--feature-map: unknown '" +
                                      line.get<std::string>("feature-map") +
                                      "'; known: relu_split cosine elu relu focused");
  }
  settings.map = *map;
  settings.backward = !line.has("forward-only");
  settings.softmax = wanted(settings, "softmax");
  settings.repetition.seconds = line.get<double>("seconds");
  for (const std::string& name : settings.implementations) {
    bool known = name == "softmax";
    for (const ops::Implementation& row : ops::implementations()) {
      known = known || row.name == name;
    }
    if (!known) {
      throw Error(ErrorKind::usage,
                  "--implementation: unknown '" + name + "'; nalaformer doctor lists them");
    }
  }
  return settings;
}

std::vector<Case> cases_of(const CommandLine& line) {
  std::vector<Case> cases;
  for (const std::string& dtype : split_list(line.get<std::string>("dtype"))) {
    for (const int64_t d : integers_of("head-dim", line.get<std::string>("head-dim"))) {
      if (d % 4 != 0) {
        throw Error(ErrorKind::usage,
                    "--head-dim: " + std::to_string(d) + " is not a multiple of 4");
      }
      for (const int64_t tokens : integers_of("tokens", line.get<std::string>("tokens"))) {
        cases.push_back({.batch = line.get<int64_t>("batch"),
                         .heads = line.get<int64_t>("heads"),
                         .d = d,
                         .tokens = tokens,
                         .dtype = dtype_named(dtype)});
      }
    }
  }
  if (cases.empty() || cases.front().batch < 1 || cases.front().heads < 1) {
    throw Error(ErrorKind::usage,
                "bench attention: --batch and --heads must be at least 1, and "
                "--tokens, --head-dim and --dtype not empty");
  }
  return cases;
}

}  // namespace

int bench_attention(int argc, char** argv) {
  const CommandLine line(
      {.name = "bench attention",
       .operands = "",
       .summary =
           "Times every implementation of linear attention, and softmax attention beside them, on\n"
           "slices of a packed projection with rotation. GB/s counts each input and output once;\n"
           "extra is memory beyond them. Repetitions of the implementations are interleaved.",
       .example = "nalaformer bench attention --tokens 784,3136 --head-dim 32,64 --dtype bfloat16"},
      [](cxxopts::OptionAdder& add) {
        using cxxopts::value;
        add("tokens", "token counts N",
            value<std::string>()->default_value("196,784,1024,3136,10240,16384,73984"), "LIST")(
            "head-dim", "channels of a head", value<std::string>()->default_value("32"), "LIST")(
            "dtype", "float32, bfloat16, float16", value<std::string>()->default_value("float32"),
            "LIST")("batch", "pictures", value<int64_t>()->default_value("1"))(
            "heads", "heads", value<int64_t>()->default_value("1"))(
            "feature-map", "relu_split, cosine, elu, relu or focused",
            value<std::string>()->default_value("relu_split"))(
            "implementation", "only these (softmax is one)", value<std::string>(), "LIST")(
            "forward-only", "leave the backward out")("seconds", "time to spend on each row",
                                                      value<double>()->default_value("0.5"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const Settings settings = settings_of(line);
  const std::vector<Case> cases = cases_of(line);
  const at::NoGradGuard no_grad;
  const MachineRates rates = machine_rates(settings.device, cases.front().dtype);
  std::printf("%s, %d threads: copies %.1f GB/s, matrix product %.1f GFLOP/s (%s)\n\n",
              settings.device.str().c_str(), at::get_num_threads(), rates.copy_gb_per_s,
              rates.gflop_per_s, dtype_name(cases.front().dtype).c_str());
  print_heading();
  ordered_json rows = ordered_json::array();
  for (const Case& shape : cases) {
    const ops::Problem problem = problem_of(shape, settings);
    std::vector<Measured> measured = measure_linear(problem, settings);
    if (settings.softmax && softmax_is_bearable(shape, settings)) {
      measured.push_back(measure_softmax(problem, settings));
    }
    for (const Measured& m : measured) {
      print_row(shape, settings, m);
      rows.push_back(row_of(shape, settings, m));
    }
  }
  line.write_json({{"command", "bench"},
                   {"subject", "attention"},
                   {"threads", at::get_num_threads()},
                   {"copy_gb_per_s", rates.copy_gb_per_s},
                   {"gemm_gflop_per_s", rates.gflop_per_s},
                   {"rows", std::move(rows)}},
                  settings.device.str(), std::nullopt);
  return 0;
}

}  // namespace nala::tools
