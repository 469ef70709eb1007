#include "report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "report/chart.h"
#include "report/curves.h"
#include "report/html.h"

namespace nala::report {
namespace {

using nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

bool contains(std::string_view text, std::string_view part) {
  return count_of(text, part) > 0;
}

// What stands between <script> or <style> and its end follows other rules than markup.
std::string without_raw_text(const std::string& page) {
  std::string out = page;
  for (const std::string name : {"style", "script"}) {
    const size_t start = out.find("<" + name + ">");
    const size_t end = out.find("</" + name + ">", start);
    if (start != std::string::npos && end != std::string::npos) {
      out.erase(start + name.size() + 2, end - start - name.size() - 2);
    }
  }
  return out;
}

// One tag of a text.
struct Tag {
  std::string_view name;
  bool closing = false;
  bool empty = false;
  size_t length = 0;  // with both brackets
};

bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == ':';
}

// False: the text does not start with a tag.
bool read_tag(std::string_view text, Tag& tag) {
  size_t i = 1;
  const auto name = [&] {
    const size_t start = i;
    while (i < text.size() && is_name(text[i])) {
      ++i;
    }
    return text.substr(start, i - start);
  };
  tag.closing = i < text.size() && text[i] == '/';
  i += tag.closing ? 1 : 0;
  tag.name = name();
  while (i < text.size() && text[i] == ' ') {
    ++i;
    const bool named = !name().empty();
    if (!named || text.substr(i, 2) != "=\"") {
      return false;
    }
    const size_t end = text.find_first_of("\"<", i + 2);
    if (end == std::string_view::npos || text[end] != '"') {
      return false;
    }
    i = end + 1;
  }
  tag.empty = i < text.size() && text[i] == '/';
  i += tag.empty ? 1 : 0;
  tag.length = i + 1;
  return !tag.name.empty() && i < text.size() && text[i] == '>';
}

bool starts_with_reference(std::string_view text) {
  return std::ranges::any_of(
      std::array<std::string_view, 5>{"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"},
      [&](std::string_view reference) { return text.starts_with(reference); });
}

// The first way in which the text is not well-formed XML; "" if none is found.
std::string xml_fault(std::string_view text) {
  std::vector<std::string_view> open;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    Tag tag;
    if (text[i] == '&' && !starts_with_reference(rest)) {
      return "a bare &: " + std::string(rest.substr(0, 60));
    }
    if (text[i] != '<') {
      ++i;
      continue;
    }
    if (!read_tag(rest, tag)) {
      return "not a tag: " + std::string(rest.substr(0, 60));
    }
    if (tag.closing) {
      if (open.empty() || open.back() != tag.name) {
        return "closes what is not open: " + std::string(tag.name);
      }
      open.pop_back();
    } else if (!tag.empty) {
      open.push_back(tag.name);
    }
    i += tag.length;
  }
  return open.empty() ? "" : "not closed: " + std::string(open.back());
}

std::string page_fault(const std::string& page) {
  constexpr std::string_view kDoctype = "<!DOCTYPE html>";
  if (!page.starts_with(kDoctype)) {
    return "no doctype";
  }
  return xml_fault(without_raw_text(page.substr(kDoctype.size())));
}

json train_line(int64_t step, double loss) {
  return {{"kind", "train"}, {"step", step}, {"epoch", 0}, {"loss", loss}, {"lr", 1e-3}};
}

json eval_line(int64_t step, const std::string& weights, double top1) {
  return {{"kind", "eval"}, {"step", step}, {"weights", weights}, {"top1", top1}, {"images", 500}};
}

const Chart& chart_named(const std::vector<Chart>& charts, const std::string& title) {
  const auto found = std::find_if(charts.begin(), charts.end(),
                                  [&](const Chart& chart) { return chart.title == title; });
  EXPECT_NE(found, charts.end()) << title;
  return found == charts.end() ? charts.at(0) : *found;
}

