#include <algorithm>
#include <vector>

#include "data/formats.h"

namespace nala::data {
namespace {

struct Size {
  int64_t width = 0;
  int64_t height = 0;
};

// Reads numbers at offsets of a hostile file.
class Bytes {
 public:
  Bytes(std::string_view bytes, const std::string& name, bool big_endian = false)
      : bytes_(bytes), name_(name), big_endian_(big_endian) {}

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(bytes_.size()); }

  // `count` bytes, at most 4, as an unsigned number.
  [[nodiscard]] int64_t number(int64_t offset, int count) const {
    require(offset, count);
    int64_t value = 0;
    for (int i = 0; i < count; ++i) {
      const int64_t at = offset + (big_endian_ ? i : count - 1 - i);
      value = value << 8 | static_cast<uint8_t>(bytes_[static_cast<size_t>(at)]);
    }
    return value;
  }

  [[nodiscard]] std::string_view text(int64_t offset, int64_t count) const {
    require(offset, count);
    return bytes_.substr(static_cast<size_t>(offset), static_cast<size_t>(count));
  }

  // Throws unless [offset, offset + count) is inside the file. Both come from 32-bit fields or from
  // products that stay below 2^62.
  void require(int64_t offset, int64_t count) const {
    if (offset < 0 || count < 0 || offset > size() || count > size() - offset) {
      throw ImageError(Fault::truncated, name_ + ": truncated: the file has " +
                                             std::to_string(size()) + " bytes, its header needs " +
                                             std::to_string(offset + count));
    }
  }

