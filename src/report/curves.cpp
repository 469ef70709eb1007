#include "report/curves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

namespace nala::report {
namespace {

using nlohmann::json;

struct Known {
  std::string_view key;
  bool evaluation;
  std::string_view name;
  int better;         // 1: high, -1: low, 0: neither
  int decimals = -1;  // in the table; -1: significant digits instead
};

// In the order of the page. Keys that are not here follow under their own names.
constexpr std::array kKnown = {
    Known{"loss", false, "Training loss", 0},
    Known{"top1", true, "Top-1 accuracy, %", 1, 2},
    Known{"miou", true, "Mean IoU, %", 1, 2},
    Known{"psnr_y", true, "PSNR of luminance, dB", 1, 2},
    Known{"ssim_y", true, "SSIM of luminance", 1, 4},
    Known{"loss", true, "Validation loss", -1},
    Known{"lr", false, "Learning rate", 0},
    Known{"grad_norm", false, "Gradient norm", 0},
    Known{"top5", true, "Top-5 accuracy, %", 1, 2},
    Known{"macc", true, "Mean class accuracy, %", 1, 2},
    Known{"aacc", true, "Pixel accuracy, %", 1, 2},
    Known{"dice", true, "Mean Dice, %", 1, 2},
    Known{"psnr_rgb", true, "PSNR of RGB, dB", 1, 2},
    Known{"ssim_rgb", true, "SSIM of RGB", 1, 4},
    Known{"images_per_second", false, "Training speed, images/s", 0},
};

constexpr std::array<std::string_view, 4> kNoCurves = {"step", "epoch", "images", "position"};
constexpr size_t kSmoothFrom = 12;
constexpr double kSmoothShare = 0.015;

std::string_view last_part(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

// Position in kKnown; kKnown.size() for keys that are not in it.
size_t rank_of(const Curve& curve) {
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) {
    return k.evaluation == curve.evaluation && k.key == last_part(curve.key);
  });
  return static_cast<size_t>(known - kKnown.begin());
}

Known known_of(const Curve& curve) {
  const size_t rank = rank_of(curve);
  return rank < kKnown.size() ? kKnown[rank] : Known{curve.key, curve.evaluation, curve.key, 0};
}

// "sets.Set5.psnr_y" reads "Set5: PSNR of luminance, dB".
std::string name_of(const Curve& curve) {
  const size_t rank = rank_of(curve);
  if (rank == kKnown.size()) {
    return (curve.evaluation ? "Validation: " : "Training: ") + curve.key;
  }
  const std::string name(kKnown[rank].name);
  const std::string_view last = last_part(curve.key);
  if (last.size() == curve.key.size()) {
    return name;
  }
  const std::string path = curve.key.substr(0, curve.key.size() - last.size() - 1);
  return std::string(last_part(path)) + ": " + name;
}

// Where a line's numbers go: all of them share kind, weights and step.
struct Line {
  bool evaluation = false;
  std::string weights;
  double step = 0;
};

void add_point(const Line& line, const std::string& key, double value, std::vector<Curve>& curves) {
  auto curve = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) {
    return c.evaluation == line.evaluation && c.key == key && c.weights == line.weights;
  });
  if (curve == curves.end()) {
    curve = curves.insert(curves.end(),
                          {.evaluation = line.evaluation, .key = key, .weights = line.weights});
  }
  curve->points.push_back({line.step, value});
}

void add_numbers(const Line& line,
                 const json& object,
                 const std::string& prefix,
                 std::vector<Curve>& curves) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(kNoCurves.begin(), kNoCurves.end(), key) != kNoCurves.end()) {
      continue;
    }
    if (value.is_object()) {
      add_numbers(line, value, prefix + key + ".", curves);
    } else if (value.is_number()) {
      add_point(line, prefix + key, value.get<double>(), curves);
    } else if (value.is_null()) {
      add_point(line, prefix + key, std::numeric_limits<double>::quiet_NaN(), curves);
    }
  }
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The slots of the two usual kinds of weights are fixed, so that colours mean the same in every
// chart.
int slot_of(const std::string& weights, size_t position) {
  if (weights == "raw" || weights == "ema") {
    return weights == "ema" ? 1 : 0;
  }
  return static_cast<int>(2 + position % (kSlots - 2));
}

bool is_noisy(const Curve& curve) {
  const std::string_view key = last_part(curve.key);
  return !curve.evaluation &&
         (key.starts_with("loss") || key == "grad_norm" || key == "images_per_second") &&
         curve.points.size() >= kSmoothFrom;
}

