#include "train/metrics_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace nala::train {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(ErrorKind::file, path.string() + ": cannot write: " + std::strerror(errno));
}

}  // namespace

MetricsLog::MetricsLog(std::filesystem::path path, int64_t keep_bytes) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail(path_);
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) {
    fail(path_);
  }
  if (status.st_size < keep_bytes) {
    throw Error(ErrorKind::file, path_.string() + ": " + std::to_string(status.st_size) +
                                     " bytes, the checkpoint was written when it had " +
                                     std::to_string(keep_bytes));
  }
  if (::ftruncate(descriptor_, keep_bytes) != 0 || ::lseek(descriptor_, 0, SEEK_END) < 0) {
    fail(path_);
  }
  bytes_ = keep_bytes;
}

MetricsLog::~MetricsLog() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void MetricsLog::append(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(descriptor_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail(path_);
    }
    written += static_cast<size_t>(count);
  }
  bytes_ += static_cast<int64_t>(text.size());
}

std::vector<nlohmann::json> read_metrics(const std::filesystem::path& path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  std::string text;
  while (std::getline(file, text)) {
    auto line = nlohmann::json::parse(text, nullptr, false);
    if (!line.is_object()) {
      break;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace nala::train
