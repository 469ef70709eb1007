#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/datasets/class_list.h"
#include "data/datasets/shards.h"
#include "data/datasets/tar.h"
#include "data/loader.h"
#include "data/repeated_order.h"
#include "data/sampler.h"
#include "support.h"

namespace nala::data {
namespace {

std::string picture(int64_t key) {
  Image image(6, 5);
  std::fill(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(key));
  return encode_png(image);
}

DataConfig config_of(const TemporaryFolder& folder, DatasetName name) {
  DataConfig config;
  config.name = name;
  config.root.value = folder.path().string();
  return config;
}

uint8_t first_pixel(const Dataset& dataset, int64_t index) {
  return dataset.load(index).image.pixels[0];
}

// ---- Repeated augmentation

TEST(Repeated, IsDeiTsOrder) {
  // torch 2.11: g.manual_seed(3); torch.randperm(10, generator=g), three in a row.
  const RepeatedOrder order{.size = 10, .repeats = 3, .group_size = 2, .groups = 1};
  EXPECT_EQ(order.positions(), 10);
  EXPECT_EQ(order.of_epoch(3), (std::vector<int64_t>{6, 6, 6, 0, 0, 0, 3, 3, 3, 7}));
}

TEST(Repeated, DealsCopiesOutToTheGroups) {
  const RepeatedOrder one{.size = 700, .repeats = 3, .group_size = 8, .groups = 1};
  const RepeatedOrder four{.size = 700, .repeats = 3, .group_size = 8, .groups = 4};
  EXPECT_EQ(one.positions(), 512);
  EXPECT_EQ(four.positions(), 512);
  const auto list = one.of_epoch(5);
  const auto dealt = four.of_epoch(5);
  EXPECT_EQ(std::set(list.begin(), list.end()).size(), 171U);  // ceil(512 / 3)
  for (int64_t group = 0; group < 4; ++group) {
    for (int64_t i = 0; i < 128; ++i) {
      // Group g's i-th sample is entry i * 4 + g of the list.
      const int64_t position = i / 8 * 32 + group * 8 + i % 8;
      ASSERT_EQ(dealt[static_cast<size_t>(position)], list[static_cast<size_t>(i * 4 + group)]);
    }
  }
}

TEST(Repeated, LoaderShowsEachPictureThreeTimes) {
  DataConfig config;
  config.image_size = {8};
  config.batch_size = 16;
  config.workers = 1;
  config.augment.repeats = 3;
  Loader loader(std::make_shared<IndexPictures>(96), config, {.seed = 1});
  loader.start(0);
  std::map<int64_t, int> seen;
  int64_t total = 0;
  while (const auto batch = loader.next()) {
    for (const int64_t index : batch->indices) {
      ++seen[index];
      ++total;
    }
  }
  EXPECT_EQ(total, 96);
  EXPECT_EQ(seen.size(), 32U);
  for (const auto& [index, count] : seen) {
    EXPECT_EQ(count, 3);
  }
}

// ---- Lists

TEST(FileList, ReadsNamesAndNumbers) {
  const TemporaryFolder folder;
  folder.write("a/one.png", picture(1));
  folder.write("a/two words.png", picture(2));
  folder.write("train.txt", "a/one.png cat\r\n\na/two words.png\tdog\n");
  folder.write("val.txt", "a/one.png ant\n");
  DataConfig config = config_of(folder, DatasetName::file_list);
  config.train = "train.txt";
  config.val = "val.txt";
  const auto train = build_dataset(config, Split::train);
  EXPECT_EQ(train->classes(), (std::vector<std::string>{"ant", "cat", "dog"}));
  ASSERT_EQ(train->size(), 2);
  EXPECT_EQ(train->label(1), 2);
  EXPECT_EQ(first_pixel(*train, 1), 2);
  folder.write("train.txt", "a/one.png 4\n");
  folder.write("val.txt", "a/one.png 0\n");
  EXPECT_EQ(build_dataset(config, Split::val)->classes().size(), 5U);
  folder.write("train.txt", "a/one.png\n");
  EXPECT_NE(message_of([&] { build_dataset(config, Split::train); }).find("expected a path"),
            std::string::npos);
}

TEST(ClassLists, GiveLabelsAndNames) {
  const TemporaryFolder folder;
  folder.write("val/n02/x.png", picture(7));
  folder.write("list.tsv", "# comment\nn01\ttench\nn02\tgoldfish\nn03\n");
  DataConfig config = config_of(folder, DatasetName::image_folder);
  config.class_list.value = (folder.path() / "list.tsv").string();
  const auto val = build_dataset(config, Split::val);
  EXPECT_EQ(val->label(0), 1);
  EXPECT_EQ(val->classes(), (std::vector<std::string>{"n01 tench", "n02 goldfish", "n03"}));
  folder.write("val/n09/x.png", picture(7));
  EXPECT_NE(message_of([&] { build_dataset(config, Split::val); }).find("not in data.class_list"),
            std::string::npos);
  folder.write("list.tsv", "n01\nn01\n");
  EXPECT_NE(message_of([&] { ClassList::read(config.class_list.value); }).find("twice"),
            std::string::npos);
}

TEST(ImageNet, FlatValidationWithSynsetsOrNumbers) {
  const TemporaryFolder folder;
  folder.write("train/n01/x.png", picture(1));
  folder.write("train/n05/x.png", picture(1));
  folder.write("val/ILSVRC2012_val_00000001.PNG", picture(11));
  folder.write("val/ILSVRC2012_val_00000002.PNG", picture(12));
  folder.write("synsets.txt", "n05\nn01\n");
  DataConfig config = config_of(folder, DatasetName::imagenet);
  config.val_labels.value = (folder.path() / "synsets.txt").string();
  auto val = build_dataset(config, Split::val);
  EXPECT_EQ(val->classes(), (std::vector<std::string>{"n01", "n05"}));
  EXPECT_EQ(val->label(0), 1);
  EXPECT_EQ(val->label(1), 0);
  EXPECT_EQ(first_pixel(*val, 1), 12);
  EXPECT_EQ(build_dataset(config, Split::train)->size(), 2);
  folder.write("synsets.txt", "2\n1\n");
  EXPECT_NE(message_of([&] { build_dataset(config, Split::val); }).find("data.synset_map"),
            std::string::npos);
  folder.write("map.txt", "n05 1 a_thing\nn01 2 another\n");
  config.synset_map.value = (folder.path() / "map.txt").string();
  val = build_dataset(config, Split::val);
  EXPECT_EQ(val->label(0), 0);
  EXPECT_EQ(val->label(1), 1);
  folder.write("synsets.txt", "2\n");
  EXPECT_NE(message_of([&] { build_dataset(config, Split::val); }).find("1 labels, but"),
            std::string::npos);
}

// ---- Filters

TEST(Selection, KeepsClassesAndTheFirstOfEach) {
  const TemporaryFolder folder;
  for (int i = 0; i < 12; ++i) {
    folder.write("train/" + std::string(1, static_cast<char>('a' + i % 4)) + "/" +
                     std::to_string(i) + ".png",
                 picture(i));
  }
  DataConfig config = config_of(folder, DatasetName::image_folder);
  config.only_classes = {"d", "b"};
  auto train = build_dataset(config, Split::train);
  EXPECT_EQ(train->classes(), (std::vector<std::string>{"b", "d"}));
  ASSERT_EQ(train->size(), 6);
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(first_pixel(*train, i) % 4, train->label(i) == 0 ? 1 : 3);
    EXPECT_EQ(train->load(i).label, train->label(i));
  }
  config.per_class = 2;
  EXPECT_EQ(build_dataset(config, Split::train)->size(), 4);
  config.only_classes = {"x"};
  EXPECT_NE(message_of([&] { build_dataset(config, Split::train); }).find("data.only_classes: 'x'"),
            std::string::npos);
}

// ---- Shards

class ShardsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 50; ++i) {
      folder_.write("train/" + std::string(1, static_cast<char>('a' + i % 5)) + "/" +
                        std::to_string(i) + ".png",
                    picture(i));
    }
    source_ = build_dataset(config_of(folder_, DatasetName::image_folder), Split::train);
    EXPECT_EQ(write_shards(*source_, folder_.path() / "tar/train", {.pictures_per_shard = 12}), 5);
    config_ = config_of(folder_, DatasetName::shards);
    config_.root.value += "/tar";
    config_.image_size = {8};
    config_.batch_size = 4;
    config_.augment.mixup = 0.8;
    config_.augment.policy = "rand-m9-mstd0.5-inc1";
    config_.augment.erasing.probability = 0.25;
    config_.shuffle_buffer = 8;
  }
  TemporaryFolder folder_;
  std::shared_ptr<const Dataset> source_;
  DataConfig config_;
};

