// libnala_codecs.so: OpenCV's imgcodecs behind one plain function (data/codecs.h).

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <streambuf>

namespace {

// Copies BGR rows as RGB. Returns a reason, or nothing when done.
const char* copy_rgb(const cv::Mat& picture, uint8_t* rgb, int64_t width, int64_t height) {
  if (picture.empty()) {
    return "truncated or damaged";
  }
  if (picture.type() != CV_8UC3 || picture.cols != width || picture.rows != height) {
    return "the decoded picture differs from what the file's header says";
  }
  for (int y = 0; y < picture.rows; ++y) {
    const uint8_t* from = picture.ptr<uint8_t>(y);
    for (int64_t x = 0; x < width; ++x, from += 3, rgb += 3) {
      rgb[0] = from[2];
      rgb[1] = from[1];
      rgb[2] = from[0];
    }
  }
  return nullptr;
}

// OpenCV writes what it catches while decoding to std::cerr, where only this project's own one-line
// errors belong: drops what a decoding thread writes there, and passes on everything else.
class QuietWhileDecoding : public std::streambuf {
 public:
  explicit QuietWhileDecoding(std::streambuf* target) : target_(target) {}

  static bool& decoding() {
    thread_local bool decoding = false;
    return decoding;
  }

 protected:
  int_type overflow(int_type letter) override {
    const bool nothing = traits_type::eq_int_type(letter, traits_type::eof());
    if (decoding() || nothing) {
      return traits_type::not_eof(letter);
    }
    return target_->sputc(traits_type::to_char_type(letter));
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    return decoding() ? size : target_->sputn(text, size);
  }
  int sync() override { return target_->pubsync(); }

 private:
  std::streambuf* target_;
};

// Lives as long as std::cerr: never destroyed.
void prepare_opencv() {
  static QuietWhileDecoding* const kQuiet = [] {
    auto* quiet = new QuietWhileDecoding(std::cerr.rdbuf());
    std::cerr.rdbuf(quiet);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::setNumThreads(0);  // the loader has its own threads
    return quiet;
  }();
  static_cast<void>(kQuiet);
}

struct Decoding {
  Decoding() { QuietWhileDecoding::decoding() = true; }
  ~Decoding() { QuietWhileDecoding::decoding() = false; }
  Decoding(const Decoding&) = delete;
  Decoding& operator=(const Decoding&) = delete;
};

const char* decode(const uint8_t* bytes, size_t size, uint8_t* rgb, int64_t width, int64_t height) {
  prepare_opencv();
  const Decoding quiet;
  const cv::Mat buffer(1, static_cast<int>(size), CV_8UC1, const_cast<uint8_t*>(bytes));
  return copy_rgb(cv::imdecode(buffer, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION), rgb,
                  width, height);
}

// On one line, whatever the exception's text looks like.
void report(const char* reason, char* message, size_t message_size) {
  std::snprintf(message, message_size, "%s", reason);
  std::replace(message, message + message_size, '\n', ' ');
}

}  // namespace

extern "C" int nala_decode_picture(const uint8_t* bytes,
                                   size_t size,
                                   uint8_t* rgb,
                                   int64_t width,
                                   int64_t height,
                                   char* message,
                                   size_t message_size) {
  try {
    const char* reason = decode(bytes, size, rgb, width, height);
    if (reason == nullptr) {
      return 0;
    }
    report(reason, message, message_size);
  } catch (const std::exception& error) {
    report(error.what(), message, message_size);
  } catch (...) {
    report("unknown exception", message, message_size);
  }
  return 1;
}
