// Durable writing: whole or not at all.

#include "core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "core/error.h"

namespace nala {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("files_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  fs::path folder_;
};

TEST_F(Files, WriteReplacesWholeFiles) {
  write_file(folder_ / "deep/er/a", "first");
  write_file(folder_ / "deep/er/a", std::string("se\0cond", 7));
  EXPECT_EQ(read_file(folder_ / "deep/er/a"), std::string("se\0cond", 7));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "deep/er"), {}), 1);
}

TEST_F(Files, AbandonedWriterLeavesTheOldFileAndNothingElse) {
  write_file(folder_ / "a", "old");
  {
    FileWriter writer(folder_ / "a");
    writer.write("half of the n");
  }
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, FullDiskIsAnErrorAndLeavesTheOldFile) {
  write_file(folder_ / "a", "old");
  // A file size limit stands in for a full disk: write() fails after a part was written.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tight{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  EXPECT_THROW(write_file(folder_ / "a", std::string(5000, 'x')), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, ReadingIsBoundedAndRefusesFolders) {
  write_file(folder_ / "a", "12345");
  EXPECT_THROW(read_file(folder_ / "a", 4), Error);
  EXPECT_EQ(read_file(folder_ / "a", 5), "12345");
  EXPECT_THROW(read_file(folder_), Error);
  EXPECT_THROW(read_file(folder_ / "missing"), Error);
}

TEST_F(Files, WritingBelowAFileNamesThePath) {
  write_file(folder_ / "a", "x");
  try {
    write_file(folder_ / "a/b", "y");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a/b: cannot write: Not a directory"),
              std::string::npos);
  }
}

TEST_F(Files, LinksAreReplaced) {
  write_file(folder_ / "one", "1");
  write_file(folder_ / "two", "2");
  replace_link("one", folder_ / "latest");
  replace_link("two", folder_ / "latest");
  EXPECT_EQ(fs::read_symlink(folder_ / "latest"), "two");
  EXPECT_EQ(read_file(folder_ / "latest"), "2");
}

TEST_F(Files, Sha256KnowsThePublishedVectors) {
  // FIPS 180-4 examples.
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  write_file(folder_ / "a", std::string(1000000, 'a'));
  EXPECT_EQ(sha256_of_file(folder_ / "a"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(Files, OneLockPerFolder) {
  auto first = std::make_unique<FolderLock>(folder_);
  try {
    const FolderLock second(folder_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("process " + std::to_string(::getpid())),
              std::string::npos);
  }
  first.reset();
  EXPECT_NO_THROW(FolderLock{folder_});
}

}  // namespace
}  // namespace nala
