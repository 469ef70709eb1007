// Decoding a window of a JPEG. Whatever is unusual about a file is left to decode_jpeg(), which
// sees all of it and words the errors.

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

#include <algorithm>
#include <vector>

#include "data/formats.h"
#include "data/transforms/crop.h"

namespace nala::data {
namespace {

// As TurboJPEG's TJFLAG_LIMITSCANS: a small file can hold scans enough for hours.
constexpr int kMaxScans = 500;
// The end marker may be followed by a little padding.
constexpr size_t kTail = 1024;

bool has_end_marker(std::string_view bytes) {
  return bytes.substr(bytes.size() - std::min(bytes.size(), kTail)).rfind("\xFF\xD9") !=
         std::string_view::npos;
}

// libjpeg reports errors by a jump: no function below may own an object while libjpeg runs in it.
class PartDecoder {
 public:
  explicit PartDecoder(std::string_view bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr info) { give_up(info); };
    errors_.base.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) {
        give_up(info);  // a warning
      }
    };
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
        give_up(info);
      }
    };
  }
  ~PartDecoder() { jpeg_destroy_decompress(&info_); }
  PartDecoder(const PartDecoder&) = delete;
  PartDecoder& operator=(const PartDecoder&) = delete;

  // Whether the header is one whose pixels this can give.
  bool read_header() {
    if (setjmp(errors_.back) != 0) {
      return false;
    }
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()),
                 static_cast<unsigned long>(bytes_.size()));
    jpeg_read_header(&info_, TRUE);
    const J_COLOR_SPACE space = info_.jpeg_color_space;
    return space == JCS_YCbCr || space == JCS_GRAYSCALE || space == JCS_RGB;
  }

  [[nodiscard]] int64_t width() const { return info_.image_width; }
  [[nodiscard]] int64_t height() const { return info_.image_height; }

  // Pixels that a window's result can depend on beyond it: upsampling looks at the next block.
  [[nodiscard]] int64_t margin() const {
    return DCTSIZE * std::max(info_.max_h_samp_factor, info_.max_v_samp_factor);
  }

  // The size of the whole picture at 1 / reduction.
  bool start(int reduction) {
    if (setjmp(errors_.back) != 0) {
      return false;
    }
    info_.out_color_space = JCS_RGB;
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(reduction);
    jpeg_start_decompress(&info_);
    return true;
  }
  [[nodiscard]] int64_t output_width() const { return info_.output_width; }
  [[nodiscard]] int64_t output_height() const { return info_.output_height; }

  // Fills `out` (window.width x window.height); `line` holds 3 * output_width() bytes.
  bool decode(const Window& window, uint8_t* line, uint8_t* out) {
    if (setjmp(errors_.back) != 0) {
      return false;
    }
    const int64_t first = std::max<int64_t>(window.left - margin(), 0);
    const int64_t last = std::min(window.left + window.width + margin(), output_width());
    auto left = static_cast<JDIMENSION>(first);
    auto columns = static_cast<JDIMENSION>(last - first);
    jpeg_crop_scanline(&info_, &left, &columns);
    // Whole rows of blocks, one more than the window needs.
    const int64_t above = std::max<int64_t>(window.top / margin() - 1, 0) * margin();
    if (above > 0) {
      jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(above));
    }
    while (info_.output_scanline < window.top + window.height) {
      const int64_t y = info_.output_scanline;
      JSAMPROW row = line;
      jpeg_read_scanlines(&info_, &row, 1);
      if (y >= window.top) {
        std::copy_n(line + 3 * (window.left - left), 3 * window.width,
                    out + 3 * window.width * (y - window.top));
      }
    }
    jpeg_abort_decompress(&info_);
    return true;
  }

 private:
  struct Errors {
    jpeg_error_mgr base;
    jmp_buf back;
  };

  [[noreturn]] static void give_up(j_common_ptr info) {
    longjmp(reinterpret_cast<Errors*>(info->err)->back, 1);
  }

  std::string_view bytes_;
  jpeg_decompress_struct info_{};
  Errors errors_{};
  jpeg_progress_mgr progress_{};
};

// The largest of 1, 2, 4, 8 that leaves as many pixels as are wanted.
int reduction_for(const Part& part) {
  int reduction = 1;
  while (part.width > 0 && reduction < 8 && part.window.width >= 2 * reduction * part.width &&
         part.window.height >= 2 * reduction * part.height) {
    reduction *= 2;
  }
  return reduction;
}

Window reduced(const Window& window, int reduction, const PartDecoder& decoder) {
  const int64_t left = window.left / reduction;
  const int64_t top = window.top / reduction;
  const auto end = [&](int64_t at, int64_t bound) {
    return std::min((at + reduction - 1) / reduction, bound);
  };
  return {left, top, end(window.left + window.width, decoder.output_width()) - left,
          end(window.top + window.height, decoder.output_height()) - top};
}

bool decode_window(PartDecoder& decoder, const Part& part, Image& image) {
  const int reduction = reduction_for(part);
  if (!decoder.start(reduction)) {
    return false;
  }
  const Window window = reduced(part.window, reduction, decoder);
  image = Image(window.width, window.height);
  std::vector<uint8_t> line(static_cast<size_t>(3 * decoder.output_width()));
  return decoder.decode(window, line.data(), image.pixels.data());
}

}  // namespace

DecodedPart decode_jpeg_part(std::string_view bytes,
                             const std::string& name,
                             const ChoosePart& choose) {
  PartDecoder decoder(bytes);
  if (!has_end_marker(bytes) || !decoder.read_header()) {
    return part_of(decode_jpeg(bytes, name), choose);
  }
  check_size(decoder.width(), decoder.height(), name);
  const Part part = choose(decoder.width(), decoder.height());
  DecodedPart decoded{{}, decoder.width(), decoder.height()};
  if (!decode_window(decoder, part, decoded.image)) {
    decoded.image = crop(decode_jpeg(bytes, name), part.window);
  }
  return decoded;
}

}  // namespace nala::data
