#include "data/loader.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "support.h"

namespace nala::data {
namespace {

DataConfig small_config() {
  DataConfig config;
  config.image_size = {8};
  config.batch_size = 8;
  config.workers = 2;
  config.augment.mixup = 0.8;
  config.augment.cutmix = 1.0;
  return config;
}

// Pictures come through unchanged: value = pixel / 255.
DataConfig plain_config() {
  DataConfig config = small_config();
  config.mean = {0, 0, 0};
  config.std = {1, 1, 1};
  config.augment = {.crop = TrainCrop::none, .flip = 0.0};
  config.eval.crop = EvalCrop::none;
  return config;
}

std::vector<Batch> rest_of_epoch(Loader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) {
    batches.push_back(std::move(*batch));
  }
  return batches;
}

std::vector<Batch> run_epoch(const DataConfig& config,
                             const LoaderOptions& options,
                             int64_t epoch,
                             int64_t first = 0,
                             int64_t size = 100) {
  const auto dataset = std::make_shared<IndexPictures>(size);
  Loader loader(dataset, config, options);
  loader.start(epoch, first);
  return rest_of_epoch(loader);
}

void expect_equal(const Batch& a, const Batch& b) {
  EXPECT_TRUE(at::equal(a.images, b.images));
  EXPECT_TRUE(at::equal(a.labels, b.labels));
  ASSERT_EQ(a.other_labels.defined(), b.other_labels.defined());
  if (a.other_labels.defined()) {
    EXPECT_TRUE(at::equal(a.other_labels, b.other_labels));
  }
  EXPECT_TRUE(at::equal(a.label_weights, b.label_weights));
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_EQ(a.indices, b.indices);
}

void expect_equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    expect_equal(a[i], b[i]);
  }
}

// The index that a picture's pixels state.
int64_t stated_index(const Batch& batch, int64_t i) {
  const at::Tensor pixel = batch.images[i].select(2, 3).select(1, 3) * 255.0;  // (3)
  return std::lround(pixel[0].item<double>()) + 256 * std::lround(pixel[1].item<double>());
}

TEST(Loader, ShapesAndLayout) {
  const auto batches = run_epoch(small_config(), {}, 0);
  ASSERT_EQ(batches.size(), 12U);
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.images.sizes(), at::IntArrayRef({8, 3, 8, 8}));
    EXPECT_EQ(batch.images.scalar_type(), at::kFloat);
    EXPECT_TRUE(batch.images.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_EQ(batch.labels.scalar_type(), at::kLong);
    EXPECT_EQ(batch.other_labels.scalar_type(), at::kLong);
    EXPECT_TRUE(at::equal(batch.other_labels, batch.labels.flip(0)));
  }
}

TEST(Loader, PicturesLabelsAndIndicesBelongTogether) {
  for (const Split split : {Split::train, Split::val}) {
    std::set<int64_t> seen;
    for (const Batch& batch : run_epoch(plain_config(), {.split = split}, 3, 0, 300)) {
      EXPECT_FALSE(batch.other_labels.defined());
      for (int64_t i = 0; i < batch.labels.size(0); ++i) {
        const int64_t index = batch.indices[static_cast<size_t>(i)];
        EXPECT_EQ(stated_index(batch, i), index);
        EXPECT_EQ(batch.labels[i].item<int64_t>(), index % 7);
        EXPECT_EQ(batch.label_weights[i].item<float>(), 1.0F);
        EXPECT_TRUE(seen.insert(index).second) << index << " came twice";
      }
    }
    EXPECT_EQ(seen.size(), split == Split::train ? 296U : 300U);
  }
}

TEST(Loader, AnyNumberOfWorkersGivesTheSameBatches) {
  DataConfig config = small_config();
  config.workers = 0;
  const auto expected = run_epoch(config, {.seed = 5}, 2);
  for (const int64_t workers : {1, 2, 3, 4}) {
    config.workers = workers;
    expect_equal(run_epoch(config, {.seed = 5}, 2), expected);
  }
}

