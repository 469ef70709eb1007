#include "data/datasets/folder_listing.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

// Deeper trees can only come from links that form a cycle.
constexpr int kMaxDepth = 32;

constexpr std::array<std::string_view, 9> kExtensions{".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                      ".pgm", ".tif",  ".tiff", ".webp"};

void collect(const fs::path& folder,
             const std::string& below,
             int depth,
             ListingCache& cache,
             std::vector<std::pair<std::string, std::string>>& files) {
  if (depth > kMaxDepth) {
    throw Error(ErrorKind::data, folder.string() + ": folders nested more than " +
                                     std::to_string(kMaxDepth) + " deep; do links form a cycle?");
  }
  std::vector<std::string> folders;
  for (const auto& [name, is_folder] : cache.list(folder)) {
    if (is_folder) {
      folders.push_back(name);
    } else if (has_picture_extension(name)) {
      files.emplace_back(below, name);
    }
  }
  for (const std::string& name : folders) {
    collect(folder / name, below + name + "/", depth + 1, cache, files);
  }
}

}  // namespace

std::vector<std::string> list_folders(const fs::path& folder, ListingCache& cache) {
  std::vector<std::string> names;
  for (const auto& [name, is_folder] : cache.list(folder)) {
    if (is_folder) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> list_folders(const fs::path& folder) {
  ListingCache nothing_remembered{{}};
  return list_folders(folder, nothing_remembered);
}

std::vector<std::string> list_pictures(const fs::path& folder) {
  ListingCache nothing_remembered{{}};
  return list_pictures(folder, nothing_remembered);
}

std::vector<std::string> list_pictures(const fs::path& folder, ListingCache& cache) {
  std::vector<std::pair<std::string, std::string>> files;
  collect(folder, "", 0, cache, files);
  // Python sorts (folder, file), the folder's path without the slash at its end.
  const auto parent = [](const auto& file) {
    const std::string_view path(file.first);
    return path.substr(0, path.empty() ? 0 : path.size() - 1);
  };
  std::sort(files.begin(), files.end(), [&](const auto& a, const auto& b) {
    return std::pair(parent(a), std::string_view(a.second)) <
           std::pair(parent(b), std::string_view(b.second));
  });
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const auto& [below, name] : files) {
    names.push_back(below + name);
  }
  return names;
}

bool has_picture_extension(const fs::path& name) {
  std::string extension = name.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::string picture_extensions() {
  std::string text;
  for (const std::string_view extension : kExtensions) {
    text.append(text.empty() ? "" : " ").append(extension);
  }
  return text;
}

}  // namespace nala::data
