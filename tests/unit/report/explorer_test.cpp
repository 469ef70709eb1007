#include "report/explorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/chart.h"

namespace nala::report {
namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Cloud, IsDrawnAsDotsThinnedAndNotUnderThePointer) {
  Series cloud{.name = "each", .dots = true};
  for (int i = 0; i < 20000; ++i) {
    cloud.points.push_back({1.0 + i % 7, i * 0.001});
  }
  const std::string few =
      render_chart({.series = {{.dots = true, .points = {{3, 1}, {1, 2}, {2, 3}}},
                               {.slot = 1, .points = {{1, 1}, {3, 3}}}}});
  EXPECT_EQ(count_of(few, "a1.2 1.2 0 1 0 2.4 0"), 3U);
  EXPECT_EQ(count_of(few, "class=\"line s0\" d=\"M5"), 0U);
  // The pointer sees the curve alone.
  EXPECT_EQ(count_of(few, "&quot;points&quot;:[]"), 1U);
  EXPECT_EQ(count_of(render_chart({.series = {cloud}}), "a1.2 1.2 0 1 0 2.4 0"), 1500U);
}

// From the drawing's margins: x 52 ... 402, so the geometric mean of the ends is at 227.
TEST(LogarithmicX, PutsEqualRatiosAtEqualDistances) {
  const std::string svg =
      render_chart({.series = {{.points = {{0.1, 0}, {1, 1}, {10, 0}}}}, .log_x = true});
  EXPECT_EQ(count_of(svg, " d=\"M52.0 192.0L227.0 12.0L402.0 192.0\""), 1U);
  for (const char* tick : {">0.1<", ">0.2<", ">0.5<", ">1<", ">5<", ">10<"}) {
    EXPECT_GE(count_of(svg, tick), 1U) << tick;
  }
}

TEST(Ticks, OfANarrowRangeAreToldApart) {
  const std::string svg = render_chart({.series = {{.points = {{0, 6.9310}, {1, 6.93147}}}}});
  EXPECT_EQ(count_of(svg, ">6.931<"), 1U);
  EXPECT_EQ(count_of(svg, ">6.9312<"), 1U);
}

TEST(Explorer, KeepsForeignTextOutOfItsMarkup) {
  const Explorer explorer{.title = "</title><b>",
                          .picture = "jpeg",
                          .picture_width = 2,
                          .picture_height = 1,
                          .layers = {{.name = "</script><b>",
                                      .linear_name = "relu",
                                      .height = 1,
                                      .width = 2,
                                      .channels = 4,
                                      .halves = 1,
                                      .heads = {{.query = "foo", .query_scale = 0.5}}}}};
  const std::string page = render_explorer(explorer);
  EXPECT_EQ(count_of(page, "<b>"), count_of(render_explorer({.picture_width = 1}), "<b>"));
  EXPECT_EQ(count_of(page, "\\u003c/script>\\u003cb>"), 1U);
  EXPECT_EQ(count_of(page, "\"q\":\"Zm9v\""), 1U);
  EXPECT_EQ(count_of(page, "\"queryScale\":0.5"), 1U);
}

}  // namespace
}  // namespace nala::report
