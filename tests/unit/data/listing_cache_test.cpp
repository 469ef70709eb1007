#include "data/datasets/listing_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "data/datasets/folder_listing.h"
#include "support.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;

// A tree of two folders, changed an hour ago.
class ListingCacheTest : public testing::Test {
 protected:
  ListingCacheTest() {
    for (const char* name : {"set/a/1.png", "set/a/2.png", "set/a/deep/3.png", "set/b/4.png"}) {
      tree_.write(name, "x");
    }
    age();
  }

  void age() {
    const auto old = fs::file_time_type::clock::now() - hours(++age_);
    for (const char* name : {"set", "set/a", "set/a/deep", "set/b"}) {
      fs::last_write_time(root() / name, old);
    }
  }

  [[nodiscard]] const fs::path& root() const { return tree_.path(); }
  [[nodiscard]] fs::path file() const { return root() / "cache/listing"; }

  std::vector<std::string> list(ListingCache& cache) const {
    return list_pictures(root() / "set", cache);
  }

  // What a new object lists, how many folders it read, and its file written again.
  std::pair<std::vector<std::string>, int64_t> run() const {
    ListingCache cache(file());
    auto pictures = list(cache);
    cache.save(1);
    return {std::move(pictures), cache.folders_read()};
  }

  const std::vector<std::string> all_{"a/1.png", "a/2.png", "a/deep/3.png", "b/4.png"};
  TemporaryFolder tree_;
  int age_ = 0;
};

TEST_F(ListingCacheTest, ReadsEachFolderOnce) {
  EXPECT_EQ(run(), (std::pair{all_, int64_t{4}}));
  EXPECT_EQ(run(), (std::pair{all_, int64_t{0}}));
  EXPECT_EQ(list_pictures(root() / "set"), all_) << "without a cache";
}

TEST_F(ListingCacheTest, ReadsWhatChanged) {
  run();
  tree_.write("set/b/0.png", "x");
  fs::remove(root() / "set/b/4.png");
  fs::last_write_time(root() / "set/b", fs::file_time_type::clock::now() - seconds(1800));
  EXPECT_EQ(run(),
            (std::pair{std::vector<std::string>{"a/1.png", "a/2.png", "a/deep/3.png", "b/0.png"},
                       int64_t{1}}));
}

TEST_F(ListingCacheTest, DoesNotTrustTheTimeOfAFreshFolder) {
  fs::last_write_time(root() / "set/a", fs::file_time_type::clock::now());
  EXPECT_EQ(run().second, 4);
  EXPECT_EQ(run(), (std::pair{all_, int64_t{1}})) << "one that may have changed since";
}

TEST_F(ListingCacheTest, DamagedFilesCountAsAbsent) {
  run();
  const std::string bytes = read_file(file());
  for (size_t length = 0; length < bytes.size(); length += 3) {
    write_file(file(), bytes.substr(0, length));
    EXPECT_EQ(run(), (std::pair{all_, int64_t{4}})) << length;
  }
  for (size_t at = 0; at < bytes.size(); at += 3) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x04);
    write_file(file(), flipped);
    EXPECT_EQ(run(), (std::pair{all_, int64_t{4}})) << at;
  }
  // A right digest over a wrong form: a count beyond what is there.
  const std::string body("nalaformer folder listings 1\0/x\0005\0009999999999\0a\0", 53);
  write_file(file(), body + sha256(body));
  EXPECT_EQ(run(), (std::pair{all_, int64_t{4}}));
}

TEST_F(ListingCacheTest, SmallSetsAndUnwritablePlacesLeaveNothing) {
  ListingCache cache(file());
  list(cache);
  cache.save();
  EXPECT_FALSE(fs::exists(file()));
  ListingCache nowhere(root() / "set/a/1.png/below/a/file");
  EXPECT_EQ(list(nowhere), all_);
  nowhere.save(1);
}

TEST_F(ListingCacheTest, ForgetsFoldersThatAreGone) {
  run();
  fs::remove_all(root() / "set/a");
  age_ = 5;
  fs::last_write_time(root() / "set", fs::file_time_type::clock::now() - hours(5));
  EXPECT_EQ(run(), (std::pair{std::vector<std::string>{"b/4.png"}, int64_t{1}}));
  EXPECT_EQ(read_file(file()).find("deep"), std::string::npos);
}

}  // namespace
}  // namespace nala::data
