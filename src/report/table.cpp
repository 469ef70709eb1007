#include "report/table.h"

#include <algorithm>
#include <string_view>

#include "report/html.h"
#include "report/page.h"

namespace nala::report {
namespace {

bool has_groups(const Table& table) {
  return std::any_of(table.rows.begin(), table.rows.end(),
                     [](const Row& row) { return !row.group.empty(); });
}

std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out += "\\|";
    } else if (c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    out += c == '"' ? "\"" : "";
  }
  return out + "\"";
}

void append_csv_line(std::string& out, const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out += (i > 0 ? "," : "") + csv_cell(cells[i]);
  }
  out += "\n";
}

void append_html_rows(std::string& out, const Table& table) {
  std::string group;
  for (const Row& row : table.rows) {
    if (row.group != group) {
      group = row.group;
      out += "<tr><th scope=\"rowgroup\" colspan=\"" + std::to_string(table.columns.size()) +
             "\"><b>" + escape_html(group) + "</b></th></tr>\n";
    }
    out += "<tr>";
    for (size_t i = 0; i < row.cells.size(); ++i) {
      out += table.columns[i].number ? "<td class=\"number\">" : "<td>";
      out += escape_html(row.cells[i]) + "</td>";
    }
    out += "</tr>\n";
  }
}

}  // namespace

std::string to_markdown(const Table& table) {
  std::string out = "## " + table.title + "\n\n|";
  std::string line = "|";
  for (const Column& column : table.columns) {
    out += " " + markdown_cell(column.name) + " |";
    line += column.number ? "---:|" : "---|";
  }
  out += "\n" + line + "\n";
  std::string group;
  for (const Row& row : table.rows) {
    if (row.group != group) {
      group = row.group;
      out += "| **" + markdown_cell(group) + "** |";
      for (size_t i = 1; i < table.columns.size(); ++i) {
        out += " |";
      }
      out += "\n";
    }
    out += "|";
    for (const std::string& cell : row.cells) {
      out += " " + markdown_cell(cell) + " |";
    }
    out += "\n";
  }
  for (size_t i = 0; i < table.notes.size(); ++i) {
    out += (i == 0 ? "\n- " : "- ") + table.notes[i] + "\n";
  }
  return out;
}

std::string to_csv(const Table& table) {
  const bool groups = has_groups(table);
  std::vector<std::string> cells;
  if (groups) {
    cells.emplace_back("group");
  }
  for (const Column& column : table.columns) {
    cells.push_back(column.name);
  }
  std::string out;
  append_csv_line(out, cells);
  for (const Row& row : table.rows) {
    cells = row.cells;
    if (groups) {
      cells.insert(cells.begin(), row.group);
    }
    append_csv_line(out, cells);
  }
  return out;
}

std::string table_html(const Table& table) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const Column& column : table.columns) {
    out += "<th scope=\"col\"" + std::string(column.number ? " class=\"number\">" : ">") +
           escape_html(column.name) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  append_html_rows(out, table);
  out += "</tbody></table></div>\n";
  if (table.notes.empty()) {
    return out;
  }
  out += "<ul>\n";
  for (const std::string& note : table.notes) {
    out += "<li>" + escape_html(note) + "</li>\n";
  }
  return out + "</ul>\n";
}

std::string render_table(const Table& table) {
  return render_body(table.title, table_html(table));
}

}  // namespace nala::report
