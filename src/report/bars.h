// A chart of horizontal bars as an SVG file of its own.
#pragma once

#include <string>
#include <vector>

namespace nala::report {

struct Bar {
  std::string name;
  double value = 0;  ///< the bar's length
  double floor = 0;  ///< what it cannot fall below: the solid part; beyond the bar, a line
  std::string note;  ///< behind the bar
};

struct BarChart {
  std::string title;
  std::string subtitle;
  std::string axis;        ///< what the lengths are, with their unit
  std::string value_name;  ///< in the legend
  std::string floor_name;
  std::vector<Bar> bars;
};

/// One SVG document, well-formed XML, that needs nothing else; light and dark as the reader's
/// system has it. All text is escaped. Lengths that are negative or not finite are drawn as 0.
std::string render_bars(const BarChart& chart);

}  // namespace nala::report
