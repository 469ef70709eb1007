#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>
#include <utility>

#include "report/html.h"

namespace nala::report {
namespace {

// The drawing in its own units; the page scales it to the column's width.
constexpr double kWidth = 420;
constexpr double kHeight = 230;
constexpr double kLeft = 52;
constexpr double kRight = 18;
constexpr double kTop = 12;
constexpr double kBottom = 38;
constexpr int kIntervals = 300;
constexpr double kLogarithmicRatio = 20;
constexpr size_t kMarkersUpTo = 60;
constexpr size_t kDots = 1500;
// Beyond these sizes the arithmetic of an axis would leave the range of double.
constexpr double kLargest = 1e100;
constexpr double kSmallest = 1e-100;

bool drawable(const Point& point) {
  return std::isfinite(point.y) && std::abs(point.y) <= kLargest;
}

std::string coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// From values to drawing units along one axis.
struct Axis {
  double low = 0;
  double high = 1;
  double start = 0;
  double end = 1;
  bool logarithmic = false;
  std::vector<double> ticks;

  [[nodiscard]] double place(double value) const {
    const double fraction =
        logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return start + fraction * (end - start);
  }
};

// An axis needs a length: a single value gets some room on both sides.
std::pair<double, double> widened(double low, double high) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low > 1e-9 * size && size >= kSmallest) {
    return {low, high};
  }
  const double room = std::abs(low) < kSmallest ? 1 : 0.05 * std::abs(low);
  return {low - room, high + room};
}

std::vector<double> finite_values(const Chart& chart) {
  std::vector<double> values;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      if (drawable(point)) {
        values.push_back(point.y);
      }
    }
  }
  std::sort(values.begin(), values.end());
  return values;
}

Axis value_axis(const std::vector<double>& sorted) {
  Axis axis{.start = kHeight - kBottom, .end = kTop};
  axis.logarithmic =
      sorted.front() >= kSmallest && sorted.back() > kLogarithmicRatio * sorted[sorted.size() / 2];
  if (axis.logarithmic) {
    axis.ticks = log_axis_ticks(sorted.front(), sorted.back());
  } else {
    const auto [low, high] = widened(sorted.front(), sorted.back());
    axis.ticks = axis_ticks(low, high, 5);
  }
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

// 1, 2 and 5 times the powers of ten between the ends of the axis; of a long one the powers alone.
std::vector<double> ticks_between(double low, double high) {
  constexpr double kLongAxis = 100;
  const auto factors = high / low > kLongAxis ? std::vector{1.0} : std::vector{1.0, 2.0, 5.0};
  std::vector<double> ticks;
  for (double power = std::floor(std::log10(low)); power <= std::log10(high); ++power) {
    for (const double factor : factors) {
      const double tick = factor * std::pow(10, power);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) {
        ticks.push_back(tick);
      }
    }
  }
  return ticks.empty() ? std::vector<double>{low} : ticks;
}

Axis horizontal_axis(const Chart& chart) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      low = std::min(low, point.x);
      high = std::max(high, point.x);
    }
  }
  Axis axis{.start = kLeft, .end = kWidth - kRight};
  std::tie(axis.low, axis.high) = widened(low, high);
  if (chart.log_x && axis.low >= kSmallest) {
    axis.logarithmic = true;
    axis.ticks = ticks_between(axis.low, axis.high);
    return axis;
  }
  for (const double tick : axis_ticks(axis.low, axis.high, 6)) {
    if (tick >= axis.low && tick <= axis.high && tick == std::floor(tick)) {
      axis.ticks.push_back(tick);
    }
  }
  if (low == high) {
    axis.ticks = {low};
  }
  return axis;
}

// Keeps the lowest and the highest point of every interval, so that no spike is lost.
std::vector<Point> thinned(const std::vector<Point>& points) {
  const size_t count = points.size();
  if (count <= size_t{2} * kIntervals) {
    return points;
  }
  std::vector<Point> kept;
  for (size_t i = 0; i < kIntervals; ++i) {
    const auto first = points.begin() + static_cast<int64_t>(i * count / kIntervals);
    const auto last = points.begin() + static_cast<int64_t>((i + 1) * count / kIntervals);
    const auto gap = std::find_if_not(first, last, drawable);
    if (gap != last) {
      kept.push_back(*gap);
      continue;
    }
    auto [low, high] =
        std::minmax_element(first, last, [](const Point& a, const Point& b) { return a.y < b.y; });
    kept.push_back(*std::min(low, high));
    if (low != high) {
      kept.push_back(*std::max(low, high));
    }
  }
  return kept;
}