TEST(Loader, ResumingGivesTheRestOfTheEpoch) {
  const auto whole = run_epoch(small_config(), {.seed = 5}, 2);
  for (const int64_t first : {0, 1, 5, 11, 12}) {
    const std::vector<Batch> expected(whole.begin() + first, whole.end());
    expect_equal(run_epoch(small_config(), {.seed = 5}, 2, first), expected);
  }
}

TEST(Loader, StartDropsWhatWasPrefetched) {
  Loader loader(std::make_shared<IndexPictures>(100), small_config(), {.seed = 5});
  loader.start(7);
  loader.next();
  loader.start(2, 3);
  const auto whole = run_epoch(small_config(), {.seed = 5}, 2);
  expect_equal(rest_of_epoch(loader), {whole.begin() + 3, whole.end()});
  EXPECT_EQ(loader.next(), std::nullopt);
}

TEST(Loader, EpochsAndSeedsDiffer) {
  const auto first = run_epoch(small_config(), {.seed = 1}, 0);
  EXPECT_NE(first[0].indices, run_epoch(small_config(), {.seed = 1}, 1)[0].indices);
  EXPECT_NE(first[0].indices, run_epoch(small_config(), {.seed = 2}, 0)[0].indices);
}

TEST(Loader, RanksTogetherGiveTheSameGlobalBatches) {
  for (const Split split : {Split::train, Split::val}) {
    DataConfig config = small_config();
    config.mix_group = 2;
    const auto expected = run_epoch(config, {.split = split, .seed = 9}, 1);
    for (const int64_t world : {2, 4}) {
      config.batch_size = 8 / world;
      std::vector<std::vector<Batch>> ranks;
      for (int64_t rank = 0; rank < world; ++rank) {
        ranks.push_back(
            run_epoch(config, {.split = split, .seed = 9, .rank = rank, .world = world}, 1));
      }
      for (size_t step = 0; step < expected.size(); ++step) {
        std::vector<at::Tensor> images, labels, weights;
        std::vector<int64_t> indices;
        for (const auto& batches : ranks) {
          if (step < batches.size()) {
            images.push_back(batches[step].images);
            labels.push_back(batches[step].labels);
            weights.push_back(batches[step].label_weights);
            indices.insert(indices.end(), batches[step].indices.begin(),
                           batches[step].indices.end());
          }
        }
        EXPECT_TRUE(at::equal(at::cat(images), expected[step].images));
        EXPECT_TRUE(at::equal(at::cat(labels), expected[step].labels));
        EXPECT_TRUE(at::equal(at::cat(weights), expected[step].label_weights));
        EXPECT_EQ(indices, expected[step].indices);
      }
    }
  }
}

TEST(Loader, EvaluationGoesInOrderAndKeepsTheLastBatch) {
  const auto batches = run_epoch(plain_config(), {.split = Split::val}, 4);
  ASSERT_EQ(batches.size(), 13U);
  EXPECT_EQ(batches.back().images.size(0), 4);
  int64_t next = 0;
  for (const Batch& batch : batches) {
    for (const int64_t index : batch.indices) {
      EXPECT_EQ(index, next++);
    }
  }
}

TEST(Loader, TrainingMayKeepTheLastBatch) {
  const auto batches = run_epoch(small_config(), {.drop_last = false}, 0);
  ASSERT_EQ(batches.size(), 13U);
  EXPECT_EQ(batches.back().images.size(0), 4);
  EXPECT_TRUE(at::equal(batches.back().other_labels, batches.back().labels.flip(0)));
}

TEST(Loader, TooFewPicturesForABatchIsAnError) {
  const std::string message =
      message_of([] { Loader(std::make_shared<IndexPictures>(15), small_config(), {.world = 2}); });
  EXPECT_NE(message.find("15 training pictures"), std::string::npos) << message;
  EXPECT_NE(message.find("at most 7"), std::string::npos) << message;
}

