#include "predict/stream.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/error.h"

namespace nala::predict {
namespace {

constexpr int kMostHelpers = 4;

// Of the calling thread alone.
double core_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class ThreadsOfArithmetic {
 public:
  explicit ThreadsOfArithmetic(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~ThreadsOfArithmetic() { at::set_num_threads(before_); }
  ThreadsOfArithmetic(const ThreadsOfArithmetic&) = delete;
  ThreadsOfArithmetic& operator=(const ThreadsOfArithmetic&) = delete;

 private:
  int before_;
};

struct StreamSlot {
  std::unique_ptr<StreamTask::Item> item;
  std::string problem;
};

// Counts are guarded by the conveyor's mutex; slots belong to who claimed them.
struct StreamBatch {
  int64_t first = 0;
  std::vector<StreamSlot> slots;
  size_t read_claimed = 0, read_done = 0;
  bool run_claimed = false, run_done = false;
  size_t write_claimed = 0, write_done = 0;
};

enum class StreamStage { read, run, write };

struct StreamJob {
  StreamStage stage;
  StreamBatch* batch;
  size_t slot = 0;
};

// The batches in flight and the threads that work on them.
class Conveyor {
 public:
  Conveyor(const StreamTask& task, int64_t count, const StreamPlan& plan)
      : task_(task), plan_(plan), count_(count) {
    const int64_t wanted = (count + plan.batch - 1) / plan.batch;
    // As many batches for each of the threads that run them.
    batches_ = std::min(count, (wanted + plan.forwards - 1) / plan.forwards * plan.forwards);
    refill();
    for (int i = 0; i < plan.forwards + plan.helpers; ++i) {
      threads_.emplace_back([this, may_run = i < plan.forwards](const std::stop_token& stopping) {
        work(may_run, stopping);
      });
    }
  }

  // The next batch in order, finished; null at the end.
  std::unique_ptr<StreamBatch> take() {
    std::unique_lock lock(mutex_);
    if (window_.empty()) {
      return nullptr;
    }
    finished_.wait(lock, [&] {
      return error_ || window_.front()->write_done == window_.front()->slots.size();
    });
    if (error_) {
      std::rethrow_exception(error_);
    }
    std::unique_ptr<StreamBatch> batch = std::move(window_.front());
    window_.pop_front();
    refill();
    waiting_.notify_all();
    return batch;
  }

  [[nodiscard]] StreamTimes times() {
    const std::lock_guard lock(mutex_);
    return times_;
  }

 private:
  // The mutex is held, or no thread started.
  void refill() {
    const auto most = static_cast<size_t>(plan_.forwards + plan_.helpers + 2);
    for (; window_.size() < most && next_ < batches_; ++next_) {
      auto batch = std::make_unique<StreamBatch>();
      batch->first = count_ * next_ / batches_;
      batch->slots.resize(static_cast<size_t>(count_ * (next_ + 1) / batches_ - batch->first));
      window_.push_back(std::move(batch));
    }
  }

  // What is nearest to its end comes first. The mutex is held.
  std::optional<StreamJob> claim(bool may_run) {
    for (const auto& batch : window_) {
      if (may_run && !batch->run_claimed && batch->read_done == batch->slots.size()) {
        batch->run_claimed = true;
        return StreamJob{StreamStage::run, batch.get()};
      }
    }
    for (const auto& batch : window_) {
      if (batch->run_done && batch->write_claimed < batch->slots.size()) {
        return StreamJob{StreamStage::write, batch.get(), batch->write_claimed++};
      }
    }
    for (const auto& batch : window_) {
      if (batch->read_claimed < batch->slots.size()) {
        return StreamJob{StreamStage::read, batch.get(), batch->read_claimed++};
      }
    }
    return std::nullopt;
  }

  void work(bool may_run, const std::stop_token& stopping) {
    const at::NoGradGuard no_grad;
    at::init_num_threads();
    std::unique_lock lock(mutex_);
    while (true) {
      std::optional<StreamJob> job;
      waiting_.wait(lock, stopping, [&] { return error_ || (job = claim(may_run)).has_value(); });
      if (!job) {
        return;
      }
      lock.unlock();
      const double begin = core_seconds();
      std::exception_ptr error;
      try {
        perform(*job);
      } catch (...) {
        error = std::current_exception();
      }
      const double spent = core_seconds() - begin;
      lock.lock();
      if (error) {
        error_ = error;
        waiting_.notify_all();
        finished_.notify_all();
        return;
      }
      book(*job, spent);
    }
  }

  void perform(const StreamJob& job) const {
    StreamSlot& slot = job.batch->slots[job.slot];
    if (job.stage == StreamStage::read) {
      try {
        slot.item = task_.read(job.batch->first + static_cast<int64_t>(job.slot));
      } catch (const Error& problem) {
        slot.problem = problem.what();
      }
    } else if (job.stage == StreamStage::write) {
      if (slot.item) {
        task_.write(*slot.item);
      }
    } else {
      std::vector<StreamTask::Item*> items;
      for (const StreamSlot& each : job.batch->slots) {
        if (each.item) {
          items.push_back(each.item.get());
        }
      }
      if (!items.empty()) {
        task_.run(items);
      }
    }
  }

  // What a finished job leads to. The mutex is held.
  void book(const StreamJob& job, double spent) {
    StreamBatch& batch = *job.batch;
    if (job.stage == StreamStage::read) {
      times_.read += spent;
      if (++batch.read_done == batch.slots.size()) {
        waiting_.notify_all();
      }
    } else if (job.stage == StreamStage::run) {
      times_.run += spent * plan_.forward_threads;
      batch.run_done = true;
      waiting_.notify_all();
    } else {
      times_.write += spent;
      if (++batch.write_done == batch.slots.size()) {
        finished_.notify_one();
      }
    }
  }

  const StreamTask& task_;
  const StreamPlan plan_;
  const int64_t count_;
  int64_t batches_ = 0;

  std::mutex mutex_;
  std::condition_variable_any waiting_;  // for work
  std::condition_variable finished_;     // for the batch in front
  int64_t next_ = 0;
  std::deque<std::unique_ptr<StreamBatch>> window_;
  StreamTimes times_;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;  // last: stopped before anything they use is gone
};

}  // namespace

StreamPlan plan_stream(int64_t pictures, int64_t batch, bool side_by_side, int threads) {
  StreamPlan plan{.batch = batch};
  if (side_by_side) {
    const int64_t wanted = (pictures + batch - 1) / batch;
    plan.forwards = static_cast<int>(std::clamp<int64_t>(wanted, 1, threads));
  }
  plan.forward_threads = threads / plan.forwards;
  if (plan.forwards < threads || threads == 1) {
    plan.helpers = std::clamp(threads - plan.forwards, 1, kMostHelpers);
  }
  return plan;
}

StreamTimes stream(const StreamTask& task,
                   int64_t count,
                   const StreamPlan& plan,
                   const OnItem& on_item) {
  if (count == 0) {
    return {};
  }
  const ThreadsOfArithmetic threads(plan.forward_threads);
  const auto begin = std::chrono::steady_clock::now();
  Conveyor conveyor(task, count, plan);
  while (const std::unique_ptr<StreamBatch> batch = conveyor.take()) {
    for (size_t i = 0; i < batch->slots.size(); ++i) {
      on_item(batch->first + static_cast<int64_t>(i), batch->slots[i].item.get(),
              batch->slots[i].problem);
    }
  }
  StreamTimes times = conveyor.times();
  times.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return times;
}

}  // namespace nala::predict
