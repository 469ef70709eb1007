#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "analysis/binned.h"
#include "analyze/entropy.h"
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

constexpr int64_t kBins = 12;

// One side of a study: norms against entropies.
struct Side {
  const std::vector<double>& norms;
  const std::vector<double>& entropies;
  double correlation;
};

Side query_side(const analysis::EntropyStudy& study) {
  return {study.query_norms, study.row_entropies, study.query_correlation()};
}

Side key_side(const analysis::EntropyStudy& study) {
  return {study.key_norms, study.column_entropies, study.key_correlation()};
}

report::Chart chart_of_side(const std::string& title, const std::string& what, const Side& side) {
  report::Series cloud{.name = "each", .slot = 0, .dots = true};
  for (size_t i = 0; i < side.norms.size(); ++i) {
    if (side.norms[i] > 0) {
      cloud.points.push_back({side.norms[i], side.entropies[i]});
    }
  }
  report::Series curve{.name = "median", .slot = 1, .markers = true};
  for (const analysis::Bin& bin : analysis::binned(side.norms, side.entropies, kBins)) {
    if (bin.x > 0) {
      curve.points.push_back({bin.x, bin.median});
    }
  }
  return {.title = title + ", ρ = " + report::format_fixed(side.correlation, 2),
          .x_label = what,
          .series = {std::move(cloud), std::move(curve)},
          .log_x = true};
}

// The charts of one made pattern, one per kernel, for queries or for keys.
std::string made_section(const EntropyReport& all, const std::string& pattern, bool keys) {
  std::vector<report::Chart> charts;
  for (const EntropyResult& result : all.made) {
    if (result.source == pattern) {
      charts.push_back(keys ? chart_of_side(result.kernel.name(), "|k|", key_side(result.study))
                            : chart_of_side(result.kernel.name(), "|q|", query_side(result.study)));
    }
  }
  const std::string of = keys ? "columns against the key's norm" : "rows against the query's norm";
  return page_heading("Made data, " + pattern + ": entropy of " + of) + page_charts(charts);
}

// One chart per head, of the layer's own kernel.
std::string layer_section(const EntropyReport& all) {
  std::vector<report::Chart> charts;
  for (const EntropyResult& result : all.layers) {
    if (!result.own) {
      continue;
    }
    const std::string title =
        result.source + ", " + result.kernel.name() + ", head " + std::to_string(result.head);
    charts.push_back(chart_of_side(title, "|q|", query_side(result.study)));
  }
  return page_heading("Entropy of rows against the query's norm, each layer's own kernel") +
         page_charts(charts);
}

struct MeanCorrelations {
  double query = 0, key = 0;
  int64_t heads = 0, key_heads = 0;
  bool own = false;
};

using LayerAndKernel = std::pair<std::string, std::string>;

// Means over heads, in order of first appearance.
std::vector<std::pair<LayerAndKernel, MeanCorrelations>> by_layer_and_kernel(
    const std::vector<EntropyResult>& results) {
  std::vector<std::pair<LayerAndKernel, MeanCorrelations>> rows;
  for (const EntropyResult& result : results) {
    const LayerAndKernel name{result.source, result.kernel.name()};
    auto row =
        std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.first == name; });
    if (row == rows.end()) {
      row = rows.insert(rows.end(), {name, {.own = result.own}});
    }
    const double query = result.study.query_correlation();
    const double key = result.study.key_correlation();
    row->second.query += std::isfinite(query) ? query : 0;
    row->second.heads += std::isfinite(query) ? 1 : 0;
    row->second.key += std::isfinite(key) ? key : 0;
    row->second.key_heads += std::isfinite(key) ? 1 : 0;
  }
  for (auto& [name, row] : rows) {
    row.query /= static_cast<double>(row.heads);
    row.key /= static_cast<double>(row.key_heads);
  }
  return rows;
}

report::Table correlation_table(const std::vector<EntropyResult>& results) {
  report::Table table{.title = "Spearman's correlation of entropy and norm",
                      .columns = {{.name = "kernel"},
                                  {.name = "rows and |q|", .number = true},
                                  {.name = "columns and |k|", .number = true}}};
  for (const auto& [name, row] : by_layer_and_kernel(results)) {
    table.rows.push_back(
        {.cells = {name.second + (row.own ? " (its own)" : ""), report::format_fixed(row.query, 2),
                   report::format_fixed(row.key, 2)},
         .group = name.first});
  }
  return table;
}

std::string entropy_page(const EntropyReport& all) {
  std::string html = page_paragraph(
      "Positive sequence entropy of attention, in nats: of each query's row against the norm of "
      "that query, and of each key's column against the norm of that key. ρ is Spearman's "
      "correlation. On the made data directions are independent of norms, so what correlates is "
      "the formula. Clouds show at most 1500 points, curves the median of twelve equal groups.");
  html +=
      page_heading("Made data: Spearman's correlation") + table_html(correlation_table(all.made));
  for (const bool keys : {false, true}) {
    for (const char* pattern : {"spikes", "isotropic"}) {
      html += made_section(all, pattern, keys);
    }
  }
  if (!all.layers.empty()) {
    html += page_heading("Network " + all.network + ": Spearman's correlation, mean over heads") +
            table_html(correlation_table(all.layers)) + layer_section(all);
  }
  return report::render_body("Entropy of attention against norms", html);
}

