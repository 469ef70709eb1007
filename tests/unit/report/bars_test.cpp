#include "report/bars.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace nala::report {
namespace {

BarChart two_bars() {
  return {.title = "Step of <T> & \"co\"",
          .subtitle = "one thread",
          .axis = "milliseconds",
          .value_name = "measured",
          .floor_name = "least",
          .bars = {{.name = "products", .value = 80, .floor = 60, .note = "75 %"},
                   {.name = "copies", .value = 10, .floor = 25, .note = "250 %"}}};
}

// The values of one attribute of the elements of a class, in order.
std::vector<double> numbers_of(const std::string& svg, std::string_view tag, std::string_view key) {
  std::vector<double> found;
  const std::string name = " " + std::string(key) + "=\"";
  for (size_t at = svg.find(tag); at != std::string::npos; at = svg.find(tag, at + 1)) {
    found.push_back(std::stod(svg.substr(svg.find(name, at) + name.size())));
  }
  return found;
}

TEST(Bars, LengthsAreInProportion) {
  const std::string svg = render_bars(two_bars());
  const auto values = numbers_of(svg, "<rect class=\"value\"", "width");
  const auto floors = numbers_of(svg, "<rect class=\"floor\"", "width");
  ASSERT_EQ(values.size(), 3U);  // the legend's first
  ASSERT_EQ(floors.size(), 3U);
  EXPECT_NEAR(values[2] / values[1], 10.0 / 80, 1e-3);
  EXPECT_NEAR(floors[1] / values[1], 60.0 / 80, 1e-3);
  // A floor beyond the bar fills it and goes on as a line.
  EXPECT_EQ(floors[2], values[2]);
  EXPECT_NE(svg.find("class=\"beyond\""), std::string::npos);
}

TEST(Bars, TextIsEscapedAndElementsAreClosed) {
  const std::string svg = render_bars(two_bars());
  EXPECT_NE(svg.find("Step of &lt;T&gt; &amp; &quot;co&quot;"), std::string::npos);
  for (const std::string name : {"svg", "style", "title"}) {
    EXPECT_NE(svg.find("<" + name), std::string::npos) << name;
    EXPECT_NE(svg.find("</" + name + ">"), std::string::npos) << name;
  }
}

TEST(Bars, WhatIsNotANumberHasNoLength) {
  BarChart chart = two_bars();
  chart.bars[0].value = std::numeric_limits<double>::quiet_NaN();
  chart.bars[1].floor = -1;
  const std::string svg = render_bars(chart);
  EXPECT_EQ(numbers_of(svg, "<rect class=\"value\"", "width")[1], 0);
  EXPECT_EQ(numbers_of(svg, "<rect class=\"floor\"", "width")[2], 0);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  chart.bars.clear();
  EXPECT_NE(render_bars(chart).find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace nala::report
