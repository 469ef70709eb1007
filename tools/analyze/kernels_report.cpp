#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "analyze/kernels.h"
#include "analyze/page_parts.h"
#include "core/files.h"
#include "core/number_text.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/page.h"
#include "report/table.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;
using report::format_fixed;

// The measures in the order of the tables: name for people, name for programs, value, decimals.
struct Shown {
  const char* title;
  const char* key;
  double (*value)(const KernelResult&);
  int decimals;
};

constexpr Shown kShown[] = {
    {"information kept", "information_kept",
     [](const KernelResult& r) { return r.measures.information_kept; }, 3},
    {"r, exp(q·k/√d)", "correlation_with_exp",
     [](const KernelResult& r) { return r.measures.correlation_with_exp; }, 3},
    {"r, q·k", "correlation_with_inner",
     [](const KernelResult& r) { return r.measures.correlation_with_inner; }, 3},
    {"null channels, %", "nullified_channels_percent",
     [](const KernelResult& r) { return 100 * r.measures.nullified_channels; }, 1},
    {"null pairs, %", "nullified_pairs_percent",
     [](const KernelResult& r) { return 100 * r.measures.nullified_pairs; }, 1},
    {"least / most", "smallest_over_largest",
     [](const KernelResult& r) { return r.measures.smallest; }, 6},
    {"rank", "rank", [](const KernelResult& r) { return static_cast<double>(r.measures.rank); }, 0},
    {"eff. rank", "effective_rank", [](const KernelResult& r) { return r.measures.effective_rank; },
     1},
    {"ρ(PSE, |q|)", "entropy_correlation",
     [](const KernelResult& r) { return r.entropy_correlation; }, 2}};

std::vector<std::string> shown_values(const KernelResult& result) {
  std::vector<std::string> cells;
  for (const Shown& shown : kShown) {
    cells.push_back(format_fixed(shown.value(result), shown.decimals));
  }
  return cells;
}

report::Table with_measures(std::vector<report::Column> columns, const char* Shown::*name) {
  report::Table table{.title = "Kernels", .columns = std::move(columns)};
  for (const Shown& shown : kShown) {
    table.columns.push_back({.name = shown.*name, .number = true});
  }
  return table;
}

report::Table kernel_table(const KernelsReport& all) {
  report::Table table = with_measures({{.name = "kernel"}}, &Shown::title);
  for (const KernelResult& result : all.results) {
    std::vector<std::string> cells = shown_values(result);
    cells.insert(cells.begin(), result.kernel.name());
    table.rows.push_back({.cells = std::move(cells), .group = result.set});
  }
  return table;
}

// Norm injection x direction map.
report::Table injection_table(const KernelsReport& all) {
  report::Table table{.title = "Norm injection and direction map",
                      .columns = {{.name = "direction map"},
                                  {.name = "norm injected"},
                                  {.name = "ρ of entropy and |q|", .number = true},
                                  {.name = "information kept", .number = true},
                                  {.name = "channels nullified, %", .number = true}}};
  for (const KernelResult& result : all.results) {
    const ops::FeatureMap map = result.kernel.map;
    const bool injectable = map == ops::FeatureMap::relu_split || map == ops::FeatureMap::cosine;
    if (!result.kernel.softmax && injectable) {
      table.rows.push_back({.cells = {std::string(ops::kFeatureMapNames[static_cast<size_t>(map)]),
                                      result.kernel.norm_aware ? "yes" : "no",
                                      format_fixed(result.entropy_correlation, 2),
                                      format_fixed(result.measures.information_kept, 3),
                                      format_fixed(100 * result.measures.nullified_channels, 1)},
                            .group = result.set});
    }
  }
  return table;
}

report::Chart sweep_chart(const KernelsReport& all,
                          const std::string& set,
                          const std::string& parameter,
                          const Shown& shown) {
  report::Chart chart{.title = shown.title, .x_label = parameter, .log_x = true};
  for (const SweepPoint& point : all.sweeps) {
    if (point.parameter != parameter || point.result.set != set) {
      continue;
    }
    const std::string name = point.result.kernel.name();
    if (chart.series.empty() || chart.series.back().name != name) {
      chart.series.push_back(
          {.name = name, .slot = static_cast<int>(chart.series.size()), .markers = true});
    }
    chart.series.back().points.push_back({point.value, shown.value(point.result)});
  }
  return chart;
}

