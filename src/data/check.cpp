#include "data/check.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace nala::data {
namespace {

using std::chrono::milliseconds;

// What one thread found, by index.
struct Findings {
  std::vector<std::pair<int64_t, FaultyFile>> faulty;
  std::vector<int64_t> per_class;
  int64_t smallest = 0;
  int64_t largest = 0;
  std::exception_ptr error;

  void add(const Sample& sample) {
    ++per_class[static_cast<size_t>(sample.label)];
    add_sides(sample.image);
  }

  void add(const PicturePair& pair) {
    add_sides(pair.target);
    std::array<bool, 256> seen{};
    for (const uint8_t label : pair.target.pixels) {
      seen[label] = true;
    }
    for (size_t number = 0; number < per_class.size(); ++number) {
      per_class[number] += seen[number] ? 1 : 0;
    }
  }

 private:
  void add_sides(const Image& image) {
    const auto [low, high] = std::minmax(image.width, image.height);
    smallest = smallest == 0 ? low : std::min(smallest, low);
    largest = std::max(largest, high);
  }
};

void look_at(const Dataset& dataset, int64_t index, Findings& findings) {
  try {
    if (const auto* pairs = dynamic_cast<const PairDataset*>(&dataset)) {
      findings.add(pairs->load_pair(index));
    } else {
      findings.add(dataset.load(index));
    }
  } catch (const ImageError& error) {
    findings.faulty.push_back({index, {dataset.path(index), error.fault(), error.what()}});
  }
}

CheckResult merge(const Dataset& dataset, std::vector<Findings>& all) {
  CheckResult result;
  result.pictures = dataset.size();
  result.per_class.resize(dataset.classes().size());
  std::vector<std::pair<int64_t, FaultyFile>> faulty;
  for (Findings& part : all) {
    if (part.error) {
      std::rethrow_exception(part.error);
    }
    std::move(part.faulty.begin(), part.faulty.end(), std::back_inserter(faulty));
    std::transform(part.per_class.begin(), part.per_class.end(), result.per_class.begin(),
                   result.per_class.begin(), std::plus<>());
    if (part.smallest != 0) {
      const int64_t smallest = result.smallest_side;
      result.smallest_side = smallest == 0 ? part.smallest : std::min(smallest, part.smallest);
    }
    result.largest_side = std::max(result.largest_side, part.largest);
  }
  std::sort(faulty.begin(), faulty.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [index, file] : faulty) {
    ++result.fault_counts[static_cast<size_t>(file.fault)];
    result.faulty.push_back(std::move(file));
  }
  return result;
}

}  // namespace

CheckResult check_dataset(const Dataset& dataset,
                          int64_t workers,
                          const std::function<void(int64_t done)>& progress) {
  std::vector<Findings> findings(static_cast<size_t>(std::max<int64_t>(workers, 1)));
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};
  std::mutex mutex;
  std::condition_variable finished;
  size_t running = findings.size();
  {
    std::vector<std::jthread> threads;
    for (Findings& own : findings) {
      own.per_class.resize(dataset.classes().size());
      threads.emplace_back([&](const std::stop_token& stopping) {
        try {
          for (int64_t i = next++; i < dataset.size() && !stopping.stop_requested(); i = next++) {
            look_at(dataset, i, own);
            ++done;
          }
        } catch (...) {
          own.error = std::current_exception();
        }
        const std::lock_guard lock(mutex);
        --running;
        finished.notify_one();
      });
    }
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, milliseconds(100), [&] { return running == 0; })) {
      lock.unlock();
      if (progress) {
        progress(done);
      }
      lock.lock();
    }
  }
  return merge(dataset, findings);
}

}  // namespace nala::data
