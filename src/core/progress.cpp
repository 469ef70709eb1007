#include "core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/number_text.h"

namespace nala {
namespace {

constexpr int64_t kWidth = 24;
constexpr std::chrono::milliseconds kInterval{100};

}  // namespace

bool on_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

Progress::Progress(std::string label, int64_t total, int64_t done, bool shown)
    : label_(std::move(label)), total_(std::max<int64_t>(total, 1)), start_(done), shown_(shown) {}

Progress::~Progress() {
  clear();
}

void Progress::clear() {
  if (drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

void Progress::update(int64_t done, std::string_view text) {
  const auto now = Clock::now();
  if (!shown_ || (drawn_ && now - last_ < kInterval && done < total_)) {
    return;
  }
  last_ = now;
  drawn_ = true;
  const int64_t filled = std::min(kWidth, done * kWidth / total_);
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  const int64_t here = done - start_;
  std::string line = "\r\033[K" + label_ + " [" + std::string(static_cast<size_t>(filled), '#') +
                     std::string(static_cast<size_t>(kWidth - filled), '.') + "] " +
                     std::to_string(done) + "/" + std::to_string(total_) + "  " +
                     std::to_string(done * 100 / total_) + "%";
  if (here > 0) {
    line += "  ETA " +
            duration_text(elapsed * static_cast<double>(total_ - done) / static_cast<double>(here));
  }
  line += "  " + std::string(text);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace nala
