#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "report/page.h"
#include "reproduce/memory.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

// The paper: this much less peak memory than softmax at more than 70 000 tokens.
constexpr double kPublishedSaving = 92.3;
constexpr double kMegabyte = 1e6;

MemoryOptions memory_options(const CommandLine& line, const train::Recipe& recipe) {
  MemoryOptions options{.model = recipe.model,
                        .sides = integers_of("--sides", line.text("sides")),
                        .seconds = line.get<double>("seconds"),
                        .bytes = kMegabyte * line.get<double>("memory")};
  if (options.model.super_resolution.scale == 0) {
    options.model.super_resolution.scale = recipe.data.super_resolution.scale;
  }
  if (!std::is_sorted(options.sides.begin(), options.sides.end())) {
    throw Error(ErrorKind::usage, "--sides: expected ascending numbers");
  }
  return options;
}

std::string marked(const std::string& text, bool measured) {
  return text + (measured ? " " : "*");
}

void print_rows(const std::vector<MemoryRow>& rows) {
  std::printf("%-10s %-22s %10s %14s %14s\n", "", "", "tokens", "peak MB", "ms");
  for (const MemoryRow& row : rows) {
    std::printf("%-10s %-22s %10jd %14s %14s\n", std::string(name_of(row.subject)).c_str(),
                std::string(name_of(row.kind)).c_str(), static_cast<intmax_t>(row.tokens),
                marked(fixed(row.bytes / kMegabyte, 1), row.bytes_measured).c_str(),
                marked(fixed(row.milliseconds, 1), row.time_measured).c_str());
  }
  std::printf("* computed from smaller sizes, not measured\n");
}

// How much less the linear form takes than another, in percent.
double saving(const MemoryRow& nala, const MemoryRow& other) {
  return 100 * (1 - nala.bytes / other.bytes);
}

// Sentences for the whole network at the size nearest to the paper's.
ordered_json summary_of(const std::vector<MemoryRow>& rows, int64_t tokens) {
  const auto row = [&](MemoryKind kind) {
    return find_row(rows, MemorySubject::network, kind, tokens);
  };
  const MemoryRow nala = row(MemoryKind::nala);
  const MemoryRow fused = row(MemoryKind::softmax_fused);
  const MemoryRow written = row(MemoryKind::softmax_materialised);
  return {{"tokens", tokens},
          {"nala_peak_bytes", nala.bytes},
          {"softmax_fused_peak_bytes", fused.bytes},
          {"softmax_materialised_peak_bytes", written.bytes},
          {"saving_against_fused_percent", saving(nala, fused)},
          {"saving_against_materialised_percent", saving(nala, written)},
          {"published_saving_percent", kPublishedSaving},
          {"time_of_fused_over_nala", fused.milliseconds / nala.milliseconds}};
}

void print_summary(const ordered_json& summary) {
  const auto number = [&](const char* key) { return summary.at(key).get<double>(); };
  std::printf(
      "\nWhole network, %jd tokens, against FUSED softmax: %.0f MB and %.0f MB of peak memory "
      "(%.1f %% less), %.1f times the time for softmax.\n"
      "Against materialised softmax: %.0f MB and %.0f MB (%.1f %% less; published: %.1f %%).\n",
      static_cast<intmax_t>(summary.at("tokens").get<int64_t>()),
      number("nala_peak_bytes") / kMegabyte, number("softmax_fused_peak_bytes") / kMegabyte,
      number("saving_against_fused_percent"), number("time_of_fused_over_nala"),
      number("nala_peak_bytes") / kMegabyte, number("softmax_materialised_peak_bytes") / kMegabyte,
      number("saving_against_materialised_percent"), kPublishedSaving);
}

ordered_json to_json(const std::vector<MemoryRow>& rows) {
  ordered_json list = ordered_json::array();
  for (const MemoryRow& row : rows) {
    list.push_back({{"subject", name_of(row.subject)},
                    {"kind", name_of(row.kind)},
                    {"tokens", row.tokens},
                    {"peak_bytes", row.bytes},
                    {"forward_ms", row.milliseconds},
                    {"peak_measured", row.bytes_measured},
                    {"time_measured", row.time_measured}});
  }
  return list;
}