TEST_F(ShardsTest, HoldEveryPictureWithItsLabel) {
  const auto shards = build_dataset(config_, Split::train);
  EXPECT_EQ(shards->classes(), source_->classes());
  EXPECT_EQ(shards->runs(), (std::vector<int64_t>{12, 12, 12, 12, 2}));
  std::set<uint8_t> seen;
  for (int64_t i = 0; i < shards->size(); ++i) {
    const uint8_t pixel = first_pixel(*shards, i);
    EXPECT_EQ(shards->label(i), pixel % 5);
    seen.insert(pixel);
  }
  EXPECT_EQ(seen.size(), 50U);
}

TEST_F(ShardsTest, ResumeInTheMiddleWithAnyWorkers) {
  const auto run = [&](int64_t workers, int64_t first) {
    config_.workers = workers;
    Loader loader(build_dataset(config_, Split::train), config_, {.seed = 4});
    loader.start(2, first);
    std::vector<Batch> batches;
    while (auto batch = loader.next()) {
      batches.push_back(std::move(*batch));
    }
    return batches;
  };
  const auto whole = run(0, 0);
  ASSERT_EQ(whole.size(), 12U);
  for (const int64_t workers : {1, 2, 3, 8}) {
    const auto rest = run(workers, 5);
    ASSERT_EQ(rest.size(), 7U);
    for (size_t i = 0; i < rest.size(); ++i) {
      EXPECT_TRUE(at::equal(rest[i].images, whole[i + 5].images));
      EXPECT_TRUE(at::equal(rest[i].label_weights, whole[i + 5].label_weights));
      EXPECT_EQ(rest[i].indices, whole[i + 5].indices);
    }
  }
}

