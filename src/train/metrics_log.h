// metrics.jsonl: one object per line, the same bytes whether a run was interrupted or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace nala::train {

/// Appends lines to a file. It holds nothing that depends on the clock, so that a resumed run that
/// first cuts it back to where its checkpoint stood ends with the bytes of an undisturbed one.
/// Not thread-safe.
class MetricsLog {
 public:
  /// Opens for appending and keeps the first `keep_bytes` bytes. Throws Error(file).
  MetricsLog(std::filesystem::path path, int64_t keep_bytes);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  /// Numbers that are not finite are written as null. Throws Error(file) (a full disk).
  void append(const nlohmann::ordered_json& line);
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;
};

/// The objects of a metrics file, up to the first line that is not one.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& path);

}  // namespace nala::train