std::string to_csv(const std::vector<MemoryRow>& rows) {
  std::string text = "subject,kind,tokens,peak_bytes,forward_ms,peak_measured,time_measured\n";
  for (const MemoryRow& row : rows) {
    text.append(name_of(row.subject)).append(",\"").append(name_of(row.kind)).append("\",");
    text.append(std::to_string(row.tokens)).append(",").append(fixed(row.bytes, 0)).append(",");
    text.append(fixed(row.milliseconds, 3)).append(row.bytes_measured ? ",1" : ",0");
    text.append(row.time_measured ? ",1\n" : ",0\n");
  }
  return text;
}

// One chart of a number over the tokens.
report::Chart chart_of(const std::vector<MemoryRow>& rows,
                       MemorySubject subject,
                       const std::string& title,
                       const std::function<double(const MemoryRow&)>& value) {
  report::Chart chart{.title = title, .x_label = "tokens", .series = {}};
  int slot = 0;
  for (const MemoryKind kind :
       {MemoryKind::nala, MemoryKind::softmax_fused, MemoryKind::softmax_materialised}) {
    report::Series series{.name = std::string(name_of(kind)), .slot = slot++, .markers = true};
    for (const MemoryRow& row : rows) {
      if (row.subject == subject && row.kind == kind) {
        series.points.push_back({static_cast<double>(row.tokens), value(row)});
      }
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::string page_of(const std::vector<MemoryRow>& rows) {
  const auto megabytes = [](const MemoryRow& row) { return row.bytes / kMegabyte; };
  const auto time = [](const MemoryRow& row) { return row.milliseconds; };
  std::vector<report::Chart> charts;
  for (const MemorySubject subject : {MemorySubject::attention, MemorySubject::network}) {
    const std::string name(name_of(subject));
    charts.push_back(chart_of(rows, subject, name + ": peak memory, MB", megabytes));
    charts.push_back(chart_of(rows, subject, name + ": time, ms", time));
  }
  return report::render_charts("Peak memory and time over picture sizes", charts);
}

int reproduce_memory(const CommandLine& line) {
  const train::Recipe recipe = line.recipe(std::nullopt);
  const at::Device device = line.start_device();
  if (!device.is_cpu()) {
    throw Error(ErrorKind::usage, "--device: reproduce memory counts what the CPU allocates");
  }
  const MemoryOptions options = memory_options(line, recipe);
  const std::vector<MemoryRow> rows = measure_memory(options);
  print_rows(rows);
  constexpr int64_t kPaper = 73984;
  const auto nearest = std::min_element(
      options.sides.begin(), options.sides.end(),
      [&](int64_t a, int64_t b) { return std::abs(a * a - kPaper) < std::abs(b * b - kPaper); });
  const ordered_json summary = summary_of(rows, *nearest * *nearest);
  print_summary(summary);
  if (line.has("output")) {
    const std::filesystem::path folder = line.text("output");
    write_file(folder / "memory.csv", to_csv(rows));
    write_file(folder / "memory.html", page_of(rows));
  }
  line.write_json({{"table", "memory"}, {"rows", to_json(rows)}, {"summary", summary}},
                  device.str(), recipe);
  return 0;
}

}  // namespace

int run_reproduce(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce",
       .operands = "TABLE [key=value ...]",
       .summary = "Run what a table of the paper needs and print it beside the published values.\n"
                  "Tables: memory (peak memory and time of a super-resolution network and of its\n"
                  "attention, linear against softmax, over picture sizes).",
       .example = "nalaformer reproduce memory model.super_resolution.size=light --output out"},
      [](cxxopts::OptionAdder& add) {
        add("sides", "memory: sides of the square pictures, in low-resolution pixels",
            cxxopts::value<std::string>()->default_value("64,96,128,192,272,384"))(
            "seconds", "memory: longer forwards are computed, not run",
            cxxopts::value<double>()->default_value("60"))(
            "memory", "memory: larger forwards, in megabytes, are computed, not run",
            cxxopts::value<double>()->default_value("4000"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (line.operands() != std::vector<std::string>{"memory"}) {
    throw Error(ErrorKind::usage, "reproduce: expected the name of one table: memory");
  }
  return reproduce_memory(line);
}

}  // namespace nala::tools