// What stands between `before` and the next quotation mark, each time.
std::vector<std::string> quoted_after(const std::string& text, const std::string& before) {
  std::vector<std::string> found;
  for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const size_t start = at + before.size();
    found.push_back(text.substr(start, text.find('"', start) - start));
  }
  return found;
}

// The data of the lines of a drawing, in order of drawing.
std::vector<std::string> line_data(const std::string& figure) {
  const std::string plot = figure.substr(std::min(figure.find("class=\"plot\""), figure.size()));
  std::vector<std::string> found;
  for (const std::string slot : {"s0", "s0 faint"}) {
    for (std::string& data : quoted_after(plot, "class=\"line " + slot + "\" d=\"")) {
      found.push_back(std::move(data));
    }
  }
  return found;
}

// The numbers of all lines, to see that none is missing or out of the drawing.
std::vector<double> path_numbers(const std::string& figure) {
  std::vector<double> numbers;
  for (std::string data : line_data(figure)) {
    std::ranges::replace_if(
        data, [](char c) { return c == 'M' || c == 'L'; }, ' ');
    std::istringstream stream(data);
    std::string word;
    while (stream >> word) {
      numbers.push_back(std::stod(word));
    }
  }
  return numbers;
}

TEST(XmlFault, SeesFaults) {
  EXPECT_EQ(xml_fault("<a b=\"c\"><d/>&amp;</a>"), "");
  for (const char* wrong :
       {"<a>", "</a>", "<a></b>", "a & b", "<a b=c></a>", "<a b=\"<\"/>", "<<", "<a onload></a>"}) {
    EXPECT_NE(xml_fault(wrong), "") << wrong;
  }
}

TEST(Html, Escapes) {
  EXPECT_EQ(escape_html("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escape_html("Größe\tx\ny"), "Größe\tx\ny");
  EXPECT_EQ(escape_html(std::string_view("\0\x1b\r", 3)), "\uFFFD\uFFFD\uFFFD");
}

// The examples of RFC 4648, section 10, and bytes above 127.
TEST(Html, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd\x80"), "//79gA==");
}

TEST(Html, Numbers) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(-0.0), "0");
  EXPECT_EQ(format_number(0.123456), "0.1235");
  EXPECT_EQ(format_number(9999), "9999");
  EXPECT_EQ(format_number(1234567), "1\u202f234\u202f567");
  EXPECT_EQ(format_number(-10000), "-10\u202f000");
  EXPECT_EQ(format_number(1e-6), "1e-6");
  EXPECT_EQ(format_number(-2.5e-10), "-2.5e-10");
  EXPECT_EQ(format_number(kNan), "–");
  EXPECT_EQ(format_number(-kInfinity), "–");
  EXPECT_EQ(format_fixed(98.8, 2), "98.80");
  EXPECT_EQ(format_fixed(kNan, 2), "–");
  EXPECT_EQ(format_fixed(1e308, 0).size(), 309U);
}