// Evenly picked: a cloud has no extremes to keep, but a density.
std::vector<Point> thinned_dots(const std::vector<Point>& points) {
  std::vector<Point> kept;
  const size_t count = std::min(points.size(), kDots);
  for (size_t i = 0; i < count; ++i) {
    kept.push_back(points[i * points.size() / count]);
  }
  return kept;
}

struct Frame {
  Axis x;
  Axis y;
};

std::string line_path(const std::vector<Point>& points, const Frame& frame) {
  std::string path;
  bool broken = true;
  for (const Point& point : points) {
    if (!drawable(point)) {
      broken = true;
      continue;
    }
    path += broken ? "M" : "L";
    path += coordinate(frame.x.place(point.x)) + " " + coordinate(frame.y.place(point.y));
    broken = false;
  }
  return path;
}

// Shapes differ as well as colours: circle, square, diamond, triangle.
std::string marker(int slot, double x, double y) {
  static constexpr std::string_view kShapes[kSlots] = {
      "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", "m-2.8 -2.8h5.6v5.6h-5.6z",
      "m0 -3.8l3.8 3.8l-3.8 3.8l-3.8 -3.8z", "m0 -3.8l3.6 6.4h-7.2z"};
  return "M" + coordinate(x) + " " + coordinate(y) + std::string(kShapes[slot]);
}

std::string marker_path(const Series& series, const Frame& frame) {
  std::string path;
  for (const Point& point : series.points) {
    if (drawable(point)) {
      path += marker(series.slot, frame.x.place(point.x), frame.y.place(point.y));
    }
  }
  return path;
}

// A finite value between two that are not would not show as a line.
bool has_lone_point(const std::vector<Point>& points) {
  size_t run = 0;
  bool lone = false;
  for (const Point& point : points) {
    const bool finite = drawable(point);
    lone = lone || (!finite && run == 1);
    run = finite ? run + 1 : 0;
  }
  return lone || run == 1;
}

std::string drawn_dots(const Series& series, const Frame& frame) {
  std::string path;
  for (const Point& point : series.points) {
    if (drawable(point)) {
      path += "M" + coordinate(frame.x.place(point.x) - 1.2) + " " +
              coordinate(frame.y.place(point.y)) + "a1.2 1.2 0 1 0 2.4 0a1.2 1.2 0 1 0 -2.4 0";
    }
  }
  return "<path class=\"mark dots s" + std::to_string(series.slot) + "\" d=\"" + path + "\"/>";
}

std::string drawn_series(const Series& series, const Frame& frame) {
  if (series.dots) {
    return drawn_dots(series, frame);
  }
  const std::string slot = std::to_string(series.slot);
  std::string out = "<path class=\"line s" + slot + (series.faint ? " faint" : "") + "\" d=\"" +
                    line_path(series.points, frame) + "\"/>";
  if (series.points.size() <= kMarkersUpTo && (series.markers || has_lone_point(series.points))) {
    out += "<path class=\"mark s" + slot + "\" d=\"" + marker_path(series, frame) + "\"/>";
  }
  return out;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" +
         std::string(anchor) + "\">" + escape_html(text) + "</text>";
}

// As many digits as tell neighbouring ticks apart.
int digits_of(const std::vector<double>& ticks) {
  if (ticks.size() < 2) {
    return 4;
  }
  const double size = std::max(std::abs(ticks.front()), std::abs(ticks.back()));
  const double step = ticks[1] - ticks[0];
  return std::clamp(static_cast<int>(std::ceil(std::log10(size / step))) + 1, 4, 7);
}

std::string drawn_axes(const Chart& chart, const Frame& frame) {
  std::string out;
  const int digits = frame.y.logarithmic ? 4 : digits_of(frame.y.ticks);
  for (const double tick : frame.y.ticks) {
    const double y = frame.y.place(tick);
    out += "<path class=\"grid\" d=\"M" + coordinate(kLeft) + " " + coordinate(y) + "H" +
           coordinate(kWidth - kRight) + "\"/>" +
           text_at(kLeft - 6, y + 4.5, "end", format_number(tick, digits));
  }
  const double floor = kHeight - kBottom;
  for (const double tick : frame.x.ticks) {
    const double x = frame.x.place(tick);
    out += "<path class=\"grid\" d=\"M" + coordinate(x) + " " + coordinate(floor) + "v4\"/>" +
           text_at(x, floor + 17, "middle", format_number(tick));
  }
  out += text_at((kLeft + kWidth - kRight) / 2, kHeight - 4, "middle", chart.x_label);
  return out;
}