TEST(Loader, MixingFollowsItsPlan) {
  DataConfig config = plain_config();
  config.augment.mixup = 1.0;
  config.mix_group = 4;
  for (const Batch& batch : run_epoch(config, {.seed = 3}, 0)) {
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t partner = i / 4 * 4 + 3 - i % 4;
      const double weight = batch.label_weights[i].item<double>();
      const auto own = static_cast<double>(batch.indices[static_cast<size_t>(i)]);
      const auto other = static_cast<double>(batch.indices[static_cast<size_t>(partner)]);
      const double red = batch.images[i][0][2][5].item<double>() * 255.0;
      EXPECT_NEAR(red, weight * own + (1 - weight) * other, 1e-3);
      EXPECT_EQ(batch.label_weights[i].item<float>(), batch.label_weights[partner].item<float>());
      EXPECT_EQ(batch.other_labels[i].item<int64_t>(), batch.labels[partner].item<int64_t>());
    }
    EXPECT_NE(batch.label_weights[0].item<float>(), batch.label_weights[4].item<float>());
  }
}

TEST(Loader, TheMiddleOfAnOddGroupStaysAsItIs) {
  DataConfig config = plain_config();
  config.augment.mixup = 1.0;
  const auto batches = run_epoch(config, {.seed = 3, .drop_last = false}, 0, 0, 13);
  const Batch& last = batches.back();
  ASSERT_EQ(last.images.size(0), 5);
  EXPECT_EQ(stated_index(last, 2), last.indices[2]);
  EXPECT_NE(stated_index(last, 0), last.indices[0]);
  EXPECT_EQ(last.other_labels[2].item<int64_t>(), last.labels[2].item<int64_t>());
}

TEST(Loader, MemoryIsUsedAgainOnlyWhenNobodyHoldsIt) {
  for (const int64_t workers : {0, 2}) {
    DataConfig config = small_config();
    config.workers = workers;
    Loader loader(std::make_shared<IndexPictures>(800), config, {.seed = 5});
    loader.start(0);
    std::vector<at::Tensor> views;  // (3, 8, 8), into batches that are gone
    std::vector<at::Tensor> copies;
    std::set<const void*> places;
    for (int64_t i = 0; i < 100; ++i) {
      const Batch batch = loader.next().value();
      places.insert(batch.images.const_data_ptr());
      if (i % 10 == 0) {
        views.push_back(batch.images[i % 8]);
        copies.push_back(views.back().clone());
      }
    }
    for (size_t i = 0; i < views.size(); ++i) {
      EXPECT_TRUE(at::equal(views[i], copies[i])) << i;
    }
    EXPECT_LE(places.size(), 10U + 6U) << "one for each that is held, and those on the way";
  }
}

TEST(Loader, AFaultyFileStopsWithItsName) {
  for (const int64_t workers : {0, 1, 3}) {
    DataConfig config = plain_config();
    config.workers = workers;
    const auto dataset = std::make_shared<IndexPictures>(100, std::vector<int64_t>{41, 43});
    Loader loader(dataset, config, {.split = Split::val});
    loader.start(0);
    for (int64_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(loader.next());
    }
    // The first of the two faults of the sixth batch, whichever thread is faster.
    EXPECT_EQ(message_of([&] { loader.next(); }), "picture 41: cut short");
    EXPECT_THROW(loader.next(), std::logic_error);
    loader.start(0, 6);
    EXPECT_TRUE(loader.next());
  }
}