TEST(Chart, TicksAreRoundAndCover) {
  EXPECT_EQ(axis_ticks(0, 10, 6), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(axis_ticks(41, 99, 5), (std::vector<double>{40, 60, 80, 100}));
  EXPECT_EQ(axis_ticks(-3, 4, 5), (std::vector<double>{-4, -2, 0, 2, 4}));
  EXPECT_EQ(axis_ticks(5, 5, 5), (std::vector<double>{5}));
  const std::vector<double> decades = log_axis_ticks(0.002, 300);
  EXPECT_LE(decades.front(), 0.002);
  EXPECT_GE(decades.back(), 300);
  EXPECT_LE(decades.size(), 8U);
  EXPECT_EQ(log_axis_ticks(1.5, 60), (std::vector<double>{1, 2, 5, 10, 20, 50, 100}));
}

TEST(Chart, PutsValuesWhereTheyBelong) {
  const Chart chart{
      .title = "t", .x_label = "step", .series = {{.points = {{0, 0}, {50, 5}, {100, 10}}}}};
  // From the drawing's margins: x 52 ... 402, y 192 (0) ... 12 (10).
  EXPECT_EQ(path_numbers(render_chart(chart)), (std::vector<double>{52, 192, 227, 102, 402, 12}));
}

TEST(Chart, BreaksTheLineAtGaps) {
  const Chart chart{.series = {{.points = {{0, 1}, {1, 2}, {2, kNan}, {3, 2}, {4, 1}}}}};
  const std::string svg = render_chart(chart);
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_EQ(line_data(svg),
            std::vector<std::string>{"M52.0 192.0L139.5 12.0M314.5 12.0L402.0 192.0"});
  EXPECT_EQ(path_numbers(svg).size(), 8U);
}

TEST(Chart, ShowsALonePointAsAMark) {
  EXPECT_TRUE(contains(render_chart({.series = {{.points = {{7, 3}}}}}), "class=\"mark s0\""));
  EXPECT_TRUE(contains(render_chart({.series = {{.points = {{1, 3}, {2, kNan}, {3, 3}, {4, 3}}}}}),
                       "class=\"mark s0\""));
  EXPECT_FALSE(
      contains(render_chart({.series = {{.points = {{1, 3}, {2, 3}}}}}), "class=\"mark s0\""));
}

TEST(Chart, KeepsSpikesWhenThinning) {
  Series series;
  for (int i = 0; i < 100000; ++i) {
    series.points.push_back({double(i), i == 54321 ? 15.0 : 1 + 0.1 * (i % 7)});
  }
  const std::string svg = render_chart({.series = {series}});
  const std::vector<double> numbers = path_numbers(svg);
  EXPECT_LE(numbers.size(), 2U * 600);
  double top = kInfinity;
  for (size_t i = 1; i < numbers.size(); i += 2) {
    top = std::min(top, numbers[i]);
    EXPECT_TRUE(i < 3 || numbers[i - 1] >= numbers[i - 3]) << "x goes back at " << i;
  }
  EXPECT_EQ(top, 12);  // 15 is the highest tick
}

TEST(Chart, LogarithmicOnlyWhereItHelps) {
  const auto is_log = [](std::vector<Point> points) {
    return contains(render_chart({.series = {{.points = std::move(points)}}}), "log scale");
  };
  EXPECT_TRUE(is_log({{0, 1}, {1, 1}, {2, 25}}));
  EXPECT_FALSE(is_log({{0, 1}, {1, 2}, {2, 19}}));
  EXPECT_FALSE(is_log({{0, 0}, {1, 1}, {2, 100}}));
  EXPECT_FALSE(is_log({{0, -1}, {1, 1}, {2, 100}}));
}

// Nothing a run can log may give coordinates that are not numbers.
TEST(Chart, SurvivesExtremeValues) {
  const std::vector<double> values = {0,     -0.0,   5e-324, -5e-324,   1e-320,     1e-99, 1e99,
                                      1e300, -1e300, 1e308,  kInfinity, -kInfinity, kNan,  1};
  for (const double a : values) {
    for (const double b : values) {
      for (const double c : values) {
        const std::string svg =
            render_chart({.series = {{.markers = true, .points = {{0, a}, {1, b}, {2, c}}}}});
        ASSERT_EQ(xml_fault(svg), "");
        ASSERT_FALSE(contains(svg, "nan") || contains(svg, "inf")) << a << " " << b << " " << c;
        for (const double number : path_numbers(svg)) {
          ASSERT_TRUE(number >= 0 && number <= 420) << a << " " << b << " " << c;
        }
      }
    }
  }
}

TEST(Chart, SaysWhenThereIsNothing) {
  EXPECT_TRUE(contains(render_chart({.title = "a&b"}), "No values yet"));
  EXPECT_TRUE(contains(render_chart({.series = {{.points = {{1, kNan}}}}}), "No values yet"));
  EXPECT_EQ(xml_fault(render_chart({.title = "a&b"})), "");
}

TEST(Curves, SeparatesKindsWeightsAndNestedKeys) {
  const std::vector<Curve> curves = curves_of({train_line(20, 1.5),
                                               train_line(10, 2.5),
                                               eval_line(20, "raw", 90),
                                               eval_line(20, "ema", 95),
                                               {{"kind", "eval"},
                                                {"step", 20},
                                                {"weights", "raw"},
                                                {"sets", {{"Set5", {{"psnr_y", 30}}}}}}});
  ASSERT_EQ(curves.size(), 5U);  // loss, lr, top1 raw, top1 ema, sets.Set5.psnr_y
  EXPECT_EQ(curves[0].key, "loss");
  ASSERT_EQ(curves[0].points.size(), 2U);
  EXPECT_EQ(curves[0].points[0].x, 10);
  EXPECT_EQ(curves[0].points[0].y, 2.5);
  EXPECT_EQ(curves[3].weights, "ema");
  EXPECT_EQ(curves[4].key, "sets.Set5.psnr_y");
  const std::vector<Chart> charts = charts_of(curves);
  ASSERT_EQ(charts.size(), 4U);
  EXPECT_EQ(charts[0].title, "Training loss");
  EXPECT_EQ(charts[1].title, "Top-1 accuracy, %");
  EXPECT_EQ(charts[2].title, "Set5: PSNR of luminance, dB");
  ASSERT_EQ(charts[1].series.size(), 2U);
  EXPECT_NE(charts[1].series[0].slot, charts[1].series[1].slot);
}

TEST(Curves, IgnoresLinesOfOtherShapes) {
  EXPECT_TRUE(curves_of({nullptr,
                         3,
                         "train",
                         json::array(),
                         json::object(),
                         {{"kind", "train"}},
                         {{"kind", "train"}, {"step", "ten"}, {"loss", 1}},
                         {{"kind", 7}, {"step", 1}, {"loss", 1}},
                         {{"kind", "other"}, {"step", 1}, {"loss", 1}}})
                  .empty());
  const std::vector<Curve> curves = curves_of(
      {{{"kind", "train"}, {"step", 1}, {"loss", nullptr}, {"note", "x"}, {"list", {1}}}});
  ASSERT_EQ(curves.size(), 1U);
  EXPECT_TRUE(std::isnan(curves[0].points.at(0).y));
}

TEST(Curves, UnknownKeysGetChartsUnderTheirNames) {
  const std::vector<Chart> charts =
      charts_of(curves_of({{{"kind", "train"}, {"step", 1}, {"loss_aux", 1}, {"scale", 2}},
                           {{"kind", "eval"}, {"step", 1}, {"weights", "raw"}, {"kappa", 3}}}));
  ASSERT_EQ(charts.size(), 3U);
  EXPECT_EQ(chart_named(charts, "Training: loss_aux").series.size(), 1U);
  EXPECT_EQ(chart_named(charts, "Validation: kappa").series.size(), 1U);
}

TEST(Curves, BestKnowsTheDirection) {
  std::vector<json> lines;
  for (const auto& [step, top1, loss] :
       {std::tuple{1, 50.0, 2.0}, {2, 70.0, 0.5}, {3, 60.0, 1.0}}) {
    json line = eval_line(step, "raw", top1);
    line["loss"] = loss;
    lines.push_back(line);
    lines.push_back(train_line(step, loss));
  }
  lines.push_back({{"kind", "eval"}, {"step", 4}, {"weights", "raw"}, {"top1", nullptr}});
  const std::vector<Result> results = results_of(curves_of(lines));
  ASSERT_EQ(results.size(), 4U);  // top1, validation loss, training loss, lr
  EXPECT_EQ(results[0].best.x, 2);
  EXPECT_EQ(results[0].best.y, 70);
  EXPECT_TRUE(std::isnan(results[0].last.y));
  EXPECT_EQ(results[1].best.y, 0.5);
  EXPECT_EQ(results[1].last.y, 1.0);
  EXPECT_FALSE(results[2].comparable);
}

TEST(Curves, BestSkipsAFirstValueThatIsNotFinite) {
  json first = eval_line(1, "raw", 0);
  first["top1"] = nullptr;
  const std::vector<Result> results = results_of(curves_of({first, eval_line(2, "raw", 40)}));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].best.y, 40);
  EXPECT_TRUE(results_of(curves_of({first})).empty());
}

