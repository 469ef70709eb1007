#include <turbojpeg.h>

#include <algorithm>
#include <memory>

#include "data/formats.h"

namespace nala::data {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
// One per picture: after an error the same handle can refuse good files (TurboJPEG 2.1.5).
using Handle = std::unique_ptr<void, Destroy>;

Handle new_handle(const std::string& name, tjhandle raw) {
  if (raw == nullptr) {
    throw ImageError(Fault::unreadable, name + ": cannot start libjpeg-turbo: " + tjGetErrorStr());
  }
  return Handle(raw);
}

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  const auto has = [&](std::string_view text) { return reason.find(text) != std::string::npos; };
  if (has("Premature end of") || has("missing SOS") || has("contains no image")) {
    throw ImageError(Fault::truncated, name + ": truncated JPEG: " + reason);
  }
  if (has("nsupported") || has("not supported")) {
    throw ImageError(Fault::unsupported, name + ": unsupported JPEG: " + reason);
  }
  throw ImageError(Fault::corrupt, name + ": damaged JPEG: " + reason);
}

// Bytes between segments that no decoder needs: ImageNet has such files, and no pixel suffers.
bool harmless(const Handle& handle) {
  return tjGetErrorCode(handle.get()) == TJERR_WARNING &&
         std::string_view(tjGetErrorStr2(handle.get())).find("extraneous bytes before marker") !=
             std::string_view::npos;
}

struct Header {
  int width = 0;
  int height = 0;
  bool four_channels = false;
};

Header read_header(std::string_view bytes, const std::string& name) {
  const Handle handle = new_handle(name, tjInitDecompress());
  Header header;
  int subsampling = 0;
  int colours = -1;
  const int status =
      tjDecompressHeader3(handle.get(), data_of(bytes), static_cast<unsigned long>(bytes.size()),
                          &header.width, &header.height, &subsampling, &colours);
  // A subsampling outside TurboJPEG's list is refused here, yet decodes.
  if (status != 0 && (header.width < 1 || header.height < 1 || colours < 0)) {
    fail(name, tjGetErrorStr2(handle.get()));
  }
  header.four_channels = colours == TJCS_CMYK || colours == TJCS_YCCK;
  return header;
}

void decompress(std::string_view bytes,
                const std::string& name,
                const Header& header,
                uint8_t* out) {
  const int pixel_format = header.four_channels ? TJPF_CMYK : TJPF_RGB;
  // Stops at the first warning, so that no later, harmless one can hide it.
  for (const int flags : {TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING, TJFLAG_LIMITSCANS}) {
    const Handle handle = new_handle(name, tjInitDecompress());
    if (tjDecompress2(handle.get(), data_of(bytes), static_cast<unsigned long>(bytes.size()), out,
                      header.width, 0, header.height, pixel_format, flags) == 0) {
      return;
    }
    if (!harmless(handle)) {
      fail(name, tjGetErrorStr2(handle.get()));
    }
  }
}

// Inverted CMYK to RGB with Pillow's rounding.
void convert_cmyk(const std::vector<uint8_t>& cmyk, std::vector<uint8_t>& rgb) {
  const auto multiply = [](int a, int b) {
    const int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
  };
  for (size_t i = 0, o = 0; i < cmyk.size(); i += 4, o += 3) {
    const int black = cmyk[i + 3];
    for (size_t c = 0; c < 3; ++c) {
      rgb[o + c] =
          static_cast<uint8_t>(std::clamp(black - multiply(255 - cmyk[i + c], black), 0, 255));
    }
  }
}

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& name) {
  const Header header = read_header(bytes, name);
  Image image = allocate_image(header.width, header.height, name);
  if (header.four_channels) {
    std::vector<uint8_t> cmyk(image.pixels.size() / 3 * 4);
    decompress(bytes, name, header, cmyk.data());
    convert_cmyk(cmyk, image.pixels);
  } else {
    decompress(bytes, name, header, image.pixels.data());
  }
  return image;
}

std::string encode_jpeg(const Image& image, int quality) {
  const std::string name = "JPEG to write";
  const Handle handle = new_handle(name, tjInitCompress());
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const bool grey = image.channels == 1;
  const int status =
      tjCompress2(handle.get(), image.pixels.data(), static_cast<int>(image.width), 0,
                  static_cast<int>(image.height), grey ? TJPF_GRAY : TJPF_RGB, &buffer, &size,
                  grey ? TJSAMP_GRAY : TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(buffer, &tjFree);
  if (status != 0) {
    fail(name, tjGetErrorStr2(handle.get()));
  }
  return {reinterpret_cast<const char*>(buffer), size};
}

}  // namespace nala::data