std::vector<Series> series_of(const Curve& curve, size_t position) {
  if (is_noisy(curve)) {
    const double reach = std::max(1.5, kSmoothShare * static_cast<double>(curve.points.size()));
    return {{.name = "logged", .faint = true, .points = curve.points},
            {.name = "smoothed", .points = smoothed(curve.points, reach)}};
  }
  const std::string name =
      curve.weights.empty() ? std::string(last_part(curve.key)) : curve.weights;
  return {
      {.name = name,
       .slot = curve.evaluation && !curve.weights.empty() ? slot_of(curve.weights, position) : 0,
       .markers = curve.evaluation,
       .points = curve.points}};
}

bool has_value(const Curve& curve) {
  return std::any_of(curve.points.begin(), curve.points.end(),
                     [](const Point& point) { return std::isfinite(point.y); });
}

Result result_of(const Curve& curve) {
  const Known known = known_of(curve);
  Result result{.name = name_of(curve),
                .weights = curve.weights,
                .decimals = known.decimals,
                .comparable = known.better != 0};
  bool first = true;
  for (const Point& point : curve.points) {
    if (!std::isfinite(point.y)) {
      continue;
    }
    if (first || known.better * point.y > known.better * result.best.y) {
      result.best = point;
    }
    first = false;
  }
  result.last = curve.points.back();
  return result;
}

std::vector<Curve> in_page_order(std::vector<Curve> curves) {
  std::stable_sort(curves.begin(), curves.end(),
                   [](const Curve& a, const Curve& b) { return rank_of(a) < rank_of(b); });
  return curves;
}

}  // namespace

std::vector<Curve> curves_of(const std::vector<json>& metrics) {
  std::vector<Curve> curves;
  for (const json& object : metrics) {
    if (!object.is_object()) {
      continue;
    }
    const std::string kind = text_of(object, "kind");
    const auto step = object.find("step");
    if ((kind != "train" && kind != "eval") || step == object.end() || !step->is_number()) {
      continue;
    }
    const Line line{.evaluation = kind == "eval",
                    .weights = kind == "eval" ? text_of(object, "weights") : "",
                    .step = step->get<double>()};
    if (std::isfinite(line.step)) {
      add_numbers(line, object, "", curves);
    }
  }
  for (Curve& curve : curves) {
    std::stable_sort(curve.points.begin(), curve.points.end(),
                     [](const Point& a, const Point& b) { return a.x < b.x; });
  }
  return curves;
}

std::vector<Chart> charts_of(const std::vector<Curve>& curves) {
  std::vector<Chart> charts;
  for (const Curve& curve : in_page_order(curves)) {
    const std::string title = name_of(curve);
    auto chart = std::find_if(charts.begin(), charts.end(),
                              [&](const Chart& c) { return c.title == title; });
    if (chart == charts.end()) {
      chart = charts.insert(charts.end(), {.title = title, .x_label = "step"});
    }
    for (Series& series : series_of(curve, chart->series.size())) {
      chart->series.push_back(std::move(series));
    }
  }
  return charts;
}

std::vector<Result> results_of(const std::vector<Curve>& curves) {
  std::vector<Result> results;
  for (const bool evaluation : {true, false}) {
    for (const Curve& curve : in_page_order(curves)) {
      if (curve.evaluation == evaluation && has_value(curve)) {
        results.push_back(result_of(curve));
      }
    }
  }
  return results;
}

std::vector<Point> smoothed(const std::vector<Point>& points, double reach) {
  const double keep = std::exp(-1 / std::max(reach, 1e-3));
  std::vector<double> sums(points.size());
  std::vector<double> weights(points.size());
  // What lies before each point, then what lies behind it.
  const auto sweep = [&](auto first, auto last, auto index_of) {
    double sum = 0;
    double weight = 0;
    for (auto point = first; point != last; ++point) {
      sum *= keep;
      weight *= keep;
      const size_t i = index_of(point);
      sums[i] += sum;
      weights[i] += weight;
      if (std::isfinite(point->y)) {
        sum += point->y;
        weight += 1;
      }
    }
  };
  sweep(points.begin(), points.end(), [&](auto p) { return size_t(p - points.begin()); });
  sweep(points.rbegin(), points.rend(), [&](auto p) { return size_t(points.rend() - p) - 1; });
  std::vector<Point> out = points;
  for (size_t i = 0; i < out.size(); ++i) {
    if (std::isfinite(out[i].y)) {
      out[i].y = (sums[i] + out[i].y) / (weights[i] + 1);
    }
  }
  return out;
}

}  // namespace nala::report