TEST(Curves, SmoothingKeepsConstantsLinesAndGaps) {
  std::vector<Point> flat;
  std::vector<Point> line;
  for (int i = 0; i < 201; ++i) {
    flat.push_back({double(i), 3});
    line.push_back({double(i), 2.0 * i});
  }
  flat[50].y = kNan;
  const std::vector<Point> smooth = smoothed(flat, 5);
  for (size_t i = 0; i < smooth.size(); ++i) {
    if (i == 50) {
      EXPECT_TRUE(std::isnan(smooth[i].y));
    } else {
      EXPECT_NEAR(smooth[i].y, 3, 1e-12);
    }
  }
  EXPECT_NEAR(smoothed(line, 5)[100].y, 200, 1e-6) << "the average lags";
}

// Weights exp(-|i - j| / reach), written out.
TEST(Curves, SmoothingIsTheStatedAverage) {
  const std::vector<Point> points = {{0, 4}, {1, -1}, {2, 2.5}, {3, 8}};
  const std::vector<Point> smooth = smoothed(points, 1.7);
  for (size_t i = 0; i < points.size(); ++i) {
    double sum = 0;
    double weight = 0;
    for (size_t j = 0; j < points.size(); ++j) {
      const double w = std::exp(-std::abs(double(i) - double(j)) / 1.7);
      sum += w * points[j].y;
      weight += w;
    }
    EXPECT_NEAR(smooth[i].y, sum / weight, 1e-12);
  }
}

