// Guesses, for error messages, at where a data set really begins.
#pragma once

#include <filesystem>
#include <string>

namespace nala::data {

/// After "... no such folder": what `root` seems to be instead of the folder above the splits.
/// Starts with "; ". Never throws for what it finds on disk.
std::string hint_for_missing(const std::filesystem::path& root);

/// After "... no class folders in it": what the split's folder seems to be.
std::string hint_for_no_classes(const std::filesystem::path& folder);

}  // namespace nala::data
