// Sorted listings of folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/datasets/listing_cache.h"

namespace nala::data {

/// Names of the folders in `folder` (or links to folders), in byte order, those that start with a
/// dot left out. Throws Error(data) when it cannot be listed.
std::vector<std::string> list_folders(const std::filesystem::path& folder, ListingCache& cache);
std::vector<std::string> list_folders(const std::filesystem::path& folder);

/// Pictures below `folder` at any depth, relative to it: folder by folder in byte order of the
/// folders' paths, files in byte order within one. Names that start with a dot are left out. Throws
/// Error(data) when something cannot be listed or links form a cycle.
std::vector<std::string> list_pictures(const std::filesystem::path& folder, ListingCache& cache);
std::vector<std::string> list_pictures(const std::filesystem::path& folder);

/// Whether the name has the extension of a picture.
bool has_picture_extension(const std::filesystem::path& name);

/// The extensions, for messages.
std::string picture_extensions();

}  // namespace nala::data