TEST(Report, EmptyIsStillAPage) {
  const std::string page = render({});
  EXPECT_EQ(page_fault(page), "");
  EXPECT_TRUE(contains(page, "No metrics yet"));
  EXPECT_TRUE(contains(page, "in progress"));
}

TEST(Report, EscapesWhateverComesFromOutside) {
  const std::string evil =
      "</script></style><script>alert(1)</script><img src=x onerror=\"a\">'\"&\x01";
  Page input{.title = evil, .config_yaml = evil, .finished = true};
  input.facts = {{evil, evil}};
  input.samples = {
      {{{"bytes", evil, evil, evil}}, evil, evil, false},
      {{{"bytes", "image/png", "a", "b"}, {"bytes", evil, evil, evil}}, evil, evil, {}}};
  json line = train_line(1, 2);
  line[evil] = 3;
  input.metrics = {line, eval_line(1, evil, 4), eval_line(1, "ema", 5)};
  const std::string page = render(input);
  EXPECT_EQ(page_fault(page), "");
  EXPECT_EQ(count_of(page, "<script"), 1U);
  EXPECT_EQ(count_of(page, "</script"), 1U);
  EXPECT_EQ(count_of(page, "<img"), 3U);
  EXPECT_FALSE(contains(page, "<img src=x"));
}

TEST(Report, NeedsNothingFromOutside) {
  Page input{.title = "t"};
  input.samples = {{{{"x", "image/png", "a", "b"}}, "c", "d", {}}};
  input.metrics = {train_line(1, 2), eval_line(1, "raw", 4)};
  const std::string page = render(input);
  for (const char* link : {"http:", "https:", "href=", "url(", "@import", "src=\"/"}) {
    EXPECT_FALSE(contains(page, link)) << link;
  }
  EXPECT_TRUE(contains(page, "default-src 'none'"));
}

