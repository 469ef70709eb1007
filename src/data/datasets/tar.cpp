#include "data/datasets/tar.h"

#include <archive.h>
#include <archive_entry.h>

#include <fstream>
#include <memory>
#include <utility>

#include "core/error.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadSize = 64 * 1024;
constexpr uint64_t kBlock = 512;  // of every tar form

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

// The place of libarchive in the uncompressed archive: after next_header(), the first byte of the
// member.
uint64_t position(archive* reader) {
  return static_cast<uint64_t>(archive_filter_bytes(reader, 0));
}

[[noreturn]] void refuse(const fs::path& path, archive* reader, const std::string& what) {
  throw Error(ErrorKind::data,
              path.string() + ": byte " + std::to_string(position(reader)) + ": " + what);
}

std::unique_ptr<archive, FreeReader> open_tar(const fs::path& path) {
  std::unique_ptr<archive, FreeReader> reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_filter_none(reader.get());
  if (archive_read_open_filename(reader.get(), path.c_str(), kReadSize) != ARCHIVE_OK) {
    throw Error(ErrorKind::data, path.string() +
                                     ": cannot be read as a plain, uncompressed tar "
                                     "archive: " +
                                     archive_error_string(reader.get()));
  }
  return reader;
}

}  // namespace

std::vector<TarMember> list_tar(const fs::path& path) {
  std::error_code error;
  const uint64_t length = fs::file_size(path, error);
  if (error) {
    throw Error(ErrorKind::file, path.string() + ": cannot be read: " + error.message());
  }
  const auto reader = open_tar(path);
  std::vector<TarMember> members;
  uint64_t end = 0;  // of what the members so far take
  archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  while ((result = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const uint64_t begin = position(reader.get());
    const auto size = static_cast<uint64_t>(archive_entry_size(entry));
    if (begin > length || size > length - begin) {
      refuse(path, reader.get(), "a member that reaches beyond the end of the archive");
    }
    end = begin + (size + kBlock - 1) / kBlock * kBlock;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      continue;
    }
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || archive_entry_sparse_count(entry) > 0) {
      refuse(path, reader.get(), "a sparse member, or one without a name");
    }
    members.push_back({name, begin, size});
  }
  if (result != ARCHIVE_EOF) {
    refuse(path, reader.get(),
           std::string(archive_error_string(reader.get())) +
               " (shards must be plain, uncompressed tar files)");
  }
  // libarchive takes the end of the file for the end of the archive; a cut file is no such thing.
  if (length < kBlock || end > length - kBlock) {
    refuse(path, reader.get(), "the archive ends without an end mark; it is truncated");
  }
  return members;
}

std::string read_range(const fs::path& path, uint64_t offset, uint64_t size) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) {
    throw Error(ErrorKind::file, path.string() + ": cannot read " + std::to_string(size) +
                                     " bytes at " + std::to_string(offset));
  }
  return bytes;
}

TarWriter::TarWriter(const fs::path& path)
    : path_(path), file_(path), writer_(archive_write_new()) {
  const auto write = [](archive*, void* self, const void* bytes, size_t size) -> la_ssize_t {
    auto* writer = static_cast<TarWriter*>(self);
    try {
      writer->file_.write(bytes, size);
      return static_cast<la_ssize_t>(size);
    } catch (...) {  // goes on where libarchive has returned
      writer->failure_ = std::current_exception();
      return -1;
    }
  };
  archive_write_set_format_ustar(writer_.get());
  archive_write_set_bytes_in_last_block(writer_.get(), 1);  // no padding behind the end mark
  require(archive_write_open(writer_.get(), this, nullptr, write, nullptr));
}

TarWriter::~TarWriter() = default;

void TarWriter::FreeWriter::operator()(archive* writer) const {
  archive_write_fail(writer);  // else freeing it would write to a file that is gone
  archive_write_free(writer);
}

void TarWriter::require(int64_t result) {
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  if (result < ARCHIVE_OK) {
    throw Error(ErrorKind::data, path_.string() + ": " + archive_error_string(writer_.get()));
  }
}

void TarWriter::add(const std::string& name, std::string_view bytes) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);  // the same bytes whenever it is written
  require(archive_write_header(writer_.get(), entry.get()));
  require(archive_write_data(writer_.get(), bytes.data(), bytes.size()));
}

void TarWriter::commit() {
  require(archive_write_close(writer_.get()));
  file_.commit();
}

}  // namespace nala::data
