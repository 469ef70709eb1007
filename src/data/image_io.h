// The only place where picture files are decoded and encoded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "data/image.h"

namespace nala::data {

/// Formats told apart by their first bytes, whatever the file is called. Anything else is refused.
enum class Format { jpeg, png, bmp, tiff, webp, pnm };

/// What is wrong with a picture file.
enum class Fault {
  unreadable,     ///< missing, no permission, a folder, larger than kMaxFileBytes
  not_a_picture,  ///< empty, or no format of the list above
  truncated,      ///< the file ends before the picture does
  corrupt,        ///< the decoder found damage
  too_large,      ///< more pixels than kMaxPixels or longer than kMaxSide
  unsupported,    ///< a variant that no decoder here reads
};
std::span<const std::string_view> names_of(Fault);

/// Error(data) of one picture file; the message starts with the file's name.
class ImageError : public Error {
 public:
  ImageError(Fault fault, const std::string& message)
      : Error(ErrorKind::data, message), fault_(fault) {}
  [[nodiscard]] Fault fault() const noexcept { return fault_; }

 private:
  Fault fault_;
};

/// Pixels a picture may have (Pillow's limit), and the length of a side (OpenCV's); checked from
/// the header, before any allocation.
inline constexpr int64_t kMaxPixels = 178'956'970;
inline constexpr int64_t kMaxSide = 1 << 20;
inline constexpr uint64_t kMaxFileBytes = uint64_t{1} << 29;

/// The format by the magic bytes, or nothing.
std::optional<Format> format_of(std::string_view bytes);

/// Decodes to RGB exactly as Pillow's `Image.open(...).convert("RGB")` does for JPEG and PNG: grey
/// is repeated, palettes are looked up, alpha is dropped (not composited), CMYK and YCCK follow
/// Adobe's inverted convention, 16-bit colour keeps its high byte; the EXIF orientation is ignored.
/// One difference: 16-bit grey keeps its high byte too, where Pillow clips at 255.
///
/// `name` is what errors call the picture. Every damage the decoder notices is an error, truncation
/// included; stray bytes before a JPEG marker are not. Throws ImageError. Thread-safe.
Image decode(std::string_view bytes, const std::string& name);

/// The part of a picture to decode.
struct Part {
  Window window;  ///< inside the picture, not empty
  /// When above 0, the window is wanted in no more than this many pixels, and may come at a lower
  /// resolution that still has as many: inexact.
  int64_t width = 0, height = 0;
};

/// A picture's part with the size of the whole.
struct DecodedPart {
  Image image;
  int64_t width = 0, height = 0;
};

/// Chooses the part, given the size of the whole. Called at most once.
using ChoosePart = std::function<Part(int64_t width, int64_t height)>;

/// The chosen window of a picture that is decoded already.
DecodedPart part_of(Image whole, const ChoosePart& choose);

/// The chosen window of decode()'s picture, of a JPEG without decoding all of the rest: the pixels
/// are the same. Damage of a JPEG outside what was decoded is not noticed (a missing end is).
/// Throws ImageError. Thread-safe.
DecodedPart decode_part(std::string_view bytes, const std::string& name, const ChoosePart& choose);

/// The same of a file.
DecodedPart read_part(const std::filesystem::path& path, const ChoosePart& choose);

/// The bytes of a picture file. Throws ImageError (unreadable).
std::string read_picture_bytes(const std::filesystem::path& path);
/// Whether the bytes are a PNG of one grey channel.
bool is_grey_png(std::string_view bytes);

/// Reads and decodes a file. Throws ImageError. Thread-safe.
Image read_image(const std::filesystem::path& path);

/// PNG bytes of a picture with 1 or 3 channels.
std::string encode_png(const Image& image);
/// JPEG bytes (4:2:0) of a picture with 1 or 3 channels; quality 1 ... 100.
std::string encode_jpeg(const Image& image, int quality = 90);
/// encode_png() written whole. Throws Error(file).
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace nala::data