TEST(Report, MarksRightAndWrongNotByColourAlone) {
  Page input;
  input.samples = {{{{"foo", "image/png", "", ""}}, "seven", "98.7 %", true},
                   {{{"foo", "image/jpeg", "", ""}}, "one", "50.0 %; is seven", false}};
  const std::string page = render(input);
  EXPECT_TRUE(contains(page, "1 of 2 right"));
  EXPECT_TRUE(contains(page, "✓</span> seven"));
  EXPECT_TRUE(contains(page, "✗</span> one"));
  EXPECT_TRUE(contains(page, "50.0 %; is seven"));
  EXPECT_TRUE(contains(page, "98.7 %"));
  EXPECT_TRUE(contains(page, "data:image/png;base64,Zm9v"));
}

TEST(Report, TheLegendNamesTheColoursOfASample) {
  Page input;
  input.samples = {{.panels = {{"a", "image/png", "truth", "truth"}},
                    .title = "",
                    .note = "90 %",
                    .right = std::nullopt,
                    .legend = {{"#804020", "road <wet>"}}}};
  const std::string page = render(input);
  EXPECT_TRUE(contains(page, "<i style=\"background:#804020\"></i>road &lt;wet&gt;</small>"));
  EXPECT_EQ(xml_fault(without_raw_text(page).substr(page.find('\n') + 1)), "");
}

TEST(Report, PanelsOfASampleStandSideBySide) {
  Page input;
  input.samples = {{{{"foo", "image/png", "picture", "a street"},
                     {"foo", "image/png", "truth", "its labels"},
                     {"foo", "image/png", "prediction", "labels"}},
                    "street.png",
                    "81.2 % of the pixels right",
                    {}}};
  const std::string page = render(input);
  EXPECT_TRUE(contains(page, "<h2>Sample predictions</h2>")) << "nothing is plainly right or wrong";
  EXPECT_EQ(count_of(page, "class=\"sample wide\""), 1U);
  EXPECT_EQ(count_of(page, "<img"), 3U);
  EXPECT_TRUE(contains(page, "<small>truth</small>"));
  EXPECT_TRUE(contains(page, "alt=\"its labels\""));
}

TEST(Report, PointerDataIsJson) {
  Page input;
  input.metrics = {train_line(1, 2), train_line(2, kNan), train_line(3, 1)};
  const std::string page = render(input);
  std::string text = quoted_after(page, "data-points=\"").at(0);
  for (size_t at = text.find("&quot;"); at != std::string::npos; at = text.find("&quot;", at)) {
    text.replace(at, 6, "\"");
  }
  const json data = json::parse(text);
  EXPECT_EQ(data["x"], "step");
  ASSERT_EQ(data["series"].size(), 1U);
  ASSERT_EQ(data["series"][0]["points"].size(), 2U);
  EXPECT_EQ(data["series"][0]["points"][0][0], "1");
  EXPECT_EQ(data["series"][0]["points"][0][1], "2");
}

TEST(RenderCharts, IsAPageOfItsOwnWithEscapedTitles) {
  const Chart chart{.title = "memory",
                    .x_label = "tokens",
                    .series = {{.name = "fused", .points = {{1, 2}, {2, 3}}}}};
  const std::string page = render_charts("a < b", {chart, chart});
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  EXPECT_NE(page.find("<h1>a &lt; b</h1>"), std::string::npos);
  EXPECT_EQ(page.find("<h1>a < b"), std::string::npos);
  EXPECT_NE(page.find("fused"), std::string::npos);
  const size_t first = page.find("<figure class=\"chart\"");
  EXPECT_NE(page.find("<figure class=\"chart\"", first + 1), std::string::npos);
}

}  // namespace
}  // namespace nala::report