// What the script shows under the pointer: per series [x, y, place of x, place of y].
std::string pointer_data(const Chart& chart, const Frame& frame) {
  auto all = nlohmann::ordered_json::array();
  for (const Series& series : chart.series) {
    auto points = nlohmann::ordered_json::array();
    for (const Point& point : series.points) {
      if (drawable(point) && !series.dots) {
        points.push_back({format_number(point.x), format_number(point.y, 5),
                          std::round(frame.x.place(point.x) * 10) / 10,
                          std::round(frame.y.place(point.y) * 10) / 10});
      }
    }
    all.push_back({{"name", series.name}, {"slot", series.slot}, {"points", std::move(points)}});
  }
  return escape_html(nlohmann::ordered_json{{"x", chart.x_label}, {"series", std::move(all)}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string legend(const Chart& chart) {
  if (chart.series.size() < 2) {
    return "";
  }
  std::string out = "<span class=\"legend\">";
  for (const Series& series : chart.series) {
    const std::string slot = std::to_string(series.slot);
    out += "<span><svg viewBox=\"0 0 22 10\" aria-hidden=\"true\">";
    if (series.dots) {
      out += "<path class=\"mark dots s" + slot + "\" d=\"" + marker(0, 11, 5) + "\"/>";
    } else {
      out += "<path class=\"line s" + slot + (series.faint ? " faint" : "") + "\" d=\"M0 5H22\"/>";
    }
    if (series.markers) {
      out += "<path class=\"mark s" + slot + "\" d=\"" + marker(series.slot, 11, 5) + "\"/>";
    }
    out += "</svg>" + escape_html(series.name) + "</span>";
  }
  return out + "</span>";
}

std::string opening(const Chart& chart, std::string_view note) {
  return "<figure class=\"chart\"><figcaption><b>" + escape_html(chart.title) + "</b>" +
         std::string(note) + legend(chart) + "</figcaption>";
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count - 1, 1);
  if (!(rough > 0)) {
    return {low};
  }
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * (1 - 1e-9)) {
      step = factor * power;
    }
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::floor(low / step + 1e-9));
  const auto last = static_cast<int64_t>(std::ceil(high / step - 1e-9));
  for (int64_t i = first; i <= last; ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::vector<double> log_axis_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const int stride = std::max(1, (last - first + 5) / 6);
  std::vector<double> ticks;
  for (int power = first; power < last + stride; power += stride) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor == 1 || last - first <= 2) {
        ticks.push_back(factor * std::pow(10, power));
      }
    }
  }
  while (ticks.size() > 2 && ticks[1] <= low) {
    ticks.erase(ticks.begin());
  }
  while (ticks.size() > 2 && ticks[ticks.size() - 2] >= high) {
    ticks.pop_back();
  }
  return ticks;
}

std::string render_chart(const Chart& chart) {
  const std::vector<double> values = finite_values(chart);
  if (values.empty()) {
    return opening(chart, "") + "<p class=\"none\">No values yet.</p></figure>";
  }
  Chart drawn = chart;
  // Clouds and faint lines first, so that they lie below.
  const auto depth = [](const Series& series) { return series.dots ? 0 : series.faint ? 1 : 2; };
  std::stable_sort(drawn.series.begin(), drawn.series.end(),
                   [&](const Series& a, const Series& b) { return depth(a) < depth(b); });
  const Frame frame{.x = horizontal_axis(drawn), .y = value_axis(values)};
  std::string lines;
  for (Series& series : drawn.series) {
    series.slot = std::clamp(series.slot, 0, kSlots - 1);
    series.points = series.dots ? thinned_dots(series.points) : thinned(series.points);
    lines += drawn_series(series, frame);
  }
  return opening(drawn, frame.y.logarithmic ? " <small>log scale</small>" : "") +
         "<svg class=\"plot\" viewBox=\"0 0 " + format_number(kWidth) + " " +
         format_number(kHeight) + "\" role=\"img\" aria-label=\"" + escape_html(chart.title) +
         ", from " + format_number(values.front()) + " to " + format_number(values.back()) +
         "\" data-points=\"" + pointer_data(drawn, frame) + "\">" + drawn_axes(drawn, frame) +
         lines + "</svg></figure>";
}

}  // namespace nala::report
