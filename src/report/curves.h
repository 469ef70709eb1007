// From the lines of metrics.jsonl to curves and results.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/chart.h"

namespace nala::report {

/// One number of the metrics over time, e.g. top1 of the EMA weights.
struct Curve {
  bool evaluation = false;    ///< from an evaluation, else from training
  std::string key;            ///< dotted where the line nests objects
  std::string weights;        ///< of an evaluation: raw, ema, ...
  std::vector<Point> points;  ///< by step, ascending
};

/// A value with the step it was measured at.
struct Result {
  std::string name;  ///< for people, e.g. "Top-1 accuracy, %"
  std::string weights;
  int decimals = -1;  ///< to show; -1: as many as are significant
  Point last;
  Point best;               ///< meaningless unless `comparable`
  bool comparable = false;  ///< whether the metric is known to be better high, or better low
};

/// Every number of every line of the shapes that report.h states, in order of first appearance,
/// apart from `step`, `epoch` and counts of pictures. Lines without a numeric step are ignored.
std::vector<Curve> curves_of(const std::vector<nlohmann::json>& metrics);

/// One chart per key, all weights of an evaluation in one, best-known metrics first. Noisy training
/// curves also get a smoothed line.
std::vector<Chart> charts_of(const std::vector<Curve>& curves);

/// Last and best value per curve, evaluations first. A curve without a finite value has none.
std::vector<Result> results_of(const std::vector<Curve>& curves);

/// Average over the points around each, with weights exp(-distance / reach) by number of points, so
/// that the line does not lag; values that are not finite stay as they are and do not count.
std::vector<Point> smoothed(const std::vector<Point>& points, double reach);

}  // namespace nala::report
