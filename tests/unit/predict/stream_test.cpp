#include "predict/stream.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "core/error.h"

namespace nala::predict {
namespace {

// Counts what is done with each picture, and complains of a wrong order.
class Recorder : public StreamTask {
 public:
  struct Recorded : Item {
    int64_t index = 0;
    bool run = false;
    bool written = false;
  };

  std::unique_ptr<Item> read(int64_t index) const override {
    {
      const std::lock_guard lock(mutex_);
      EXPECT_TRUE(seen_.insert(index).second) << index << " was read twice";
      most_ahead_ = std::max(most_ahead_, std::ssize(seen_) - delivered_);
    }
    if (on_read) {
      on_read(index);
    }
    auto item = std::make_unique<Recorded>();
    item->index = index;
    return item;
  }

  void run(std::span<Item* const> batch) const override {
    ASSERT_FALSE(batch.empty());
    int64_t expected = static_cast<Recorded*>(batch.front())->index;
    for (Item* item : batch) {
      auto* recorded = static_cast<Recorded*>(item);
      EXPECT_FALSE(recorded->run);
      EXPECT_GE(recorded->index, expected) << "not in order";
      expected = recorded->index + 1;
      recorded->run = true;
    }
    {
      const std::lock_guard lock(mutex_);
      largest_ = std::max(largest_, batch.size());
    }
    if (on_run) {
      on_run(batch);
    }
  }

  void write(Item& item) const override {
    auto& recorded = static_cast<Recorded&>(item);
    EXPECT_TRUE(recorded.run);
    EXPECT_FALSE(recorded.written);
    recorded.written = true;
  }

  void delivered() {
    const std::lock_guard lock(mutex_);
    ++delivered_;
  }
  [[nodiscard]] int64_t most_ahead() const { return most_ahead_; }
  [[nodiscard]] size_t largest_batch() const { return largest_; }

  std::function<void(int64_t)> on_read;
  std::function<void(std::span<Item* const>)> on_run;

