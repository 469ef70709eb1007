// Line charts as inline SVG, for the report page.
#pragma once

#include <string>
#include <vector>

namespace nala::report {

struct Point {
  double x = 0;
  double y = 0;  ///< not finite: the line is broken here
};

struct Series {
  std::string name;
  int slot = 0;        ///< colour and marker: 0 ... kSlots - 1
  bool faint = false;  ///< a thin pale line, below the others
  bool markers = false;
  bool dots = false;          ///< a cloud of pale dots, below the lines and not under the pointer
  std::vector<Point> points;  ///< x finite, and ascending unless `dots`
};

struct Chart {
  std::string title;
  std::string x_label;
  std::vector<Series> series;
  bool log_x = false;  ///< all x above 0
};

/// Number of distinct looks of a series (custom properties --s0 ... of the style sheet).
inline constexpr int kSlots = 4;

/// A <figure class="chart"> with title, legend, axes, lines and the data that the page's script
/// shows under the pointer; well-formed XML. Logarithmic where all values are positive and the
/// largest is more than 20 times the median. Long series are thinned to the extremes of about 300
/// intervals, clouds to 1500 dots. Without any finite value the figure says so.
std::string render_chart(const Chart& chart);

/// Round numbers that cover [low, high] (low <= high, finite), about `count` of them: multiples of
/// 1, 2 or 5 times a power of ten. For logarithmic axes low > 0, and powers of ten, with 2 and 5
/// between them where there are few.
std::vector<double> axis_ticks(double low, double high, int count);
std::vector<double> log_axis_ticks(double low, double high);

}  // namespace nala::report
