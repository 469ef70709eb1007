#include <cstdio>
#include <nlohmann/json.hpp>

#include "analysis/layer_capture.h"
#include "analyze/attention.h"
#include "analyze/entropy.h"
#include "analyze/kernels.h"
#include "analyze/studied_network.h"
#include "command_line.h"
#include "commands.h"
#include "core/error.h"

namespace nala::tools {
namespace {

int64_t positive(const CommandLine& line, const std::string& option, int64_t most) {
  const auto value = line.get<int64_t>(option);
  if (value < 1 || value > most) {
    throw Error(ErrorKind::usage, "--" + option + ": expected 1 to " + std::to_string(most) +
                                      ", found " + std::to_string(value));
  }
  return value;
}

// What the attentions see of each picture that the command line names.
struct Studied {
  std::optional<StudiedNetwork> network;
  std::vector<std::vector<analysis::CapturedLayer>> layers;  // per picture
};

void check_layers(const std::vector<analysis::CapturedLayer>& layers,
                  const StudiedNetwork& network) {
  if (layers.empty()) {
    throw Error(ErrorKind::checkpoint,
                network.source +
                    ": has no attention that can be looked at (pola's are not); "
                    "expected another feature map");
  }
}

Studied studied_layers(const CommandLine& line) {
  Studied studied;
  if (!line.has("checkpoint")) {
    if (!line.operands().empty()) {
      throw Error(ErrorKind::usage, "analyze: pictures need --checkpoint");
    }
    return studied;
  }
  studied.network = studied_network(line);
  for (const StudiedPicture& picture : studied_pictures(line, *studied.network)) {
    studied.layers.push_back(analysis::capture_layers(*studied.network->model, picture.input));
  }
  check_layers(studied.layers.front(), *studied.network);
  return studied;
}

std::optional<train::Recipe> recipe_of(const Studied& studied) {
  return studied.network ? std::optional(studied.network->recipe) : std::nullopt;
}

template <class Report>
void finish(const CommandLine& line, const Report& report, const Studied& studied) {
  print_report(report);
  if (line.has("output")) {
    write_report(report, line.text("output"));
  }
  line.write_json(json_of(report), studied.network ? studied.network->device.str() : "cpu",
                  recipe_of(studied));
}

void analyze_entropy(const CommandLine& line) {
  MadeOptions options{.queries = positive(line, "queries", 1 << 20),
                      .keys = positive(line, "keys", 1 << 20)};
  options.pattern.width = positive(line, "width", 4096);
  options.pattern.spikes = positive(line, "spikes", options.pattern.width);
  options.pattern.seed = line.get<uint64_t>("seed");
  const Studied studied = studied_layers(line);
  EntropyReport report{.made = study_made(options)};
  if (studied.network) {
    report.layers = study_layers(studied.layers, positive(line, "rows", 1 << 20));
    report.network = studied.network->source;
  }
  finish(line, report, studied);
}

void analyze_kernels(const CommandLine& line) {
  const int64_t tokens = positive(line, "tokens", 4096);
  const Studied studied = studied_layers(line);
  std::vector<KernelSet> sets =
      made_sets(positive(line, "width", 4096), tokens, line.get<uint64_t>("seed"));
  if (studied.network) {
    for (KernelSet& set : layer_sets(studied.layers, tokens)) {
      sets.push_back(std::move(set));
    }
  }
  finish(line, study_kernels(sets), studied);
}

void analyze_attention(const CommandLine& line) {
  const std::vector<PicturePoint> points = picture_points(line.get<std::string>("points"));
  if (!line.has("output")) {
    throw Error(ErrorKind::usage, "analyze attention: --output is needed: a folder for its pages");
  }
  const StudiedNetwork network = studied_network(line);
  std::vector<PictureStudy> studies;
  for (StudiedPicture& picture : studied_pictures(line, network)) {
    studies.push_back(study_picture(std::move(picture), network, points));
    check_layers(studies.back().layers, network);
  }
  print_attention(studies);
  write_attention(studies, line.get<double>("megabytes"), line.text("output"));
  line.write_json(attention_json(studies), network.device.str(), network.recipe);
}

void declare(cxxopts::OptionAdder& add) {
  add("checkpoint", "run folder, checkpoint folder, .safetensors or .pth",
      cxxopts::value<std::string>(),
      "CKPT")("weights", "raw or ema (default: ema where present)", cxxopts::value<std::string>())(
      "size", "side of the pictures, in place of the checkpoint's data.image_size",
      cxxopts::value<int64_t>())("seed", "of the made data",
                                 cxxopts::value<uint64_t>()->default_value("0"))(
      "width", "made data: channels of a head", cxxopts::value<int64_t>()->default_value("64"))(
      "spikes", "entropy: spiked channels of a made vector",
      cxxopts::value<int64_t>()->default_value("4"))(
      "queries", "entropy: made queries", cxxopts::value<int64_t>()->default_value("2048"))(
      "keys", "entropy: made keys", cxxopts::value<int64_t>()->default_value("1024"))(
      "rows", "entropy: rows per picture and head",
      cxxopts::value<int64_t>()->default_value("256"))(
      "points", "attention: tokens to map, shares of width and height",
      cxxopts::value<std::string>()->default_value("0.5,0.5;0.25,0.25"))(
      "megabytes", "attention: an explorer may be this large",
      cxxopts::value<double>()->default_value("15"))(
      "tokens", "kernels: queries and keys of a head",
      cxxopts::value<int64_t>()->default_value("256"));
}

}  // namespace

int run_analyze(int argc, char** argv) {
  // The first word names the analysis; the rest is as for the other commands.
  const std::string what = argc > 1 ? argv[1] : "";
  const int skipped = what.empty() || what.starts_with("-") ? 0 : 1;
  const CommandLine line(
      {.name = "analyze",
       .operands = "entropy|attention|kernels [PICTURE...]",
       .summary =
           "The paper's observations as figures and numbers, written into --output.\n"
           "entropy: entropy of attention against the norms of queries and keys, on made data "
           "and,\n"
           "with --checkpoint, on pictures. kernels: what each kernel keeps of inner products.\n"
           "attention: maps, receptive field and an explorer of a checkpoint on pictures.",
       .example = "nalaformer analyze entropy --checkpoint runs/digits datasets/digits/val/7 "
                  "--output out"},
      declare, argc - skipped, argv + skipped);
  if (line.help_shown()) {
    return 0;
  }
  if (what == "entropy") {
    analyze_entropy(line);
  } else if (what == "attention") {
    analyze_attention(line);
  } else if (what == "kernels") {
    analyze_kernels(line);
  } else {
    throw Error(ErrorKind::usage,
                "analyze: expected entropy, attention or kernels first, found '" + what + "'");
  }
  return 0;
}

}  // namespace nala::tools
