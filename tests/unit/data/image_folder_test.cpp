#include <gtest/gtest.h>

#include "data/dataset.h"
#include "support.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

std::string picture() {
  return encode_png(noise(3, 2));
}

DataConfig config_of(const fs::path& root) {
  DataConfig config;
  config.root.value = root.string();
  return config;
}

std::string error_of(const fs::path& root, Split split = Split::train) {
  return message_of([&] { build_dataset(config_of(root), split); });
}

void expect_words(const std::string& message, std::initializer_list<std::string> words) {
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "'" << word << "' is not in: " << message;
  }
}

TEST(ImageFolder, NumbersClassesAndFilesLikePython) {
  const TemporaryFolder folder;
  // Byte order: upper case before lower case, digits before letters, non-ASCII last.
  for (const char* name : {"b/2.png", "b/10.png", "b/A.PNG", "a/x.JPEG", "a/sub/0.png",
                           "a/sub-1/0.png", "Z/z.webp", "\xC3\xA9t\xC3\xA9/\xE7\x8C\xAB.bmp",
                           "b/notes.txt", "b/._2.png", ".hidden/h.png", "a/noextension"}) {
    folder.write(fs::path("train") / name, picture());
  }
  const auto dataset = build_dataset(config_of(folder.path()), Split::train);
  EXPECT_EQ(dataset->classes(), (std::vector<std::string>{"Z", "a", "b", "\xC3\xA9t\xC3\xA9"}));
  const std::vector<std::string> expected{
      "Z/z.webp", "a/x.JPEG", "a/sub/0.png", "a/sub-1/0.png",
      "b/10.png", "b/2.png",  "b/A.PNG",     "\xC3\xA9t\xC3\xA9/\xE7\x8C\xAB.bmp"};
  ASSERT_EQ(dataset->size(), static_cast<int64_t>(expected.size()));
  const std::vector<int64_t> labels{0, 1, 1, 1, 2, 2, 2, 3};
  for (int64_t i = 0; i < dataset->size(); ++i) {
    EXPECT_EQ(dataset->path(i),
              (folder.path() / "train" / expected[static_cast<size_t>(i)]).string());
    EXPECT_EQ(dataset->label(i), labels[static_cast<size_t>(i)]);
    EXPECT_EQ(dataset->load(i).image, noise(3, 2));
  }
}

TEST(ImageFolder, FollowsLinks) {
  const TemporaryFolder folder;
  folder.write("elsewhere/1.png", picture());
  fs::create_directories(folder.path() / "train/a");
  fs::create_directory_symlink(folder.path() / "elsewhere", folder.path() / "train/b");
  fs::create_symlink(folder.path() / "elsewhere/1.png", folder.path() / "train/a/link.png");
  EXPECT_EQ(build_dataset(config_of(folder.path()), Split::train)->size(), 2);
  fs::create_directory_symlink(folder.path() / "train/a", folder.path() / "train/a/cycle");
  expect_words(error_of(folder.path()), {"nested", "cycle"});
}

TEST(ImageFolder, ErrorsNameWhatIsWrong) {
  const TemporaryFolder folder;
  expect_words(message_of([] { build_dataset({}, Split::train); }), {"data.root: not given"});
  expect_words(error_of(folder.path() / "none"),
               {"none/train: no such folder", "not there either"});
  expect_words(error_of(folder.path()), {"train: no such folder", "holds no folders at all"});
  fs::create_directories(folder.path() / "train");
  expect_words(error_of(folder.path()), {"train: no class folders in it"});
  folder.write("train/1.png", picture());
  expect_words(error_of(folder.path()), {"it holds pictures", "a folder of its own"});
  folder.write("train/cat/1.png", picture());
  folder.write("train/dog/notes.txt", "no picture");
  expect_words(error_of(folder.path()), {"train/dog: class without a picture", ".jpeg"});
}

TEST(ImageFolder, SplitsMustHaveTheSameClasses) {
  const TemporaryFolder folder;
  for (const char* name :
       {"train/cat/1.png", "train/cow/1.png", "val/cat/1.png", "val/dog/1.png"}) {
    folder.write(name, picture());
  }
  for (const Split split : {Split::train, Split::val}) {
    const std::string message = error_of(folder.path(), split);
    expect_words(message, {"train: cow;", "val: dog;"});
    EXPECT_EQ(message.find("cat"), std::string::npos) << message;
  }
}

TEST(ImageFolder, AnEvaluationSetAloneIsFine) {
  const TemporaryFolder folder;
  folder.write("val/cat/1.png", picture());
  EXPECT_EQ(build_dataset(config_of(folder.path()), Split::val)->size(), 1);
}

TEST(ImageFolder, HintsAtTheRightLevel) {
  const TemporaryFolder folder;
  folder.write("pets/train/cat/1.png", picture());
  folder.write("flat/cat/1.png", picture());
  folder.write("parts/training/cat/1.png", picture());
  expect_words(error_of(folder.path() / "pets/train"),
               {"try data.root=" + (folder.path() / "pets").string()});
  expect_words(error_of(folder.path() / "pets/train/"),
               {"try data.root=" + (folder.path() / "pets").string()});
  expect_words(error_of(folder.path() / "flat"), {"holds class folders itself (cat)"});
  expect_words(error_of(folder.path() / "parts"), {"training", "data.train="});
  fs::remove_all(folder.path() / "flat");
  fs::remove_all(folder.path() / "parts");
  expect_words(error_of(folder.path()),
               {"one level deeper: try data.root=" + (folder.path() / "pets").string()});
}

TEST(Digits, MissingSetSaysHowToMakeIt) {
  DataConfig config;
  config.name = DatasetName::digits;
  config.root.value = "/nowhere/digits";
  expect_words(message_of([&] { build_dataset(config, Split::train); }),
               {"/nowhere/digits", "nalaformer data demo"});
}

}  // namespace
}  // namespace nala::data
