#include "bench/resident.h"

#include <fstream>
#include <map>
#include <string>

namespace nala::tools {
namespace {

// The fields of /proc/self/status that are in kilobytes, in bytes.
std::map<std::string, int64_t> status_bytes() {
  std::map<std::string, int64_t> fields;
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && line.ends_with(" kB")) {
      fields[line.substr(0, colon)] = 1024 * std::stoll(line.substr(colon + 1));
    }
  }
  return fields;
}

}  // namespace

ResidentPeak::ResidentPeak() {
  const auto now = status_bytes();
  if (now.contains("RssAnon")) {
    start_ = now.at("RssAnon");
  }
}

std::optional<int64_t> ResidentPeak::bytes() const {
  const auto now = status_bytes();
  if (!start_ || !now.contains("VmHWM") || !now.contains("RssFile") || !now.contains("RssShmem")) {
    return std::nullopt;
  }
  // Pages of files stay once they are there, so that those of now were there at the peak.
  return now.at("VmHWM") - now.at("RssFile") - now.at("RssShmem") - *start_;
}

}  // namespace nala::tools
