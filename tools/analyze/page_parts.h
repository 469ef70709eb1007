// Pieces of the analyses' pages.
#pragma once

#include <string>
#include <vector>

#include "report/chart.h"

namespace nala::tools {

/// HTML of a heading and of a paragraph; the text is escaped.
std::string page_heading(const std::string& text);
std::string page_paragraph(const std::string& text);
/// HTML of charts side by side.
std::string page_charts(const std::vector<report::Chart>& charts);

}  // namespace nala::tools
