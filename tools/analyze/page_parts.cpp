#include "analyze/page_parts.h"

#include "report/html.h"

namespace nala::tools {

std::string page_heading(const std::string& text) {
  return "<h2>" + report::escape_html(text) + "</h2>\n";
}

std::string page_paragraph(const std::string& text) {
  return "<p>" + report::escape_html(text) + "</p>\n";
}

std::string page_charts(const std::vector<report::Chart>& charts) {
  std::string html = "<div class=\"charts\">\n";
  for (const report::Chart& chart : charts) {
    html += report::render_chart(chart) + "\n";
  }
  return html + "</div>\n";
}

}  // namespace nala::tools