 private:
  mutable std::mutex mutex_;
  mutable std::set<int64_t> seen_;
  mutable int64_t most_ahead_ = 0;
  mutable size_t largest_ = 0;
  int64_t delivered_ = 0;
};

constexpr StreamPlan kPlans[] = {{.batch = 1, .forwards = 1, .helpers = 1},
                                 {.batch = 8, .forwards = 2, .helpers = 0},
                                 {.batch = 5, .forwards = 3, .helpers = 2},
                                 {.batch = 64, .forwards = 2, .helpers = 1}};

TEST(Stream, EveryPictureOnceAndInOrder) {
  for (const StreamPlan& plan : kPlans) {
    for (const int64_t count : {1, 7, 103}) {
      Recorder task;
      int64_t next = 0;
      stream(task, count, plan, [&](int64_t index, const StreamTask::Item* item, const auto&) {
        EXPECT_EQ(index, next++);
        ASSERT_NE(item, nullptr);
        const auto* recorded = static_cast<const Recorder::Recorded*>(item);
        EXPECT_EQ(recorded->index, index);
        EXPECT_TRUE(recorded->written);
        task.delivered();
      });
      EXPECT_EQ(next, count);
      EXPECT_LE(task.largest_batch(), static_cast<size_t>(plan.batch));
      EXPECT_LE(task.most_ahead(), plan.batch * (plan.forwards + plan.helpers + 3));
    }
  }
}

TEST(Stream, NothingToDo) {
  Recorder task;
  const StreamTimes times =
      stream(task, 0, {}, [](int64_t, const StreamTask::Item*, const auto&) { FAIL(); });
  EXPECT_EQ(times.wall, 0);
}

TEST(Stream, BadPicturesAreReportedInTheirPlace) {
  for (const StreamPlan& plan : kPlans) {
    Recorder task;
    // A whole batch of bad ones among them.
    const auto bad = [](int64_t index) { return index % 7 == 0 || (index >= 16 && index < 34); };
    task.on_read = [&](int64_t index) {
      if (bad(index)) {
        throw Error(ErrorKind::data, "bad " + std::to_string(index));
      }
    };
    int64_t next = 0;
    stream(task, 50, plan,
           [&](int64_t index, const StreamTask::Item* item, const std::string& problem) {
             EXPECT_EQ(index, next++);
             EXPECT_EQ(item == nullptr, bad(index));
             EXPECT_EQ(problem, bad(index) ? "bad " + std::to_string(index) : "");
           });
    EXPECT_EQ(next, 50);
  }
}

TEST(Stream, FailuresEndIt) {
  for (const StreamPlan& plan : kPlans) {
    Recorder task;
    task.on_run = [](std::span<StreamTask::Item* const> batch) {
      if (static_cast<Recorder::Recorded*>(batch.back())->index >= 20) {
        throw std::runtime_error("no memory");
      }
    };
    const auto ignore = [](int64_t, const StreamTask::Item*, const std::string&) {};
    EXPECT_THROW(stream(task, 1000, plan, ignore), std::runtime_error);

    Recorder second;
    const auto stop = [](int64_t, const StreamTask::Item*, const std::string&) {
      throw std::logic_error("enough");
    };
    EXPECT_THROW(stream(second, 1000, plan, stop), std::logic_error);
  }
}

// The first forward returns only once a picture of another batch is being read.
TEST(Stream, ReadsWhileANetworkRuns) {
  for (const StreamPlan& plan : {StreamPlan{.batch = 1, .forwards = 1, .helpers = 1},
                                 StreamPlan{.batch = 4, .forwards = 2, .helpers = 0}}) {
    Recorder task;
    std::mutex mutex;
    std::condition_variable changed;
    bool running = false;
    bool met = false;
    task.on_read = [&](int64_t) {
      const std::lock_guard lock(mutex);
      met = met || running;
      changed.notify_all();
    };
    task.on_run = [&](std::span<StreamTask::Item* const>) {
      std::unique_lock lock(mutex);
      running = true;
      changed.wait_for(lock, std::chrono::seconds(20), [&] { return met; });
    };
    stream(task, 40, plan, [](int64_t, const StreamTask::Item*, const std::string&) {});
    EXPECT_TRUE(met);
  }
}

TEST(Stream, ThreadsOfTheArithmetic) {
  const int before = at::get_num_threads();
  Recorder task;
  std::atomic<int> seen = 0;
  task.on_run = [&](std::span<StreamTask::Item* const>) { seen = at::get_num_threads(); };
  stream(task, 3, {.batch = 1, .forwards = 1, .forward_threads = 3, .helpers = 0},
         [](int64_t, const StreamTask::Item*, const std::string&) {});
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(at::get_num_threads(), before);
}

TEST(Stream, Plans) {
  // 1000 pictures are plenty for 8 threads; 40 are three batches of at most 16; one is one.
  const StreamPlan many = plan_stream(1000, 16, true, 8);
  EXPECT_EQ(many.forwards, 8);
  EXPECT_EQ(many.forward_threads, 1);
  EXPECT_EQ(many.helpers, 0);
  const StreamPlan few = plan_stream(40, 16, true, 8);
  EXPECT_EQ(few.forwards, 3);
  EXPECT_EQ(few.forward_threads, 2);
  const StreamPlan one = plan_stream(1, 16, true, 8);
  EXPECT_EQ(one.forwards, 1);
  EXPECT_EQ(one.forward_threads, 8);
  // Large pictures: one at a time on all threads, read and written beside.
  const StreamPlan large = plan_stream(1000, 1, false, 8);
  EXPECT_EQ(large.forwards, 1);
  EXPECT_EQ(large.forward_threads, 8);
  EXPECT_GE(large.helpers, 1);
  EXPECT_GE(plan_stream(1000, 1, false, 1).helpers, 1);
}

TEST(Stream, ShareOfPossible) {
  // 6 core-seconds on 2 cores take 3 seconds at best.
  const StreamTimes times{.wall = 4, .read = 1, .run = 4.5, .write = 0.5};
  EXPECT_DOUBLE_EQ(times.share_of_possible(2), 0.75);
}

}  // namespace
}  // namespace nala::predict