int64_t empty_rows(const analysis::EntropyStudy& study) {
  return std::count_if(study.row_entropies.begin(), study.row_entropies.end(),
                       [](double value) { return std::isnan(value); });
}

ordered_json curve_json(const Side& side) {
  ordered_json curve = ordered_json::array();
  for (const analysis::Bin& bin : analysis::binned(side.norms, side.entropies, kBins)) {
    curve.push_back({{"norm", bin.x},
                     {"lower", bin.lower},
                     {"median", bin.median},
                     {"upper", bin.upper},
                     {"points", bin.points}});
  }
  return curve;
}

ordered_json result_json(const EntropyResult& result) {
  const Side query = query_side(result.study);
  const Side key = key_side(result.study);
  return {{"source", result.source},
          {"head", result.head},
          {"kernel", result.kernel.name()},
          {"own", result.own},
          {"spearman_query", query.correlation},
          {"spearman_key", key.correlation},
          {"rows", result.study.row_entropies.size()},
          {"empty_rows", empty_rows(result.study)},
          {"query_curve", curve_json(query)},
          {"key_curve", curve_json(key)}};
}

std::string summary_csv(const EntropyReport& all) {
  report::Table table{.columns = {{.name = "source"},
                                  {.name = "head"},
                                  {.name = "kernel"},
                                  {.name = "own"},
                                  {.name = "spearman_query"},
                                  {.name = "spearman_key"},
                                  {.name = "rows"},
                                  {.name = "empty_rows"}}};
  for (const auto* results : {&all.made, &all.layers}) {
    for (const EntropyResult& r : *results) {
      table.rows.push_back(
          {.cells = {r.source, std::to_string(r.head), r.kernel.name(), r.own ? "1" : "0",
                     fixed(r.study.query_correlation(), 4), fixed(r.study.key_correlation(), 4),
                     std::to_string(r.study.row_entropies.size()),
                     std::to_string(empty_rows(r.study))}});
    }
  }
  return report::to_csv(table);
}

void add_curve_rows(const EntropyResult& result,
                    const char* what,
                    const Side& side,
                    report::Table& table) {
  for (const analysis::Bin& bin : analysis::binned(side.norms, side.entropies, kBins)) {
    table.rows.push_back(
        {.cells = {result.source, std::to_string(result.head), result.kernel.name(), what,
                   fixed(bin.x, 5), fixed(bin.lower, 5), fixed(bin.median, 5), fixed(bin.upper, 5),
                   std::to_string(bin.points)}});
  }
}

std::string curves_csv(const EntropyReport& all) {
  report::Table table{.columns = {{.name = "source"},
                                  {.name = "head"},
                                  {.name = "kernel"},
                                  {.name = "of"},
                                  {.name = "norm"},
                                  {.name = "lower"},
                                  {.name = "median"},
                                  {.name = "upper"},
                                  {.name = "points"}}};
  for (const auto* results : {&all.made, &all.layers}) {
    for (const EntropyResult& result : *results) {
      add_curve_rows(result, "rows", query_side(result.study), table);
      add_curve_rows(result, "columns", key_side(result.study), table);
    }
  }
  return report::to_csv(table);
}

}  // namespace

ordered_json json_of(const EntropyReport& all) {
  ordered_json made = ordered_json::array();
  for (const EntropyResult& result : all.made) {
    made.push_back(result_json(result));
  }
  ordered_json layers = ordered_json::array();
  for (const EntropyResult& result : all.layers) {
    layers.push_back(result_json(result));
  }
  return {{"made", std::move(made)}, {"layers", std::move(layers)}};
}

void print_report(const EntropyReport& all) {
  std::printf("Spearman's correlation of entropy and norm%s\n%-26s %-26s %14s %14s\n",
              all.layers.empty() ? "" : " (layers: mean over heads)", "", "kernel", "rows, |q|",
              "columns, |k|");
  for (const auto* results : {&all.made, &all.layers}) {
    for (const auto& [name, row] : by_layer_and_kernel(*results)) {
      std::printf("%-26s %-26s %14s %14s%s\n", name.first.c_str(), name.second.c_str(),
                  report::format_fixed(row.query, 3).c_str(),
                  report::format_fixed(row.key, 3).c_str(), row.own ? "  its own" : "");
    }
  }
}

void write_report(const EntropyReport& all, const std::filesystem::path& folder) {
  write_file(folder / "entropy.html", entropy_page(all));
  write_file(folder / "entropy.csv", summary_csv(all));
  write_file(folder / "entropy_curves.csv", curves_csv(all));
  write_file(folder / "entropy.json", json_of(all).dump(1) + "\n");
}

}  // namespace nala::tools
