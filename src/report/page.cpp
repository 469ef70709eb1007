#include "report/page.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "report/assets.h"
#include "report/chart.h"
#include "report/curves.h"
#include "report/html.h"

namespace nala::report {
namespace {

std::string head(const std::string& title) {
  // The policy lets the browser itself refuse whatever is not in this file.
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
         "data:; "
         "style-src 'unsafe-inline'; script-src 'unsafe-inline'\"/>\n<title>" +
         escape_html(title) + "</title>\n<style>" + std::string(kReportStyle) +
         "</style>\n</head>\n";
}

std::string heading(const Page& page) {
  return "<header><h1>" + escape_html(page.title) + "</h1><span class=\"state" +
         (page.finished ? " done\">✓ finished" : "\">in progress") + "</span></header>\n";
}

std::string facts(const Page& page) {
  if (page.facts.empty()) {
    return "";
  }
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : page.facts) {
    out += "<div><dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "</dd></div>";
  }
  return out + "</dl>\n";
}

std::string charts(const std::vector<Curve>& curves) {
  std::string out = "<h2>Curves</h2>\n";
  if (curves.empty()) {
    return out +
           "<p class=\"none\">No metrics yet: the first line is written after a few steps.</p>\n";
  }
  out += "<div class=\"charts\">\n";
  for (const Chart& chart : charts_of(curves)) {
    out += render_chart(chart) + "\n";
  }
  return out + "</div>\n";
}

std::string value_cell(const Point& point, int decimals) {
  return "<td class=\"number\">" +
         (decimals < 0 ? format_number(point.y, 4) : format_fixed(point.y, decimals)) +
         " <small>step " + format_number(point.x) + "</small></td>";
}

std::string result_row(const Result& result) {
  return "<tr><th scope=\"row\">" + escape_html(result.name) + "</th><td>" +
         escape_html(result.weights) + "</td>" + value_cell(result.last, result.decimals) +
         (result.comparable ? value_cell(result.best, result.decimals) : "<td></td>") + "</tr>\n";
}

std::string results(const std::vector<Curve>& curves) {
  const std::vector<Result> rows = results_of(curves);
  if (rows.empty()) {
    return "";
  }
  std::string out =
      "<h2>Results</h2>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">metric</th>"
      "<th scope=\"col\">weights</th><th scope=\"col\" class=\"number\">last</th>"
      "<th scope=\"col\" class=\"number\">best</th></tr></thead><tbody>\n";
  for (const Result& row : rows) {
    out += result_row(row);
  }
  return out + "</tbody></table></div>\n";
}

std::string panel(const Panel& panel) {
  std::string out = "<div><img alt=\"" + escape_html(panel.alt) +
                    "\" src=\"data:" + escape_html(panel.mime) + ";base64," + base64(panel.image) +
                    "\"/>";
  if (!panel.caption.empty()) {
    out += "<small>" + escape_html(panel.caption) + "</small>";
  }
  return out + "</div>";
}

std::string sample(const Sample& sample) {
  std::string out = "<figure class=\"sample";
  out += sample.panels.size() > 1 ? " wide" : "";
  out += sample.right == false ? " wrong" : "";
  out += "\">";
  for (const Panel& one : sample.panels) {
    out += panel(one);
  }
  out += "<figcaption><b>";
  if (sample.right) {
    out += *sample.right ? "<span class=\"mark-right\" title=\"right\">✓</span> "
                         : "<span class=\"mark-wrong\" title=\"wrong\">✗</span> ";
  }
  out += escape_html(sample.title) + "</b><span>" + escape_html(sample.note) + "</span>";
  for (const auto& [colour, name] : sample.legend) {
    out += " <small class=\"class\"><i style=\"background:" + escape_html(colour) + "\"></i>" +
           escape_html(name) + "</small>";
  }
  return out + "</figcaption></figure>\n";
}

std::string samples(const Page& page) {
  if (page.samples.empty()) {
    return "";
  }
  std::string out = "<h2>Sample predictions";
  if (page.samples.front().right) {
    const auto right = std::count_if(page.samples.begin(), page.samples.end(),
                                     [](const Sample& s) { return s.right == true; });
    out += ": " + std::to_string(right) + " of " + std::to_string(page.samples.size()) + " right";
  }
  out += "</h2>\n<div class=\"samples\">\n";
  for (const Sample& one : page.samples) {
    out += sample(one);
  }
  return out + "</div>\n";
}

std::string configuration(const Page& page) {
  return "<details><summary>Configuration, resolved</summary><pre>" +
         escape_html(page.config_yaml) + "</pre></details>\n";
}

}  // namespace

std::string render(const Page& page) {
  const std::vector<Curve> curves = curves_of(page.metrics);
  return head(page.title) + "<body>\n<main>\n" + heading(page) + facts(page) + charts(curves) +
         results(curves) + samples(page) + configuration(page) + "</main>\n<script>" +
         std::string(kReportScript) + "</script>\n</body>\n</html>\n";
}

std::string render_body(const std::string& title, const std::string& html) {
  return head(title) + "<body>\n<main>\n<header><h1>" + escape_html(title) + "</h1></header>\n" +
         html + "</main>\n<script>" + std::string(kReportScript) + "</script>\n</body>\n</html>\n";
}

std::string render_charts(const std::string& title, const std::vector<Chart>& charts) {
  std::string html = "<div class=\"charts\">\n";
  for (const Chart& chart : charts) {
    html += render_chart(chart) + "\n";
  }
  return render_body(title, html + "</div>\n");
}

}  // namespace nala::report