TEST(Loader, SkippingSubstitutesInTraining) {
  DataConfig config = plain_config();
  config.on_bad_file = OnBadFile::skip;
  const std::vector<int64_t> faulty{1, 2, 3, 50, 77};
  std::vector<std::vector<Batch>> runs;
  for (const int64_t workers : {0, 3}) {
    config.workers = workers;
    Loader loader(std::make_shared<IndexPictures>(96, faulty), config, {.seed = 4});
    for (const int64_t epoch : {0, 1}) {
      loader.start(epoch);
      runs.push_back(rest_of_epoch(loader));
      for (const Batch& batch : runs.back()) {
        ASSERT_EQ(batch.images.size(0), 8);
        for (int64_t i = 0; i < 8; ++i) {
          const int64_t index = batch.indices[static_cast<size_t>(i)];
          EXPECT_EQ(std::count(faulty.begin(), faulty.end(), index), 0);
          EXPECT_EQ(stated_index(batch, i), index);
          EXPECT_EQ(batch.labels[i].item<int64_t>(), index % 7);
        }
      }
    }
    const auto skipped = loader.skipped();
    ASSERT_EQ(skipped.size(), 5U);
    EXPECT_EQ(skipped[0].path, "picture 1");
    EXPECT_EQ(skipped[0].reason, "cut short");
    for (const Skipped& entry : skipped) {
      EXPECT_GE(entry.count, 2) << "once in each epoch, more where drawn as a substitute";
    }
  }
  expect_equal(runs[0], runs[2]);
  expect_equal(runs[1], runs[3]);
}

TEST(Loader, SkippingLeavesOutInEvaluation) {
  DataConfig config = plain_config();
  config.on_bad_file = OnBadFile::skip;
  // All of the second batch, one of the third, two of the last partial one.
  const std::vector<int64_t> faulty{8, 9, 10, 11, 12, 13, 14, 15, 19, 24, 26};
  for (const int64_t workers : {0, 3}) {
    config.workers = workers;
    Loader loader(std::make_shared<IndexPictures>(27, faulty), config, {.split = Split::val});
    loader.start(0);
    const auto batches = rest_of_epoch(loader);
    ASSERT_EQ(batches.size(), 3U);
    EXPECT_EQ(batches[1].indices, (std::vector<int64_t>{16, 17, 18, 20, 21, 22, 23}));
    EXPECT_EQ(batches[1].positions, batches[1].indices);
    EXPECT_EQ(batches[2].indices, (std::vector<int64_t>{25}));
    for (const Batch& batch : batches) {
      ASSERT_EQ(batch.images.size(0), batch.labels.size(0));
      EXPECT_TRUE(batch.images.is_contiguous(at::MemoryFormat::ChannelsLast));
      for (int64_t i = 0; i < batch.images.size(0); ++i) {
        EXPECT_EQ(stated_index(batch, i), batch.indices[static_cast<size_t>(i)]);
      }
    }
    EXPECT_EQ(loader.skipped().size(), 11U);
  }
}

TEST(Loader, OnlyFaultyFilesEndTraining) {
  DataConfig config = plain_config();
  config.on_bad_file = OnBadFile::skip;
  std::vector<int64_t> all(16);
  std::iota(all.begin(), all.end(), int64_t{0});
  Loader loader(std::make_shared<IndexPictures>(16, all), config, {});
  loader.start(0);
  const std::string message = message_of([&] { loader.next(); });
  EXPECT_NE(message.find("21 pictures in a row"), std::string::npos) << message;
}

// Takes its time, and counts.
class Slow : public IndexPictures {
 public:
  using IndexPictures::IndexPictures;
  [[nodiscard]] Sample load(int64_t index) const override {
    ++loads;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return IndexPictures::load(index);
  }
  mutable std::atomic<int64_t> loads{0};
};

TEST(Loader, EndsPromptlyAndPrefetchesWithinBounds) {
  const auto dataset = std::make_shared<Slow>(100000);
  DataConfig config = plain_config();
  const auto begin = std::chrono::steady_clock::now();
  {
    Loader loader(dataset, config, {});
    loader.start(0);
    loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    EXPECT_GT(loader.seconds_waited(), 0.02);  // 8 pictures on 2 workers
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  // The delivered batch and those ahead of it.
  EXPECT_LE(dataset->loads, 8 * 4);
  EXPECT_GE(dataset->loads, 8 * 3);
}

}  // namespace
}  // namespace nala::data
