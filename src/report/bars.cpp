#include "report/bars.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "report/chart.h"
#include "report/html.h"

namespace nala::report {
namespace {

// The drawing in its own units, pixels of a screen.
constexpr double kPictureWidth = 820;
constexpr double kBarsLeft = 196;
constexpr double kBarsRight = 580;
constexpr double kNotesLeft = 592;
constexpr double kBarsTop = 84;
constexpr double kRowHeight = 26;
constexpr double kBarHeight = 15;
constexpr double kAxisHeight = 52;

constexpr std::string_view kBarStyle =
    "svg{background:#fff;font:13px system-ui,\"DejaVu Sans\",sans-serif}"
    "text{fill:#1c2129}.soft{fill:#5a6472}.title{font-size:16px;font-weight:600}"
    ".grid{stroke:#e7eaee}.value{fill:#a9c4e8}.floor{fill:#2563b8}"
    ".beyond{stroke:#2563b8;stroke-width:1.6}"
    "@media (prefers-color-scheme:dark){svg{background:#1d2229}text{fill:#e6e9ee}"
    ".soft{fill:#a2adbb}.grid{stroke:#2c333d}.value{fill:#3c5a80}.floor{fill:#7db1f5}"
    ".beyond{stroke:#7db1f5}}";

double length_of(double value) {
  return std::isfinite(value) && value > 0 ? value : 0;
}

std::string pixels(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

struct Placed {
  double x, y;
};

std::string label(Placed at, std::string_view look, std::string_view text) {
  return "<text x=\"" + pixels(at.x) + "\" y=\"" + pixels(at.y) + "\" " + std::string(look) + ">" +
         escape_html(text) + "</text>\n";
}

std::string box(Placed at, double width, std::string_view name) {
  return "<rect class=\"" + std::string(name) + "\" x=\"" + pixels(at.x) + "\" y=\"" +
         pixels(at.y) + "\" width=\"" + pixels(width) + "\" height=\"" + pixels(kBarHeight) +
         "\"/>\n";
}

std::string stroke(std::string_view name, const std::string& path) {
  return "<path class=\"" + std::string(name) + "\" fill=\"none\" d=\"" + path + "\"/>\n";
}

std::string drawn_bar(const Bar& bar, double top, double scale) {
  const double value = scale * length_of(bar.value);
  const double floor = scale * length_of(bar.floor);
  const double middle = top + kBarHeight / 2;
  const double text = middle + 4.5;
  std::string out = label({kBarsLeft - 10, text}, "text-anchor=\"end\"", bar.name) +
                    box({kBarsLeft, top}, value, "value") +
                    box({kBarsLeft, top}, std::min(floor, value), "floor");
  if (floor > value) {
    out += stroke("beyond", "M" + pixels(kBarsLeft + value) + " " + pixels(middle) + "H" +
                                pixels(kBarsLeft + floor) + "m0 -5v10");
  }
  return out + label({kNotesLeft, text}, "class=\"soft\"", bar.note);
}

std::string drawn_grid(const std::vector<double>& ticks, double scale, double floor) {
  std::string out;
  for (const double tick : ticks) {
    const double x = kBarsLeft + scale * tick;
    out += stroke("grid", "M" + pixels(x) + " " + pixels(kBarsTop - 6) + "V" + pixels(floor)) +
           label({x, floor + 17}, "class=\"soft\" text-anchor=\"middle\"", format_number(tick));
  }
  return out;
}

std::string drawn_legend(const BarChart& chart) {
  constexpr double kLegendLine = 62;
  constexpr double kSecond = 190;
  std::string out;
  double x = kBarsLeft;
  for (const bool solid : {false, true}) {
    out +=
        box({x, kLegendLine - 12}, 22, solid ? "floor" : "value") +
        label({x + 29, kLegendLine}, "class=\"soft\"", solid ? chart.floor_name : chart.value_name);
    x += kSecond;
  }
  return out;
}

}  // namespace

std::string render_bars(const BarChart& chart) {
  double longest = 0;
  for (const Bar& bar : chart.bars) {
    longest = std::max({longest, length_of(bar.value), length_of(bar.floor)});
  }
  const std::vector<double> ticks = axis_ticks(0, longest > 0 ? longest : 1, 6);
  const double scale = (kBarsRight - kBarsLeft) / ticks.back();
  const double floor = kBarsTop + kRowHeight * static_cast<double>(chart.bars.size());
  const std::string size = pixels(kPictureWidth) + " " + pixels(floor + kAxisHeight);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size +
                    "\" width=\"" + pixels(kPictureWidth) + "\" height=\"" +
                    pixels(floor + kAxisHeight) + "\" role=\"img\">\n<title>" +
                    escape_html(chart.title) + "</title>\n<style>" + std::string(kBarStyle) +
                    "</style>\n" + label({16, 25}, "class=\"title\"", chart.title) +
                    label({16, 44}, "class=\"soft\"", chart.subtitle) + drawn_legend(chart) +
                    drawn_grid(ticks, scale, floor);
  double top = kBarsTop;
  for (const Bar& bar : chart.bars) {
    out += drawn_bar(bar, top, scale);
    top += kRowHeight;
  }
  return out +
         label({(kBarsLeft + kBarsRight) / 2, floor + 38}, "class=\"soft\" text-anchor=\"middle\"",
               chart.axis) +
         "</svg>\n";
}

}  // namespace nala::report
