#include "data/check.h"

#include <gtest/gtest.h>

#include "support.h"

namespace nala::data {
namespace {

TEST(Check, CountsEveryFault) {
  const TemporaryFolder folder;
  const std::string good = encode_png(noise(30, 20));
  for (const char* name : {"train/a/1.png", "train/a/2.png", "train/b/1.png"}) {
    folder.write(name, good);
  }
  folder.write("train/b/small.jpg", encode_jpeg(noise(7, 9)));
  folder.write("train/a/empty.jpg", "");
  folder.write("train/a/text.jpg", "not a picture");
  folder.write("train/b/cut.png", good.substr(0, good.size() / 2));
  DataConfig config;
  config.root.value = folder.path().string();
  const auto dataset = build_dataset(config, Split::train);
  for (const int64_t workers : {1, 3}) {
    const CheckResult result = check_dataset(*dataset, workers);
    EXPECT_EQ(result.pictures, 7);
    EXPECT_EQ(result.per_class, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(result.smallest_side, 7);
    EXPECT_EQ(result.largest_side, 30);
    EXPECT_EQ(result.fault_counts, (std::array<int64_t, 6>{0, 2, 1, 0, 0, 0}));
    ASSERT_EQ(result.faulty.size(), 3U);
    EXPECT_EQ(result.faulty[0].path, (folder.path() / "train/a/empty.jpg").string());
    EXPECT_EQ(result.faulty[1].path, (folder.path() / "train/a/text.jpg").string());
    EXPECT_EQ(result.faulty[2].fault, Fault::truncated);
    EXPECT_TRUE(result.faulty[2].reason.starts_with(result.faulty[2].path));
  }
}

// Fails in a way that is no fault of a picture.
class OutOfMemory : public IndexPictures {
 public:
  using IndexPictures::IndexPictures;
  [[nodiscard]] Sample load(int64_t) const override { throw std::bad_alloc(); }
};

TEST(Check, OtherErrorsAreNotSwallowed) {
  EXPECT_THROW(check_dataset(OutOfMemory(5), 2), std::bad_alloc);
}

}  // namespace
}  // namespace nala::data
