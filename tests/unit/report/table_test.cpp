#include "report/table.h"

#include <gtest/gtest.h>

namespace nala::report {
namespace {

Table small_table() {
  return {.title = "Two cells",
          .columns = {{.name = "cell"}, {.name = "top-1", .number = true}},
          .rows = {{.cells = {"a|b", "1.5"}, .group = "first"},
                   {.cells = {"say \"<b>\", twice", "2"}, .group = "first"},
                   {.cells = {"two\nlines", "–"}, .group = "second"}},
          .notes = {"Seeds 0 and 1."}};
}

TEST(Table, MarkdownKeepsCellsInTheirPlace) {
  EXPECT_EQ(to_markdown(small_table()),
            "## Two cells\n\n"
            "| cell | top-1 |\n|---|---:|\n"
            "| **first** | |\n"
            "| a\\|b | 1.5 |\n"
            "| say \"&lt;b>\", twice | 2 |\n"
            "| **second** | |\n"
            "| two lines | – |\n"
            "\n- Seeds 0 and 1.\n");
}

TEST(Table, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(to_csv(small_table()),
            "group,cell,top-1\n"
            "first,a|b,1.5\n"
            "first,\"say \"\"<b>\"\", twice\",2\n"
            "second,\"two\nlines\",–\n");
}

TEST(Table, WithoutGroupsThereIsNoColumnOfThem) {
  const Table table{.title = "t", .columns = {{.name = "x"}}, .rows = {{.cells = {"1"}}}};
  EXPECT_EQ(to_csv(table), "x\n1\n");
  EXPECT_EQ(to_markdown(table), "## t\n\n| x |\n|---|\n| 1 |\n");
}

TEST(Table, PageEscapesAllText) {
  const std::string page = render_table(small_table());
  EXPECT_NE(page.find("say &quot;&lt;b&gt;&quot;, twice"), std::string::npos);
  EXPECT_EQ(page.find("<b>\", twice"), std::string::npos);
  EXPECT_NE(page.find("<td class=\"number\">1.5</td>"), std::string::npos);
  EXPECT_NE(page.find("<li>Seeds 0 and 1.</li>"), std::string::npos);
}

}  // namespace
}  // namespace nala::report
