#include "data/loader.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "data/batch_builder.h"

namespace nala::data {
namespace {

using Clock = std::chrono::steady_clock;

// Batches in the making or waiting, beside the one the consumer holds: with small batches enough of
// them that no worker is idle.
int64_t batches_ahead(const DataConfig& config) {
  constexpr int64_t kLeast = 3;
  return std::max(kLeast, 2 * config.workers / config.batch_size + 1);
}

// The consumer may still hold its last batch when it asks for the next.
constexpr int64_t kHeldByConsumer = 2;

// A draft on its way through the workers; all but the draft's slots is guarded by the mutex.
struct Job {
  explicit Job(Draft empty) : draft(std::move(empty)), size(draft.positions.size()) {}

  Draft draft;
  const int64_t size;
  int64_t claimed = 0;
  int64_t filled = 0;
  bool ready = false;
  FinishedBatch result;      // when ready, or
  std::exception_ptr error;  // this
};

}  // namespace

struct Loader::State {
  State(std::shared_ptr<const Dataset> dataset,
        const DataConfig& config,
        const LoaderOptions& options)
      : worker_count(config.workers),
        ahead(batches_ahead(config)),
        builder(std::move(dataset), config, options, ahead + kHeldByConsumer),
        evaluates(options.split == Split::val) {}
  ~State() { stop(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void stop();
  void start(int64_t epoch, int64_t first_batch);
  FinishedBatch take();
  void refill();
  void work(const std::stop_token& stopping);
  Job* claim();
  void finish(Job& job) const;
  void count_skips(const std::vector<SkipEvent>& skips);

  int64_t worker_count;
  int64_t ahead;
  BatchBuilder builder;
  bool evaluates;
  bool started = false;
  int64_t next_delivered = 0;
  int64_t next_queued = 0;
  Clock::duration waited{};
  std::map<std::string, Skipped> skipped;

  std::mutex mutex;
  std::condition_variable_any work_waits;
  std::condition_variable consumer_waits;
  std::deque<std::unique_ptr<Job>> queue;  // in the order of the batches; guarded by the mutex
  std::vector<std::jthread> workers;
};

void Loader::State::stop() {
  for (std::jthread& worker : workers) {
    worker.request_stop();
  }
  workers.clear();
  queue.clear();
  started = false;
}

void Loader::State::start(int64_t epoch, int64_t first_batch) {
  stop();
  builder.set_epoch(epoch);
  next_delivered = next_queued = first_batch;
  started = true;
  if (worker_count == 0) {
    return;
  }
  refill();
  for (int64_t i = 0; i < worker_count; ++i) {
    workers.emplace_back([this](const std::stop_token& stopping) { work(stopping); });
  }
}

// Memory is allocated here, in the consumer's thread, where a failure can be reported.
void Loader::State::refill() {
  const int64_t end = std::min(next_delivered + ahead, builder.partition().batches());
  for (; next_queued < end; ++next_queued) {
    auto job = std::make_unique<Job>(builder.begin(next_queued));
    const std::lock_guard lock(mutex);
    queue.push_back(std::move(job));
  }
  work_waits.notify_all();
}

// The first job with an unclaimed slot, its slot claimed. The mutex is held.
Job* Loader::State::claim() {
  for (const auto& job : queue) {
    if (job->claimed < job->size) {
      ++job->claimed;
      return job.get();
    }
  }
  return nullptr;
}

void Loader::State::work(const std::stop_token& stopping) {
  std::unique_lock lock(mutex);
  while (true) {
    Job* job = nullptr;
    work_waits.wait(lock, stopping, [&] { return (job = claim()) != nullptr; });
    if (stopping.stop_requested() || job == nullptr) {
      return;
    }
    const int64_t slot = job->claimed - 1;
    lock.unlock();
    builder.fill(job->draft, slot);
    lock.lock();
    if (++job->filled == job->size) {
      lock.unlock();
      finish(*job);
      lock.lock();
      job->ready = true;
      consumer_waits.notify_one();
    }
  }
}

void Loader::State::finish(Job& job) const {
  try {
    job.result = builder.finish(std::move(job.draft));
  } catch (...) {
    job.error = std::current_exception();
  }
}

FinishedBatch Loader::State::take() {
  const int64_t number = next_delivered++;
  if (worker_count == 0) {
    Draft draft = builder.begin(number);
    for (int64_t slot = 0; slot < draft.positions.size(); ++slot) {
      builder.fill(draft, slot);
    }
    return builder.finish(std::move(draft));
  }
  std::unique_ptr<Job> job;
  {
    std::unique_lock lock(mutex);
    consumer_waits.wait(lock, [&] { return queue.front()->ready; });
    job = std::move(queue.front());
    queue.pop_front();
  }
  refill();
  if (job->error) {
    std::rethrow_exception(job->error);
  }
  return std::move(job->result);
}

void Loader::State::count_skips(const std::vector<SkipEvent>& skips) {
  for (const SkipEvent& skip : skips) {
    const std::string path = builder.dataset().path(skip.index);
    Skipped& entry = skipped[path];
    entry = {path, skip.reason, entry.count + 1};
  }
}

Loader::Loader(std::shared_ptr<const Dataset> dataset,
               const DataConfig& config,
               const LoaderOptions& options)
    : state_(std::make_unique<State>(std::move(dataset), config, options)) {}

Loader::~Loader() = default;

int64_t Loader::batches_per_epoch() const {
  return state_->builder.partition().batches();
}

void Loader::start(int64_t epoch, int64_t first_batch) {
  state_->start(epoch, first_batch);
}

std::optional<Batch> Loader::next() {
  if (!state_->started) {
    throw std::logic_error("Loader::next() without start()");
  }
  const auto before = Clock::now();
  std::optional<Batch> batch;
  try {
    while (!batch && state_->next_delivered < batches_per_epoch()) {
      FinishedBatch finished = state_->take();
      state_->count_skips(finished.skips);
      if (!finished.batch.indices.empty()) {
        batch = std::move(finished.batch);
      }
    }
  } catch (...) {
    state_->stop();
    throw;
  }
  if (!batch && state_->evaluates) {
    state_->builder.release_memory();  // a long time may pass before the next evaluation
  }
  state_->waited += Clock::now() - before;
  return batch;
}

std::vector<Skipped> Loader::skipped() const {
  std::vector<Skipped> all;
  for (const auto& [path, entry] : state_->skipped) {
    all.push_back(entry);
  }
  return all;
}

double Loader::seconds_waited() const {
  return std::chrono::duration<double>(state_->waited).count();
}

}  // namespace nala::data
