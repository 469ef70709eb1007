#include "reproduce/memory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "core/error.h"
#include "core/files.h"
#include "core/growth.h"
#include "core/number_text.h"
#include "report/page.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

// The paper: this much less peak memory than softmax at more than 70 000 tokens.
constexpr double kPublishedSaving = 92.3;
constexpr double kMegabyte = 1e6;

// 64 or 64x160, height first.
std::vector<PictureSize> picture_sizes(const std::string& text) {
  std::vector<PictureSize> sizes;
  for (const std::string& part : split_list(text)) {
    const size_t cross = part.find('x');
    const int64_t height = integers_of("sides", part.substr(0, cross)).at(0);
    sizes.push_back({.height = height,
                     .width = cross == std::string::npos
                                  ? height
                                  : integers_of("sides", part.substr(cross + 1)).at(0)});
  }
  if (sizes.empty() || !std::is_sorted(sizes.begin(), sizes.end(),
                                       [](auto a, auto b) { return a.tokens() < b.tokens(); })) {
    throw Error(ErrorKind::usage, "--sides: expected ascending sizes such as 64,64x160,272");
  }
  return sizes;
}

MemoryOptions memory_options(const CommandLine& line, const train::Recipe& recipe) {
  MemoryOptions options{.model = recipe.model,
                        .sizes = picture_sizes(line.get<std::string>("sides")),
                        .seconds = line.get<double>("seconds"),
                        .bytes = kMegabyte * line.get<double>("memory")};
  if (options.model.super_resolution.scale == 0) {
    options.model.super_resolution.scale = recipe.data.super_resolution.scale;
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

// The power of the tokens that memory and time grow with, over the measured sizes.
struct Growth {
  MemorySubject subject = MemorySubject::attention;
  MemoryKind kind = MemoryKind::nala;
  double memory = 0;
  double time = 0;
};

Growth growth_of(const std::vector<MemoryRow>& rows, MemorySubject subject, MemoryKind kind) {
  std::vector<double> tokens;
  std::vector<double> bytes;
  std::vector<double> times;
  for (const MemoryRow& row : rows) {
    if (row.subject == subject && row.kind == kind && row.bytes_measured && row.time_measured) {
      tokens.push_back(static_cast<double>(row.tokens));
      bytes.push_back(row.bytes);
      times.push_back(row.milliseconds);
    }
  }
  return {subject, kind, growth_exponent(tokens, bytes), growth_exponent(tokens, times)};
}

std::vector<Growth> all_growths(const std::vector<MemoryRow>& rows) {
  std::vector<Growth> all;
  for (const MemorySubject subject : {MemorySubject::attention, MemorySubject::network}) {
    for (const MemoryKind kind :
         {MemoryKind::nala, MemoryKind::softmax_fused, MemoryKind::softmax_materialised}) {
      all.push_back(growth_of(rows, subject, kind));
    }
  }
  return all;
}

// "–" where fewer than two sizes were measured.
std::string exponent_text(double exponent) {
  return std::isnan(exponent) ? "–" : fixed(exponent, 2);
}

void print_growths(const std::vector<Growth>& growths) {
  std::printf(
      "\nGrowth exponent over the measured sizes (1: linear in the tokens, 2: quadratic)\n");
  for (const Growth& growth : growths) {
    std::printf("%-10s %-22s memory %s, time %s\n", std::string(name_of(growth.subject)).c_str(),
                std::string(name_of(growth.kind)).c_str(), exponent_text(growth.memory).c_str(),
                exponent_text(growth.time).c_str());
  }
}

ordered_json growths_as_json(const std::vector<Growth>& growths) {
  ordered_json list = ordered_json::array();
  for (const Growth& growth : growths) {
    list.push_back({{"subject", name_of(growth.subject)},
                    {"kind", name_of(growth.kind)},
                    {"memory", growth.memory},
                    {"time", growth.time}});
  }
  return list;
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

// A number of a row, and whether it was measured.
struct Plotted {
  std::string title;
  std::function<double(const MemoryRow&)> value;
  bool MemoryRow::*measured;
};

// One chart over the tokens: measured points have markers, from the last of them a pale line goes
// on through what was computed.
report::Chart chart_of(const std::vector<MemoryRow>& rows,
                       MemorySubject subject,
                       const Plotted& plotted) {
  report::Chart chart{.title = std::string(name_of(subject)) + ": " + plotted.title,
                      .x_label = "tokens",
                      .series = {},
                      .log_x = true};
  int slot = 0;
  for (const MemoryKind kind :
       {MemoryKind::nala, MemoryKind::softmax_fused, MemoryKind::softmax_materialised}) {
    const std::string name(name_of(kind));
    report::Series measured{.name = name, .slot = slot, .markers = true};
    report::Series computed{.name = name + " (computed)", .slot = slot, .faint = true};
    ++slot;
    for (const MemoryRow& row : rows) {
      if (row.subject != subject || row.kind != kind) {
        continue;
      }
      const report::Point point{static_cast<double>(row.tokens), plotted.value(row)};
      if (!(row.*plotted.measured)) {
        if (computed.points.empty() && !measured.points.empty()) {
          computed.points.push_back(measured.points.back());
        }
        computed.points.push_back(point);
      } else {
        measured.points.push_back(point);
      }
    }
    for (report::Series* series : {&measured, &computed}) {
      if (!series->points.empty()) {
        chart.series.push_back(std::move(*series));
      }
    }
  }
  return chart;
}

std::string page_of(const std::vector<MemoryRow>& rows) {
  const Plotted memory{.title = "peak memory, GB",
                       .value = [](const MemoryRow& row) { return row.bytes / 1e9; },
                       .measured = &MemoryRow::bytes_measured};
  const Plotted time{.title = "time, s",
                     .value = [](const MemoryRow& row) { return row.milliseconds / 1e3; },
                     .measured = &MemoryRow::time_measured};
  std::vector<report::Chart> charts;
  for (const MemorySubject subject : {MemorySubject::attention, MemorySubject::network}) {
    charts.push_back(chart_of(rows, subject, memory));
    charts.push_back(chart_of(rows, subject, time));
  }
  return report::render_charts("Peak memory and time over picture sizes", charts);
}

int measure_and_report(const CommandLine& line) {
  const train::Recipe recipe = line.recipe(std::nullopt);
  const at::Device device = line.start_device();
  if (!device.is_cpu()) {
    throw Error(ErrorKind::usage, "--device: reproduce memory counts what the CPU allocates");
  }
  const MemoryOptions options = memory_options(line, recipe);
  const std::vector<MemoryRow> rows = measure_memory(options);
  print_rows(rows);
  const std::vector<Growth> growths = all_growths(rows);
  print_growths(growths);
  constexpr int64_t kPaper = 73984;
  const auto nearest = std::min_element(
      options.sizes.begin(), options.sizes.end(), [&](PictureSize a, PictureSize b) {
        return std::abs(a.tokens() - kPaper) < std::abs(b.tokens() - kPaper);
      });
  const ordered_json summary = summary_of(rows, nearest->tokens());
  print_summary(summary);
  if (line.has("output")) {
    const std::filesystem::path folder = line.text("output");
    write_file(folder / "memory.csv", to_csv(rows));
    write_file(folder / "memory.html", page_of(rows));
  }
  line.write_json({{"table", "memory"},
                   {"machine", machine_text()},
                   {"rows", to_json(rows)},
                   {"growth", growths_as_json(growths)},
                   {"summary", summary}},
                  device.str(), recipe);
  return 0;
}

}  // namespace

int reproduce_memory(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce memory",
       .operands = "[key=value ...]",
       .summary = "Peak memory and time of a super-resolution network and of its attention over\n"
                  "picture sizes: linear, fused softmax, and softmax that writes its scores out.",
       .example = "nalaformer reproduce memory --sides 32,64x160,272,512 "
                  "model.super_resolution.size=light --output out"},
      [](cxxopts::OptionAdder& add) {
        add("sides", "low-resolution pictures, ascending: a side, or HEIGHTxWIDTH",
            cxxopts::value<std::string>()->default_value("64,96,128,192,272,384"),
            "LIST")("seconds", "longer forwards are computed, not run",
                    cxxopts::value<double>()->default_value("60"))(
            "memory", "larger forwards, in megabytes, are computed, not run",
            cxxopts::value<double>()->default_value("4000"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (!line.operands().empty()) {
    throw Error(ErrorKind::usage, "reproduce memory: expected key=value words alone");
  }
  return measure_and_report(line);
}

}  // namespace nala::tools
