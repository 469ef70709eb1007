#include "eval/metrics/real_labels.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"

namespace nala::eval {
namespace {

namespace fs = std::filesystem;

class RealLabelsTest : public testing::Test {
 protected:
  RealLabelsTest() : file_(fs::path(testing::TempDir()) / "nala_real.json") {}
  ~RealLabelsTest() override { fs::remove(file_); }

  RealLabels read(const std::string& json) const {
    write_file(file_, json);
    return RealLabels::read(file_);
  }

  fs::path file_;
};

TEST_F(RealLabelsTest, CountPicturesWithAnAnswerAlone) {
  const RealLabels labels = read("[[3, 7], [], [999], [0]]");
  RealAccuracy accuracy(labels);
  accuracy.add("val/n01/ILSVRC2012_val_00000001.JPEG", 7);  // right, the second of two
  accuracy.add("ILSVRC2012_val_00000002.JPEG", 7);          // has no right answer
  accuracy.add("ILSVRC2012_val_00000003.JPEG", 3);          // wrong
  accuracy.add("4.png", 0);                                 // right, by its number alone
  EXPECT_EQ(accuracy.images(), 3);
  EXPECT_EQ(accuracy.right(), 2);
}

TEST_F(RealLabelsTest, RefusesNamesWithoutANumberOfTheList) {
  const RealLabels labels = read("[[3], [4]]");
  for (const char* name : {"cat.png", "ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_0.JPEG",
                           "val_1x.png", "val_-1.png", "val_99999999999999999999999.png", ""}) {
    EXPECT_THROW(static_cast<void>(labels.of(name)), Error) << name;
  }
}

TEST_F(RealLabelsTest, RefusesOtherFiles) {
  for (const char* text : {"", "[]", "{}", "[1]", "[[1.5]]", "[[-1]]", "[[1000]]", "[[\"1\"]]",
                           "[[1]", "[[1], null]"}) {
    EXPECT_THROW(read(text), Error) << text;
  }
  EXPECT_THROW(RealLabels::read(file_ / "missing"), Error);
}

}  // namespace
}  // namespace nala::eval