TEST(ShardOrder, VisitsAllWithinTheBuffersReach) {
  const std::vector<int64_t> runs{100, 40, 1, 200};
  const auto order = shard_order(3, 1, runs, 16);
  ASSERT_EQ(order.size(), 341U);
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), 341U);
  EXPECT_NE(order, shard_order(3, 2, runs, 16));
  EXPECT_EQ(order, shard_order(3, 1, runs, 16));
  // With a buffer of one the shards alone are shuffled.
  const auto plain = shard_order(3, 1, runs, 1);
  int jumps = 0;
  for (size_t i = 1; i < plain.size(); ++i) {
    jumps += plain[i] == plain[i - 1] + 1 ? 0 : 1;
  }
  EXPECT_LE(jumps, 3);
  // No sample comes earlier than the buffer allows.
  std::map<int64_t, int64_t> place;
  for (size_t i = 0; i < plain.size(); ++i) {
    place[plain[i]] = static_cast<int64_t>(i);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_LT(place[order[i]], static_cast<int64_t>(i) + 16);
  }
}

TEST(Tar, TruncationsAndFlipsAreErrors) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.tar";
  TarWriter writer(path);
  writer.add("a.png", std::string(700, 'x'));
  writer.add("a.cls", "3");
  writer.commit();
  const std::string bytes = read_file(path);
  ASSERT_EQ(list_tar(path).size(), 2U);
  EXPECT_EQ(read_range(path, list_tar(path)[1].offset, 1), "3");
  for (size_t length = 0; length < bytes.size() - 1024; length += 37) {
    folder.write("cut.tar", bytes.substr(0, length));
    EXPECT_NE(message_of([&] { list_tar(folder.path() / "cut.tar"); }), "") << length;
  }
  for (size_t at = 0; at < 512; ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    folder.write("flip.tar", flipped);
    // A flip breaks the checksum, but for the padding of the checksum's own field.
    const bool padding = at == 148 || at == 155;
    EXPECT_EQ(message_of([&] { list_tar(folder.path() / "flip.tar"); }).empty(), padding) << at;
  }
  folder.write("gz.tar", std::string("\x1f\x8b\x08") + std::string(2000, 'z'));
  EXPECT_NE(message_of([&] { list_tar(folder.path() / "gz.tar"); }).find("uncompressed"),
            std::string::npos);
}

}  // namespace
}  // namespace nala::data