std::string sweep_section(const KernelsReport& all, const std::string& set) {
  std::string html;
  for (const char* parameter : {"lambda", "tau", "alpha"}) {
    std::vector<report::Chart> charts;
    for (const Shown& shown : kShown) {
      const std::string_view key = shown.key;
      if (key == "information_kept" || key == "entropy_correlation" ||
          key == "nullified_channels_percent" || key == "effective_rank") {
        charts.push_back(sweep_chart(all, set, parameter, shown));
      }
    }
    html += page_heading("Sweep of " + std::string(parameter) + ", " + set) + page_charts(charts);
  }
  return html;
}

std::string kernels_page(const KernelsReport& all) {
  std::string html = "<style>.scroll td,.scroll th{white-space:nowrap;padding:5px 10px}</style>\n";
  html += page_paragraph(
      "Information kept: for every query, Spearman's correlation over the keys between the "
      "kernel's "
      "similarity and the inner product q·k; the mean over queries. 1 means that the similarity "
      "orders the keys as the inner product does. r is Pearson's correlation over all pairs. "
      "Null channels: products q_c k_c, not 0, whose part in the similarity is at most a "
      "thousandth of what the sizes of the two features allow. Least / most: the smallest "
      "similarity over the largest; below 0 would be a negative one. ρ(PSE, |q|): Spearman's "
      "correlation of a row's entropy and its query's norm. Layers: mean over heads, rank "
      "of the first.");
  html += table_html(kernel_table(all));
  html += page_heading("Norm injection × direction map") + table_html(injection_table(all));
  std::string set;
  for (const SweepPoint& point : all.sweeps) {
    if (point.result.set != set) {
      set = point.result.set;
      html += sweep_section(all, set);
    }
  }
  return report::render_body("What kernels keep of inner products", html);
}

std::string kernels_csv(const KernelsReport& all) {
  report::Table table = with_measures({{.name = "set"}, {.name = "kernel"}}, &Shown::key);
  for (const KernelResult& result : all.results) {
    std::vector<std::string> cells{result.set, result.kernel.name()};
    for (const Shown& shown : kShown) {
      cells.push_back(fixed(shown.value(result), 6));
    }
    table.rows.push_back({.cells = std::move(cells)});
  }
  return report::to_csv(table);
}

std::string sweeps_csv(const KernelsReport& all) {
  report::Table table = with_measures(
      {{.name = "set"}, {.name = "parameter"}, {.name = "value"}, {.name = "kernel"}}, &Shown::key);
  for (const SweepPoint& point : all.sweeps) {
    std::vector<std::string> cells{point.result.set, point.parameter, fixed(point.value, 3),
                                   point.result.kernel.name()};
    for (const Shown& shown : kShown) {
      cells.push_back(fixed(shown.value(point.result), 6));
    }
    table.rows.push_back({.cells = std::move(cells)});
  }
  return report::to_csv(table);
}

ordered_json measures_json(const KernelResult& result) {
  ordered_json object{{"set", result.set}, {"kernel", result.kernel.name()}};
  for (const Shown& shown : kShown) {
    object[shown.key] = shown.value(result);  // what is not finite is written as null
  }
  return object;
}

}  // namespace

ordered_json json_of(const KernelsReport& all) {
  ordered_json rows = ordered_json::array();
  for (const KernelResult& result : all.results) {
    rows.push_back(measures_json(result));
  }
  ordered_json sweeps = ordered_json::array();
  for (const SweepPoint& point : all.sweeps) {
    ordered_json object{{"parameter", point.parameter}, {"value", point.value}};
    object.update(measures_json(point.result));
    sweeps.push_back(std::move(object));
  }
  return {{"rows", std::move(rows)}, {"sweeps", std::move(sweeps)}};
}

void print_report(const KernelsReport& all) {
  std::printf("%-22s %-26s %11s %9s %9s %10s %6s %8s %10s\n", "", "kernel", "information", "r exp",
              "r q.k", "nullified", "rank", "eff.rank", "rho PSE,|q|");
  for (const KernelResult& result : all.results) {
    const std::vector<std::string> cells = shown_values(result);
    std::printf("%-22s %-26s %11s %9s %9s %9s%% %6s %8s %10s\n", result.set.c_str(),
                result.kernel.name().c_str(), cells[0].c_str(), cells[1].c_str(), cells[2].c_str(),
                cells[3].c_str(), cells[6].c_str(), cells[7].c_str(), cells[8].c_str());
  }
}

void write_report(const KernelsReport& all, const std::filesystem::path& folder) {
  write_file(folder / "kernels.html", kernels_page(all));
  write_file(folder / "kernels.csv", kernels_csv(all));
  write_file(folder / "kernels_sweeps.csv", sweeps_csv(all));
  write_file(folder / "kernels.json", json_of(all).dump(1) + "\n");
}

}  // namespace nala::tools
