#include "data/demo_digits.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "data/datasets/folder_listing.h"
#include "data/image_io.h"
#include "data/run_program.h"
#include "data/transforms/crop.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCell = 20;
constexpr int64_t kColumns = 100;
constexpr int64_t kRows = 50;
constexpr int64_t kRowsPerDigit = 5;
constexpr int64_t kTrainColumns = 90;
constexpr size_t kTrainPictures = 4500;
constexpr size_t kValPictures = 500;
constexpr const char* kPackage = "opencv-doc";
constexpr const char* kSheet = "digits.png";

bool ends_with_sheet(const std::string& path) {
  return path.ends_with(std::string("/") + kSheet) ||
         path.ends_with(std::string("/") + kSheet + ".gz");
}

fs::path installed_sheet() {
  const fs::path folder = fs::path("/usr/share/doc") / kPackage;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (ends_with_sheet(entry->path().string())) {
      return entry->path();
    }
  }
  return {};
}

std::vector<fs::path> packages_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".deb") {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path download_package(const fs::path& folder) {
  try {
    run_program({"apt-get", "-q", "download", kPackage}, folder);
  } catch (const Error&) {
    // A fresh machine has no package lists yet.
    run_program({"apt-get", "-q", "update"}, folder);
    run_program({"apt-get", "-q", "download", kPackage}, folder);
  }
  const std::vector<fs::path> packages = packages_in(folder);
  if (packages.empty()) {
    throw Error(ErrorKind::data,
                folder.string() + ": apt-get download " + kPackage + " left no package there");
  }
  return packages.back();
}

// The sheet's path inside the package's tar file.
std::string find_member(const fs::path& tar, const fs::path& folder) {
  const std::string listing = run_program({"tar", "-tf", tar.string()}, folder);
  for (size_t begin = 0; begin < listing.size();) {
    const size_t end = std::min(listing.find('\n', begin), listing.size());
    const std::string member = listing.substr(begin, end - begin);
    if (ends_with_sheet(member)) {
      return member;
    }
    begin = end + 1;
  }
  throw Error(ErrorKind::data, std::string(kPackage) + ": no " + kSheet + " in the package");
}

fs::path unzipped(const fs::path& sheet, const fs::path& folder) {
  if (sheet.extension() != ".gz") {
    return sheet;
  }
  run_program_into({"gzip", "-dc", sheet.string()}, folder, folder / kSheet);
  return folder / kSheet;
}

// A folder that is removed again unless renamed before.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Plainly: the folder around it becomes visible only after sync_file_system().
void write_plainly(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) {
    throw Error(ErrorKind::file, path.string() + ": cannot write: " + std::strerror(errno));
  }
}

// One call for 5 000 files, where one fsync each would take a minute.
void sync_file_system(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  const bool done = descriptor >= 0 && ::syncfs(descriptor) == 0;
  const int code = errno;
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  if (!done) {
    throw Error(ErrorKind::file, folder.string() + ": cannot sync: " + std::strerror(code));
  }
}

std::string padded_number(int64_t number, size_t digits) {
  const std::string text = std::to_string(number);
  return std::string(digits - std::min(digits, text.size()), '0') + text;
}

std::string grey_png(const Image& cell) {
  Image grey(cell.width, cell.height, 1);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    grey.pixels[i] = cell.pixels[3 * i];
  }
  return encode_png(grey);
}

void write_cells(const Image& sheet, const fs::path& folder) {
  for (int64_t row = 0; row < kRows; ++row) {
    const std::string digit = std::to_string(row / kRowsPerDigit);
    fs::create_directories(folder / "train" / digit);
    fs::create_directories(folder / "val" / digit);
    for (int64_t column = 0; column < kColumns; ++column) {
      const Image cell = crop(sheet, {column * kCell, row * kCell, kCell, kCell});
      const std::string name =
          "row" + padded_number(row, 2) + "_column" + padded_number(column, 2) + ".png";
      const char* split = column < kTrainColumns ? "train" : "val";
      write_plainly(folder / split / digit / name, grey_png(cell));
    }
  }
}

bool is_complete(const fs::path& output) {
  std::error_code error;
  return fs::is_directory(output / "train", error) && fs::is_directory(output / "val", error) &&
         list_pictures(output / "train").size() == kTrainPictures &&
         list_pictures(output / "val").size() == kValPictures;
}

fs::path fetch(const fs::path& work_folder) {
  fs::create_directories(work_folder);
  const fs::path folder = fs::absolute(work_folder);
  const fs::path sheet = folder / kSheet;
  if (fs::exists(sheet)) {
    return sheet;
  }
  if (const fs::path installed = installed_sheet(); !installed.empty()) {
    return unzipped(installed, folder);
  }
  const TemporaryFolder temporary(folder / "download");
  const fs::path package = download_package(temporary.path());
  const fs::path tar = temporary.path() / "package.tar";
  run_program_into({"dpkg-deb", "--fsys-tarfile", package.string()}, temporary.path(), tar);
  const std::string member = find_member(tar, temporary.path());
  const fs::path extracted = temporary.path() / fs::path(member).filename();
  run_program_into({"tar", "-xOf", tar.string(), "--", member}, temporary.path(), extracted);
  write_file(sheet, read_file(unzipped(extracted, temporary.path())));
  return sheet;
}

void prepare(const fs::path& sheet_png, const fs::path& output) {
  if (fs::exists(output)) {
    if (is_complete(output)) {
      return;
    }
    throw Error(ErrorKind::data, output.string() +
                                     ": is there, but not the 5000 digits; remove it or name "
                                     "another folder");
  }
  const Image sheet = read_image(sheet_png);
  if (sheet.width != kColumns * kCell || sheet.height != kRows * kCell) {
    throw Error(ErrorKind::data, sheet_png.string() +
                                     ": expected the sheet of digits, 2000 x 1000 "
                                     "pixels, found " +
                                     std::to_string(sheet.width) + " x " +
                                     std::to_string(sheet.height));
  }
  const fs::path target = fs::absolute(output).lexically_normal();
  const fs::path whole = target.has_filename() ? target : target.parent_path();
  const TemporaryFolder temporary(fs::path(whole).concat(".part"));
  write_cells(sheet, temporary.path());
  sync_file_system(temporary.path());
  fs::rename(temporary.path(), whole);
  sync_folder(whole.parent_path());
}

// What the standard library reports about folders, as this project's error.
template <class Work>
auto with_file_errors(Work&& work) {
  try {
    return work();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::file, error.path1().string() + ": " + error.code().message());
  }
}

}  // namespace

fs::path fetch_digits_sheet(const fs::path& work_folder) {
  return with_file_errors([&] { return fetch(work_folder); });
}

void prepare_digits(const fs::path& sheet_png, const fs::path& output) {
  with_file_errors([&] { prepare(sheet_png, output); });
}

}  // namespace nala::data
