// Checkpoint folders: complete, verified, and none lost to damage or a cut-off write.

#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "train/metrics_log.h"
#include "train/run_folder.h"
#include "train/run_state.h"

namespace nala::train {
namespace {

namespace fs = std::filesystem;

Checkpoint sample(double value) {
  return {.config_yaml = "seed: 1\n",
          .classes = {"cat", "größe dog"},
          .model = {{"w", at::full({3, 2}, value)}, {"n", at::tensor(5L)}},
          .ema = {{"w", at::full({3, 2}, value + 1)}},
          .optimizer = {{"step", at::tensor(9L)}},
          .state_json = "{}"};
}

class Checkpoints : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("checkpoint_test_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
  Log log_{LogLevel::off};
};

TEST_F(Checkpoints, ReadsBackWhatWasWritten) {
  const fs::path folder = write_checkpoint(root_, 12, sample(0.5));
  EXPECT_EQ(folder.filename(), "step-00000012");
  EXPECT_EQ(fs::read_symlink(root_ / "latest"), "step-00000012");
  const Checkpoint read = read_checkpoint(folder);
  EXPECT_EQ(read.config_yaml, "seed: 1\n");
  EXPECT_EQ(read.classes, (std::vector<std::string>{"cat", "größe dog"}));
  EXPECT_EQ(read.model.size(), 2U);
  EXPECT_TRUE(read.ema[0].second.equal(at::full({3, 2}, 1.5)));
  EXPECT_EQ(read.optimizer[0].second.item<int64_t>(), 9);
}

TEST_F(Checkpoints, EveryFlippedByteAndEveryTruncationIsNoticed) {
  const fs::path folder = write_checkpoint(root_, 1, sample(0.5));
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string bytes = read_file(entry.path());
    const std::string name = entry.path().filename().string();
    for (size_t at = 0; at < bytes.size(); at += std::max<size_t>(1, bytes.size() / 40)) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      std::ofstream(entry.path(), std::ios::binary) << damaged;
      // White space inside the manifest is the one thing that carries no meaning.
      if (!(name == "manifest.json" && std::isspace(static_cast<unsigned char>(bytes[at])) != 0)) {
        EXPECT_TRUE(checkpoint_fault(folder).has_value()) << name << " byte " << at;
      }
      std::ofstream(entry.path(), std::ios::binary) << bytes.substr(0, at);
      EXPECT_TRUE(checkpoint_fault(folder).has_value()) << name << " cut at " << at;
    }
    std::ofstream(entry.path(), std::ios::binary) << bytes;
    EXPECT_FALSE(checkpoint_fault(folder).has_value()) << name;
    fs::rename(entry.path(), root_ / "away");
    EXPECT_TRUE(checkpoint_fault(folder).has_value()) << name << " missing";
    fs::rename(root_ / "away", entry.path());
  }
}

TEST_F(Checkpoints, ResumeFallsBackToTheNewestValidOne) {
  write_checkpoint(root_, 1, sample(1));
  write_checkpoint(root_, 2, sample(2));
  const fs::path newest = write_checkpoint(root_, 3, sample(3));
  EXPECT_EQ(newest_valid_checkpoint(root_, log_)->filename(), "step-00000003");
  fs::resize_file(newest / "model.safetensors", 40);
  EXPECT_EQ(newest_valid_checkpoint(root_, log_)->filename(), "step-00000002");
  EXPECT_FALSE(newest_valid_checkpoint(root_ / "nowhere", log_).has_value());
}

TEST_F(Checkpoints, CutOffWritesAreIgnoredAndCleared) {
  write_checkpoint(root_, 1, sample(1));
  fs::create_directories(root_ / "step-00000002.unfinished");
  std::ofstream(root_ / "step-00000002.unfinished/model.safetensors") << "half";
  EXPECT_EQ(checkpoint_folders(root_).size(), 1U);
  remove_old_checkpoints(root_, 1, 1);
  EXPECT_FALSE(fs::exists(root_ / "step-00000002.unfinished"));
  EXPECT_FALSE(checkpoint_fault(root_ / "latest").has_value());
}

