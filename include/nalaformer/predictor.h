// NaLaFormer networks in your own program: load a checkpoint, give it pixels.
//
// Link nalaformer::nalaformer (find_package(nalaformer)). Nothing of LibTorch shows in this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define NALAFORMER_API __attribute__((visibility("default")))
#else
#define NALAFORMER_API
#endif

namespace nalaformer {

/// What everything here throws: one line that says what was found, what was expected, what to do.
class NALAFORMER_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a network was trained to do.
enum class Task { classification, segmentation, super_resolution };

/// Somebody's 8-bit pixels, row by row from the top, channels interleaved. Only looked at.
struct PixelView {
  const uint8_t* pixels = nullptr;
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;   ///< 3: red, green, blue; 4: and alpha, not looked at; 1: grey
  int64_t row_bytes = 0;  ///< from one row to the next; 0: width * channels
};

/// A picture of its own memory, rows without gaps.
struct Picture {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;  ///< height * width * channels

  /// These pixels as an argument; the picture must outlive it.
  operator PixelView() const { return {pixels.data(), width, height, channels, 0}; }
};

/// One class with its probability, 0 ... 1.
struct ClassScore {
  int64_t index = 0;
  std::string label;  ///< the class's name, or its index where the checkpoint has no names
  float probability = 0;
};

/// How to load.
struct Options {
  /// `raw` or `ema`, the moving average; empty: the average where the checkpoint has one.
  std::string weights;
  /// `cpu`, `cuda`, `cuda:N`, or `auto`: a CUDA device where one can be used.
  std::string device = "cpu";
  /// Super-resolution: megabytes for one forward; larger pictures are enlarged in tiles.
  double memory_mb = 2000;
};

/// A network ready to run, with the preprocessing and the class names of its checkpoint.
///
/// All functions may be called by several threads at once. Each uses as many threads for its
/// arithmetic as OMP_NUM_THREADS says, or one per core; programs that call from many threads are
/// best served by OMP_NUM_THREADS=1.
class NALAFORMER_API Predictor {
 public:
  /// Loads a checkpoint folder, an output folder of `nalaformer train`, a .safetensors that
  /// `nalaformer export` wrote, or a .pth of the authors' code. Throws Error.
  explicit Predictor(const std::filesystem::path& checkpoint, const Options& options = {});
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  [[nodiscard]] Task task() const;
  /// Names by class index; empty for super-resolution.
  [[nodiscard]] const std::vector<std::string>& classes() const;
  /// Super-resolution: how many times larger the result is; else 1.
  [[nodiscard]] int64_t scale() const;

  /// The likeliest classes of each picture, the likeliest first. Pictures may differ in size; they
  /// are resized as in evaluation, and run as one batch. Throws Error for another task, pictures
  /// without pixels, and top < 1.
  [[nodiscard]] std::vector<std::vector<ClassScore>> classify(std::span<const PixelView> pictures,
                                                              int64_t top = 5) const;
  /// The same of one picture.
  [[nodiscard]] std::vector<ClassScore> classify(const PixelView& picture, int64_t top = 5) const;

  /// Segmentation: the class index of every pixel, one channel, of the picture's size.
  [[nodiscard]] Picture label_map(const PixelView& picture) const;

  /// Super-resolution: the picture enlarged; channels stay, alpha is enlarged bicubically.
  [[nodiscard]] Picture enlarge(const PixelView& picture) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes a picture file to red, green, blue: JPEG, PNG, BMP, TIFF, WebP, PNM. Damaged files are
/// errors. Throws Error. Thread-safe.
NALAFORMER_API Picture read_picture(const std::filesystem::path& file);

}  // namespace nalaformer
