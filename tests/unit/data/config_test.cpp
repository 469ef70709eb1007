#include "data/config.h"

#include <gtest/gtest.h>

#include "support.h"

namespace nala::data {
namespace {

DataConfig read(const std::string& yaml) {
  return config::read<DataConfig>(config::parse(yaml, "a.yaml"));
}

TEST(DataConfig, DefaultsAreValidAndRoundTrip) {
  const DataConfig defaults = read("");
  EXPECT_EQ(defaults.height(), 224);
  EXPECT_EQ(defaults.width(), 224);
  EXPECT_EQ(defaults.group_size(), 64);
  EXPECT_FALSE(defaults.augment.mixes());
  const std::string text = config::to_yaml(config::write(defaults));
  EXPECT_EQ(config::to_yaml(config::write(read(text))), text);
}

TEST(DataConfig, SizesAreOneNumberOrTwo) {
  EXPECT_EQ(read("image_size: 96").width(), 96);
  const DataConfig wide = read("image_size: [96, 128]");
  EXPECT_EQ(wide.height(), 96);
  EXPECT_EQ(wide.width(), 128);
}

void expect_refused(const std::string& yaml, const std::string& words) {
  const std::string message = message_of([&] { read(yaml); });
  EXPECT_NE(message.find(words), std::string::npos) << yaml << " gave: " << message;
  EXPECT_TRUE(message.starts_with("a.yaml:")) << message;
}

TEST(DataConfig, WrongValuesAreRefused) {
  expect_refused("image_size: []", "expected one number or [height, width]");
  expect_refused("image_size: [1, 2, 3]", "expected one number or [height, width]");
  expect_refused("image_size: 0", "out of range");
  expect_refused("mix_group: 48", "does not divide data.batch_size 64");
  expect_refused("{batch_size: 9, augment: {cutmix: 1}}", "odd");
  expect_refused("mean: [0.5]", "three numbers");
  expect_refused("std: [0.5, 0, 1]", "out of range");
  expect_refused("augment: {scale: [0.5, 0.1]}", "smallest");
  expect_refused("augment: {ratio: [1]}", "smallest");
  expect_refused("eval: {resize: 200}", "smaller than data.image_size 224");
  expect_refused("on_bad_file: ignore", "one of error skip");
  expect_refused("wrokers: 2", "did you mean 'workers'");
  read("{batch_size: 9}");
  read("eval: {resize: 200, crop: none}");
}

}  // namespace
}  // namespace nala::data
