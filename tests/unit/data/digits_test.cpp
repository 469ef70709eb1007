#include <gtest/gtest.h>

#include "data/dataset.h"
#include "data/demo_digits.h"
#include "support.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

// A sheet whose cells state their row and column: two halves of each cell.
Image numbered_sheet() {
  Image sheet(2000, 1000);
  for (int64_t y = 0; y < 1000; ++y) {
    for (int64_t x = 0; x < 6000; ++x) {
      const int64_t column = x / 60;
      sheet.row(y)[x] = static_cast<uint8_t>(x / 3 % 20 < 10 ? y / 20 : 100 + column);
    }
  }
  return sheet;
}

TEST(DemoDigits, CutsCellsIntoClassFolders) {
  const TemporaryFolder folder;
  write_png(folder.path() / "sheet.png", numbered_sheet());
  const fs::path output = folder.path() / "deep/digits";
  prepare_digits(folder.path() / "sheet.png", output);
  DataConfig config;
  config.name = DatasetName::digits;
  config.root.value = output.string();
  const auto train = build_dataset(config, Split::train);
  const auto val = build_dataset(config, Split::val);
  ASSERT_EQ(train->size(), 4500);
  ASSERT_EQ(val->size(), 500);
  EXPECT_EQ(val->classes(),
            (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
  int64_t index = 0;
  for (int64_t row = 0; row < 50; ++row) {
    for (int64_t column = 90; column < 100; ++column, ++index) {
      const Sample sample = val->load(index);
      ASSERT_EQ(sample.label, row / 5);
      ASSERT_EQ(sample.image.width, 20);
      ASSERT_EQ(sample.image.height, 20);
      ASSERT_EQ(sample.image.row(19)[0], row);
      ASSERT_EQ(sample.image.row(0)[59], 100 + column);
    }
  }
  EXPECT_EQ(train->load(4499).image.row(0)[59], 100 + 89);
  EXPECT_FALSE(fs::exists(folder.path() / "deep/digits.part"));
  // Complete: nothing to do. Not complete: not touched.
  prepare_digits(folder.path() / "sheet.png", output);
  fs::remove(output / "val/0/row00_column90.png");
  EXPECT_NE(message_of([&] {
              prepare_digits(folder.path() / "sheet.png", output);
            }).find("not the 5000 digits"),
            std::string::npos);
}

TEST(DemoDigits, LeavesNothingBehindWhenItFails) {
  const TemporaryFolder folder;
  write_png(folder.path() / "sheet.png", noise(200, 100));
  const std::string message =
      message_of([&] { prepare_digits(folder.path() / "sheet.png", folder.path() / "digits"); });
  EXPECT_NE(message.find("found 200 x 100"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(folder.path() / "digits"));
  folder.write("file", "in the way");
  write_png(folder.path() / "sheet.png", numbered_sheet());
  EXPECT_NE(message_of([&] {
              prepare_digits(folder.path() / "sheet.png", folder.path() / "file/digits");
            }),
            "");
}

TEST(DemoDigits, ASheetAlreadyThereIsUsed) {
  const TemporaryFolder folder;
  folder.write("digits.png", "here");
  EXPECT_EQ(fetch_digits_sheet(folder.path()), fs::absolute(folder.path() / "digits.png"));
}

}  // namespace
}  // namespace nala::data
