#include "io/shown.h"

namespace nala::io {

std::string in_quotes(std::string_view text) {
  constexpr size_t kMaxShown = 160;
  std::string shown = "'";
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  shown += text.size() > kMaxShown ? "...'" : "'";
  return shown;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

}  // namespace nala::io
