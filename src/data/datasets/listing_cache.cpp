#include "data/datasets/listing_cache.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/files.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

// Fields end with a zero byte, which no path contains. Per folder: path, time, number of entries;
// then the entries, `/` before the names of folders. The last line is the SHA-256 of all before it.
constexpr std::string_view kHeader = "nalaformer folder listings 1";
constexpr size_t kDigest = 64;
constexpr uint64_t kMaxBytes = uint64_t{1} << 31;
// File systems' clocks tick up to two seconds apart: a folder that changed less than this before it
// was read may change again under the same time.
constexpr auto kTooFresh = std::chrono::seconds(3);

int64_t nanoseconds(fs::file_time_type time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::vector<FolderEntry> read_folder(const fs::path& folder) {
  std::vector<FolderEntry> entries;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  while (!error && entry != fs::directory_iterator()) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with('.')) {
      std::error_code dangling;  // a link to nothing is no folder
      entries.push_back({std::move(name), entry->is_directory(dangling)});
    }
    entry.increment(error);
  }
  if (error) {
    throw Error(ErrorKind::data, folder.string() + ": cannot be listed: " + error.message());
  }
  return entries;
}

// Takes fields off the front of a text.
class Fields {
 public:
  explicit Fields(std::string_view text) : text_(text) {}

  [[nodiscard]] bool empty() const { return text_.empty(); }
  bool next(std::string_view& field) {
    const size_t end = text_.find('\0');
    if (end == std::string_view::npos) {
      return false;
    }
    field = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return true;
  }
  bool next(int64_t& number) {
    std::string_view field;
    if (!next(field)) {
      return false;
    }
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
    return error == std::errc() && end == field.data() + field.size();
  }

 private:
  std::string_view text_;
};

}  // namespace

ListingCache::ListingCache(fs::path file) : file_(std::move(file)) {
  std::error_code error;
  if (file_.empty() || !fs::is_regular_file(file_, error)) {
    return;
  }
  try {
    if (!parse(read_file(file_, kMaxBytes))) {
      listings_.clear();
    }
  } catch (const Error&) {
    listings_.clear();  // unreadable is as good as absent
  }
}

bool ListingCache::parse(const std::string& text) {
  if (text.size() < kDigest) {
    return false;
  }
  const std::string_view body = std::string_view(text).substr(0, text.size() - kDigest);
  if (sha256(body) != text.substr(body.size())) {
    return false;
  }
  Fields fields(body);
  std::string_view field;
  if (!fields.next(field) || field != kHeader) {
    return false;
  }
  while (!fields.empty()) {
    std::string_view path;
    Listing listing;
    int64_t count = 0;
    if (!fields.next(path) || !fields.next(listing.changed) || !fields.next(count)) {
      return false;
    }
    for (int64_t i = 0; i < count; ++i) {
      if (!fields.next(field) || field.empty()) {
        return false;
      }
      const bool is_folder = field.front() == '/';
      listing.entries.push_back({std::string(field.substr(is_folder ? 1 : 0)), is_folder});
    }
    listings_.insert_or_assign(std::string(path), std::move(listing));
  }
  return true;
}

const std::vector<FolderEntry>& ListingCache::list(const fs::path& folder) {
  Listing& listing = listings_[folder.string()];
  listing.used = true;
  std::error_code error;
  const auto changed = fs::last_write_time(folder, error);
  if (!error && listing.changed == nanoseconds(changed)) {
    return listing.entries;
  }
  const bool fresh = !error && fs::file_time_type::clock::now() - changed < kTooFresh;
  listing.entries = read_folder(folder);
  listing.changed = fresh || error ? 0 : nanoseconds(changed);
  ++folders_read_;
  return listing.entries;
}

void ListingCache::save(int64_t fewest) const {
  std::string text(kHeader);
  text += '\0';
  int64_t entries = 0;
  for (const auto& [path, listing] : listings_) {
    if (!listing.used || listing.changed == 0) {
      continue;
    }
    entries += std::ssize(listing.entries);
    text += path + '\0' + std::to_string(listing.changed) + '\0' +
            std::to_string(listing.entries.size()) + '\0';
    for (const FolderEntry& entry : listing.entries) {
      text += entry.is_folder ? "/" : "";
      text += entry.name + '\0';
    }
  }
  if (file_.empty() || folders_read_ == 0 || entries < fewest) {
    return;
  }
  try {
    write_file(file_, text + sha256(text));
  } catch (const Error&) {
    return;  // as the header says
  }
}

fs::path listing_cache_file(const fs::path& folder) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  fs::path root = variable("NALA_CACHE_DIR");
  if (root.empty() && !variable("XDG_CACHE_HOME").empty()) {
    root = variable("XDG_CACHE_HOME") / "nalaformer";
  }
  if (root.empty() && !variable("HOME").empty()) {
    root = variable("HOME") / ".cache/nalaformer";
  }
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(folder, error);
  return root.empty() || error ? fs::path() : root / "listings" / sha256(absolute.string());
}

}  // namespace nala::data
