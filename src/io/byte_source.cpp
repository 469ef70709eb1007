#include "io/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/error.h"

namespace nala::io {
namespace {

class InputFile {
 public:
  // Not blocking: opening a pipe must not wait for a writer.
  explicit InputFile(std::string path)
      : path_(std::move(path)),
        descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) {
      throw Error(ErrorKind::file, path_ + ": cannot open: " + std::strerror(errno));
    }
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] uint64_t size() const {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
      throw Error(ErrorKind::file, path_ + ": cannot read: " + std::strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
      throw Error(ErrorKind::file, path_ + ": is not a regular file");
    }
    return static_cast<uint64_t>(status.st_size);
  }

  void read(uint64_t offset, void* to, uint64_t size) const {
    auto* place = static_cast<char*>(to);
    while (size > 0) {
      const ssize_t got = ::pread(descriptor_, place, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got <= 0) {
        throw Error(ErrorKind::file, path_ + ": cannot read: " +
                                         (got < 0 ? std::strerror(errno) : "it became shorter"));
      }
      place += got;
      offset += static_cast<uint64_t>(got);
      size -= static_cast<uint64_t>(got);
    }
  }

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace

ByteSource ByteSource::of_file(const std::filesystem::path& path) {
  const auto file = std::make_shared<const InputFile>(path.string());
  return {path.string(), file->size(),
          [file](uint64_t offset, void* to, uint64_t size) { file->read(offset, to, size); }};
}

ByteSource ByteSource::of_memory(std::string_view bytes, std::string name) {
  return {std::move(name), bytes.size(), [bytes](uint64_t offset, void* to, uint64_t size) {
            std::memcpy(to, bytes.data() + offset, size);
          }};
}

void ByteSource::check(uint64_t offset, uint64_t size) const {
  if (offset > size_ || size > size_ - offset) {
    throw Error(ErrorKind::checkpoint, name_ + ": ends before byte " + std::to_string(offset) +
                                           " + " + std::to_string(size) + "; it has " +
                                           std::to_string(size_) +
                                           " bytes and is cut short or damaged");
  }
}

void ByteSource::read(uint64_t offset, void* to, uint64_t size) const {
  check(offset, size);
  if (size > 0) {
    read_(offset, to, size);
  }
}

std::string ByteSource::read(uint64_t offset, uint64_t size) const {
  check(offset, size);
  std::string bytes(size, '\0');
  read(offset, bytes.data(), size);
  return bytes;
}

}  // namespace nala::io