  [[noreturn]] void fail(Fault fault, const std::string& reason) const {
    throw ImageError(fault, name_ + ": " + reason);
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
  bool big_endian_;
};

Size bmp_size(const Bytes& bytes) {
  const bool old = bytes.number(14, 4) == 12;
  const int64_t width = old ? bytes.number(18, 2) : bytes.number(18, 4);
  const int64_t raw_height = old ? bytes.number(20, 2) : bytes.number(22, 4);
  // A negative height means rows from top to bottom.
  const int64_t height = std::abs(static_cast<int64_t>(static_cast<int32_t>(raw_height)));
  const int64_t bits = bytes.number(old ? 24 : 28, 2);
  const int64_t compression = old ? 0 : bytes.number(30, 4);
  if (bits > 32) {
    bytes.fail(Fault::corrupt, "damaged BMP: " + std::to_string(bits) + " bits per pixel");
  }
  if ((compression == 0 || compression == 3) && width <= kMaxPixels && height <= kMaxPixels) {
    bytes.require(bytes.number(10, 4), (width * bits + 31) / 32 * 4 * height);
  }
  return {width, height};
}

Size webp_size(const Bytes& bytes) {
  bytes.require(8, bytes.number(4, 4));
  const std::string_view kind = bytes.text(12, 4);
  if (kind == "VP8 ") {
    return {bytes.number(26, 2) & 0x3FFF, bytes.number(28, 2) & 0x3FFF};
  }
  if (kind == "VP8L") {
    const int64_t packed = bytes.number(21, 4);
    return {(packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1};
  }
  if (kind == "VP8X") {
    return {bytes.number(24, 3) + 1, bytes.number(27, 3) + 1};
  }
  bytes.fail(Fault::corrupt, "damaged WebP: unknown first chunk");
}

// The next decimal number of a PNM header, moving `offset` behind it.
int64_t pnm_number(const Bytes& bytes, int64_t& offset) {
  bool comment = false;
  int64_t value = -1;
  for (;; ++offset) {
    const char letter = bytes.text(offset, 1)[0];
    if (!comment && letter >= '0' && letter <= '9') {
      value = std::max<int64_t>(value, 0) * 10 + (letter - '0');
      if (value > kMaxPixels) {
        bytes.fail(Fault::too_large, "PNM header with the number " + std::to_string(value));
      }
    } else if (value >= 0) {
      return value;
    } else if (letter == '#' || letter == '\n') {
      comment = letter == '#';
    } else if (!comment && letter != ' ' && letter != '\t' && letter != '\r') {
      bytes.fail(Fault::corrupt, "damaged PNM: expected a number in its header");
    }
  }
}

Size pnm_size(const Bytes& bytes) {
  const int kind = bytes.text(1, 1)[0] - '0';
  int64_t offset = 2;
  const int64_t width = pnm_number(bytes, offset);
  const int64_t height = pnm_number(bytes, offset);
  const bool bitmap = kind == 1 || kind == 4;
  const int64_t largest = bitmap ? 1 : pnm_number(bytes, offset);
  const int64_t samples = width * (kind == 3 || kind == 6 ? 3 : 1);
  const int64_t per_sample = largest > 255 ? 2 : 1;
  // Plain text needs a digit and, but for bitmaps, a space per sample; the last space may be
  // missing.
  const int64_t row = kind == 4   ? (width + 7) / 8
                      : kind == 1 ? samples
                      : kind < 4  ? samples * 2
                                  : samples * per_sample;
  bytes.require(offset + 1, std::max<int64_t>(row * height - (kind < 4 ? 1 : 0), 0));
  return {width, height};
}

// One entry of a TIFF directory: its values are SHORTs or LONGs.
class TiffEntry {
 public:
  TiffEntry(const Bytes& bytes, int64_t offset)
      : bytes_(bytes),
        tag_(bytes.number(offset, 2)),
        width_(bytes.number(offset + 2, 2) == 3 ? 2 : 4),
        count_(bytes.number(offset + 4, 4)),
        values_(count_ * width_ <= 4 ? offset + 8 : bytes.number(offset + 8, 4)) {}

  [[nodiscard]] int64_t tag() const { return tag_; }
  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] int64_t value(int64_t index) const {
    return bytes_.number(values_ + index * width_, width_);
  }

 private:
  const Bytes& bytes_;
  int64_t tag_;
  int width_;
  int64_t count_;
  int64_t values_;
};

Size tiff_size(const Bytes& bytes) {
  constexpr int64_t kWidth = 256, kHeight = 257, kStripOffsets = 273, kStripBytes = 279;
  constexpr int64_t kTileOffsets = 324, kTileBytes = 325;
  const int64_t directory = bytes.number(4, 4);
  Size size;
  std::vector<TiffEntry> offsets, lengths;
  for (int64_t i = 0; i < bytes.number(directory, 2); ++i) {
    const TiffEntry entry(bytes, directory + 2 + i * 12);
    if (entry.tag() == kWidth) {
      size.width = entry.value(0);
    } else if (entry.tag() == kHeight) {
      size.height = entry.value(0);
    } else if (entry.tag() == kStripOffsets || entry.tag() == kTileOffsets) {
      offsets.push_back(entry);
    } else if (entry.tag() == kStripBytes || entry.tag() == kTileBytes) {
      lengths.push_back(entry);
    }
  }
  if (offsets.size() != 1 || lengths.size() != 1 || offsets[0].count() != lengths[0].count()) {
    bytes.fail(Fault::corrupt, "damaged TIFF: no list of strips or tiles");
  }
  for (int64_t i = 0; i < offsets[0].count(); ++i) {
    bytes.require(offsets[0].value(i), lengths[0].value(i));
  }
  return size;
}

Size header_size(std::string_view bytes, Format format, const std::string& name) {
  switch (format) {
    case Format::bmp:
      return bmp_size(Bytes(bytes, name));
    case Format::webp:
      return webp_size(Bytes(bytes, name));
    case Format::pnm:
      return pnm_size(Bytes(bytes, name));
    default:
      return tiff_size(Bytes(bytes, name, bytes.starts_with("MM")));
  }
}

}  // namespace

Image allocate_from_header(std::string_view bytes, Format format, const std::string& name) {
  const Size size = header_size(bytes, format, name);
  return allocate_image(size.width, size.height, name);
}

}  // namespace nala::data