TEST_F(Checkpoints, OldOnesGoAndTheBestStays) {
  for (int64_t step = 1; step <= 5; ++step) {
    write_checkpoint(root_, step, sample(1));
    if (step == 2) {
      replace_link("step-00000002", root_ / "best");
    }
    remove_old_checkpoints(root_, step, 2);
  }
  std::vector<std::string> left;
  for (const fs::path& folder : checkpoint_folders(root_)) {
    left.push_back(folder.filename().string());
  }
  EXPECT_EQ(left, (std::vector<std::string>{"step-00000005", "step-00000004", "step-00000002"}));
}

TEST_F(Checkpoints, DamagedLaterOnesNeverPushOutTheValidOne) {
  write_checkpoint(root_, 2, sample(1));
  const fs::path later = write_checkpoint(root_, 9, sample(1));
  fs::resize_file(later / "model.safetensors", 3);
  write_checkpoint(root_, 3, sample(1));
  remove_old_checkpoints(root_, 3, 1);
  EXPECT_EQ(checkpoint_folders(root_).size(), 1U);
  EXPECT_EQ(newest_valid_checkpoint(root_, log_)->filename(), "step-00000003");
}

TEST_F(Checkpoints, ManifestsThatPointOutsideAreRefused) {
  const fs::path folder = write_checkpoint(root_, 1, sample(1));
  auto manifest = nlohmann::json::parse(read_file(folder / "manifest.json"));
  manifest["files"]["../../secret"] = {{"bytes", 1}, {"sha256", "0"}};
  write_file(folder / "manifest.json", manifest.dump());
  EXPECT_NE(checkpoint_fault(folder)->find("malformed"), std::string::npos);
  write_file(folder / "manifest.json", R"({"format": 2, "files": {}})");
  EXPECT_NE(checkpoint_fault(folder)->find("format 2"), std::string::npos);
}

TEST_F(Checkpoints, StateReadsBackExactly) {
  const RunState state{.step = 41,
                       .interval = {.loss = 0.1 + 0.2, .gradient_norm = 1.0 / 3, .steps = 4},
                       .best = {.metric = "top1", .value = 12.345678901234567, .step = 40},
                       .loss_scale = {.scale = 1024, .good_steps = 3},
                       .metrics_bytes = 99};
  const RunState read = parse_run_state(to_json(state).dump(), "x");
  EXPECT_EQ(to_json(read), to_json(state));
  EXPECT_EQ(read.interval.loss, state.interval.loss);
  for (const char* wrong : {"", "{}", "[]", R"({"step": -1})", R"({"step": "1"})"}) {
    EXPECT_THROW(parse_run_state(wrong, "x"), Error) << wrong;
  }
}

TEST_F(Checkpoints, MetricsAreCutBackToTheCheckpoint) {
  const fs::path path = root_ / "metrics.jsonl";
  int64_t bytes = 0;
  {
    MetricsLog log(path, 0);
    log.append({{"step", 1}});
    bytes = log.bytes();
    log.append({{"step", 2}, {"loss", std::nan("")}});
  }
  std::ofstream(path, std::ios::app) << "{\"step\": 3, \"lo";
  EXPECT_EQ(read_metrics(path).size(), 2U);
  EXPECT_TRUE(read_metrics(path)[1]["loss"].is_null());
  {
    MetricsLog log(path, bytes);
    log.append({{"step", 2}});
  }
  EXPECT_EQ(read_file(path), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_THROW(MetricsLog(path, 1000), Error);
}

TEST_F(Checkpoints, OnlyKeysThatMatterMakeAnotherRun) {
  const auto saved =
      config::parse("{seed: 1, output: a, data: {workers: 2}, optimizer: {lr: 1.0}}", "a");
  const auto same =
      config::parse("{seed: 1, output: b, data: {workers: 0}, optimizer: {lr: 1.0}}", "b");
  const auto other =
      config::parse("{seed: 2, output: a, data: {workers: 2}, optimizer: {lr: 2.0}}", "c");
  EXPECT_TRUE(recipe_differences(saved, same).empty());
  EXPECT_EQ(recipe_differences(saved, other),
            (std::vector<std::string>{"seed: 1 -> 2", "optimizer.lr: 1.0 -> 2.0"}));
}

}  // namespace
}  // namespace nala::train
