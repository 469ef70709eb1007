// What the tests of this folder share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/image_io.h"

namespace nala::data {

inline std::filesystem::path test_folder() {
  return NALA_TEST_FOLDER;
}

/// The folder of real pictures, or an empty path.
inline std::filesystem::path shared_folder() {
  const char* given = std::getenv("NALA_SHARED");
  const std::filesystem::path path =
      given != nullptr ? std::filesystem::path(given) : std::filesystem::path(NALA_DEFAULT_SHARED);
  return std::filesystem::is_directory(path) ? path : std::filesystem::path();
}

inline std::vector<std::vector<std::string>> read_table(const std::filesystem::path& path) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::stringstream fields(line);
    for (rows.emplace_back(); std::getline(fields, line, '\t');) {
      rows.back().push_back(line);
    }
  }
  return rows;
}

/// Noise by the formula of make_resize_expectations.py.
inline Image noise(int64_t width, int64_t height) {
  Image image(width, height);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    uint64_t z = (i + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    image.pixels[i] = static_cast<uint8_t>(z >> 56);
  }
  return image;
}

inline std::string digest(const Image& image) {
  return sha256({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()});
}

/// A fresh folder, in memory where possible (thousands of small files), removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    for (const auto& parent :
         {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
      std::string name = (parent / "nala_data_XXXXXX").string();
      if (path_.empty() && mkdtemp(name.data()) != nullptr) {
        path_ = name;
      }
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void write(const std::filesystem::path& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that `action` throws, or "" when it throws none.
template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Pictures whose pixels all state their index (FFCV's idea): red + 256 * green; some are faulty.
class IndexPictures : public Dataset {
 public:
  explicit IndexPictures(int64_t size, std::vector<int64_t> faulty = {})
      : size_(size), faulty_(std::move(faulty)) {}

  [[nodiscard]] int64_t size() const override { return size_; }
  [[nodiscard]] Sample load(int64_t index) const override {
    for (const int64_t bad : faulty_) {
      if (bad == index) {
        throw ImageError(Fault::truncated, path(index) + ": cut short");
      }
    }
    Image image(8, 8);
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      image.pixels[i] = static_cast<uint8_t>(index % 256);
      image.pixels[i + 1] = static_cast<uint8_t>(index / 256);
    }
    return {image, label(index)};
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    return "picture " + std::to_string(index);
  }
  [[nodiscard]] int64_t label(int64_t index) const override { return index % 7; }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }

 private:
  int64_t size_;
  std::vector<int64_t> faulty_;
  std::vector<std::string> classes_{"a", "b", "c", "d", "e", "f", "g"};
};

}  // namespace nala::data
