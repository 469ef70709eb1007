// Pictures that are neither JPEG nor PNG, through a library that is loaded when the first one turns
// up: its dependencies are many, and slow to load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/image.h"

namespace nala::data {

/// What libnala_codecs.so exports under kCodecsSymbol: decodes `bytes` into `rgb` (height * width *
/// 3 bytes, the size that the file's header states). Returns 0, or 1 with a zero-terminated reason
/// in `message`. Never throws. Thread-safe.
using DecodePicture = int (*)(const uint8_t* bytes,
                              size_t size,
                              uint8_t* rgb,
                              int64_t width,
                              int64_t height,
                              char* message,
                              size_t message_size);
inline constexpr const char* kCodecsSymbol = "nala_decode_picture";
inline constexpr const char* kCodecsFile = "libnala_codecs.so";

/// Decodes a BMP, TIFF, WebP or PNM file whose header states `image`'s size into `image`. The
/// library is looked for beside the program (or the library this code is in) and in ../lib from
/// there. Throws ImageError. Thread-safe.
void decode_with_codecs(std::string_view bytes, const std::string& name, Image& image);

}  // namespace nala::data
