// The page a run leaves for people: curves, results, sample predictions, configuration.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/chart.h"

namespace nala::report {

/// One picture of a sample.
struct Panel {
  std::string image;    ///< the bytes of an encoded picture
  std::string mime;     ///< of `image`: image/jpeg or image/png
  std::string caption;  ///< under it; may be empty
  std::string alt;      ///< for readers who cannot see it
};

/// One picture of the evaluation set with what the model made of it: one panel, or several side by
/// side.
struct Sample {
  std::vector<Panel> panels;
  std::string title;
  std::string note;
  std::optional<bool> right;  ///< where the model's answer is either right or wrong
  /// What the colours of the panels mean: CSS colours and names.
  std::vector<std::pair<std::string, std::string>> legend;
};

/// Everything the page shows.
struct Page {
  std::string title;
  std::string config_yaml;                                 ///< the resolved configuration
  std::vector<std::pair<std::string, std::string>> facts;  ///< name and value, in order
  /// The lines of metrics.jsonl. Training lines: {"kind": "train", "step": n, <numbers>};
  /// evaluations:
  /// {"kind": "eval", "step": n, "weights": name, <numbers, also in nested objects>}. Every number
  /// makes a curve; null counts as not finite; lines of another shape are ignored.
  std::vector<nlohmann::json> metrics;
  std::vector<Sample> samples;
  bool finished = false;
};

/// One HTML page that needs nothing else: no other file, no network. Light and dark as the reader's
/// system has it. All text is escaped, so class names and paths cannot add markup.
std::string render(const Page& page);

/// The same kind of page of charts alone.
std::string render_charts(const std::string& title, const std::vector<Chart>& charts);

/// The same kind of page below its title: `html` is put in as it is.
std::string render_body(const std::string& title, const std::string& html);

}  // namespace nala::report
