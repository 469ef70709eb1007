// What folders hold, remembered between runs: a set of a million files starts in seconds on a slow
// file system too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace nala::data {

struct FolderEntry {
  std::string name;
  bool is_folder = false;
  bool operator==(const FolderEntry&) const = default;
};

/// Listings of folders under their times of change, in one file. A folder whose time is another one
/// than remembered, or was too fresh to be told from a later change, is read again; a file that is
/// damaged, cut or of another form counts as empty. Not thread-safe.
class ListingCache {
 public:
  /// Reads `file` if it is there.
  explicit ListingCache(std::filesystem::path file);

  /// The entries of a folder, those that start with a dot left out, in no particular order. Throws
  /// Error(data) when it cannot be listed.
  const std::vector<FolderEntry>& list(const std::filesystem::path& folder);

  /// How many folders were read from the disk itself.
  [[nodiscard]] int64_t folders_read() const { return folders_read_; }

  /// Writes the file, if something was read and at least `fewest` entries were listed by this
  /// object. A place that cannot be written is no error: the next run reads the folders again.
  void save(int64_t fewest = 10'000) const;

 private:
  struct Listing {
    int64_t changed = 0;  // nanoseconds of the file system's clock
    bool used = false;    // by this object
    std::vector<FolderEntry> entries;
  };

  bool parse(const std::string& text);

  std::filesystem::path file_;
  std::unordered_map<std::string, Listing> listings_;  // by path
  int64_t folders_read_ = 0;
};

/// Where the listings of the tree below `folder` are kept: in $NALA_CACHE_DIR, else in nalaformer/
/// of $XDG_CACHE_HOME or ~/.cache. Empty, which ListingCache takes for nowhere, if none is set.
std::filesystem::path listing_cache_file(const std::filesystem::path& folder);

}  // namespace nala::data
