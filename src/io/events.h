// TensorBoard's event files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nala::io {

/// Appends scalars to a new file `events.out.tfevents.*` of a folder, record by record, so that
/// TensorBoard can follow a run. A run that goes on in the same folder starts another file, which
/// tells TensorBoard to forget what earlier files say from its first step on.
///
/// Format: per record the length (uint64), its masked CRC-32C, an Event message (protocol buffers),
/// its masked CRC-32C; little-endian. Not thread-safe.
class EventWriter {
 public:
  /// Makes the file. `first_step`: of the run, or of its going on. Throws Error(file).
  EventWriter(const std::filesystem::path& folder, int64_t first_step);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  /// One event with a value per tag, such as {"train/loss", 2.3}. Throws Error(file) (a full disk).
  void add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view message);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// CRC-32C (Castagnoli), as RFC 3720 defines it.
uint32_t crc32c(std::string_view bytes);

}  // namespace nala::io
