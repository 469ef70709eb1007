// The header of a safetensors file: parsing, checking, writing.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nala::io {

/// Largest header the format allows, bytes.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

/// One tensor of the header; bytes [begin, end) of the data behind the header.
struct SafetensorsEntry {
  std::string name;
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON of a header in front of `data_size` bytes, and checks everything that is said of
/// it in safetensors.h. Throws Error(checkpoint), its message beginning with `file`.
SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           uint64_t data_size,
                                           const std::string& file);

/// The JSON of a header, not padded. Throws Error(checkpoint) on text that is not UTF-8.
std::string safetensors_header_json(const SafetensorsHeader& header, const std::string& file);

/// The format's place of a dtype in its order (the writer puts high ranks first); nothing for
/// dtypes the format lacks.
std::optional<size_t> safetensors_rank(c10::ScalarType dtype);

}  // namespace nala::io
