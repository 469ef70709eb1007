#include "core/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "core/error.h"

namespace nala {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& action, int code) {
  throw Error(ErrorKind::file, path.string() + ": cannot " + action + ": " + std::strerror(code));
}

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags) : value_(::open(path.c_str(), flags)) {}
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

// Calls `consume(bytes, size)` over the whole file.
template <class Consume>
void read_pieces(const std::filesystem::path& path, const Descriptor& file, Consume&& consume) {
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      fail(path, "read", errno);
    }
    if (got == 0) {
      return;
    }
    consume(buffer.data(), static_cast<size_t>(got));
  }
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void update(const void* bytes, size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  std::string hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    std::string text;
    for (const unsigned char byte : digest) {
      constexpr const char* kDigits = "0123456789abcdef";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string read_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const Descriptor file(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    fail(path, "read", errno);
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::file, path.string() + ": not a regular file");
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) {
    throw Error(ErrorKind::file, path.string() + ": " + std::to_string(size) + " bytes, at most " +
                                     std::to_string(max_bytes) + " are expected here");
  }
  std::string bytes;
  bytes.reserve(size);
  read_pieces(path, file, [&](const char* piece, size_t count) { bytes.append(piece, count); });
  return bytes;
}

FileWriter::FileWriter(std::filesystem::path path) : path_(std::move(path)) {
  const std::filesystem::path parent = path_.parent_path();
  std::error_code code;
  if (!parent.empty()) {
    std::filesystem::create_directories(parent, code);
  }
  temporary_ = path_;
  temporary_ += ".tmp" + std::to_string(::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail("write");
  }
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
}

void FileWriter::fail(const char* action) const {
  nala::fail(path_, action, errno);
}

void FileWriter::write(const void* bytes, size_t size) {
  const char* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t done = ::write(descriptor_, next, size);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done < 0) {
      fail("write");
    }
    next += done;
    size -= static_cast<size_t>(done);
  }
}

void FileWriter::commit() {
  if (::fsync(descriptor_) != 0) {
    fail("write");
  }
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    nala::fail(path_, "write", code);
  }
  sync_folder(path_.has_parent_path() ? path_.parent_path() : ".");
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  FileWriter writer(path);
  writer.write(bytes);
  writer.commit();
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor handle(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle.get() < 0) {
    fail(folder, "open", errno);
  }
  // Some file systems cannot sync a folder and say EINVAL; nothing better can be done there.
  if (::fsync(handle.get()) != 0 && errno != EINVAL) {
    fail(folder, "sync", errno);
  }
}

void replace_link(const std::filesystem::path& target, const std::filesystem::path& link) {
  std::filesystem::path temporary = link;
  temporary += ".tmp" + std::to_string(::getpid());
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) {
    fail(link, "write", errno);
  }
  if (::rename(temporary.c_str(), link.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    fail(link, "write", code);
  }
  sync_folder(link.parent_path().empty() ? "." : link.parent_path());
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY | O_CLOEXEC);
  if (file.get() < 0) {
    fail(path, "read", errno);
  }
  Sha256 hash;
  read_pieces(path, file, [&](const char* piece, size_t count) { hash.update(piece, count); });
  return hash.hex();
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / ".lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail(path, "write", errno);
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> holder{};
    const ssize_t got = ::pread(descriptor_, holder.data(), holder.size() - 1, 0);
    ::close(std::exchange(descriptor_, -1));
    std::string process(holder.data(), got > 0 ? static_cast<size_t>(got) : 0);
    throw Error(ErrorKind::file, folder.string() + ": in use by another run (process " + process +
                                     "); give this one its own output folder");
  }
  const std::string process = std::to_string(::getpid());
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, process.data(), process.size(), 0) < 0) {
    // The lock holds without the note of who holds it (a full disk, say).
    return;
  }
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace nala
