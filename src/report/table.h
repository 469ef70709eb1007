// A table of results, for people and for programs.
#pragma once

#include <string>
#include <vector>

namespace nala::report {

struct Column {
  std::string name;
  bool number = false;  ///< set to the right
};

/// Cells are texts as they are to be read; every row has one per column. Rows are kept together by
/// their `group`: a new one begins with its name where people read the table.
struct Row {
  std::vector<std::string> cells;
  std::string group;
};

struct Table {
  std::string title;
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::vector<std::string> notes;  ///< sentences below it
};

/// GitHub's Markdown: a heading of level 2, the table, groups as rows in bold, the notes as a list.
/// Whatever a cell holds stays in it: bars, line ends and angle brackets are escaped.
std::string to_markdown(const Table& table);

/// RFC 4180 with line feeds: a line of the columns' names, `group` first where rows have one.
/// Title and notes are left out.
std::string to_csv(const Table& table);

/// The table and its notes, without the title, as part of a page. All text is escaped.
std::string table_html(const Table& table);

/// One HTML page that needs nothing else, styled as the other reports. All text is escaped.
std::string render_table(const Table& table);

}  // namespace nala::report
