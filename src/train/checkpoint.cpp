#include "train/checkpoint.h"

#include <sys/statvfs.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "io/safetensors.h"

namespace nala::train {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr uint64_t kMaxTextBytes = 16 << 20;
constexpr const char* kPrefix = "step-";
constexpr const char* kUnfinished = ".unfinished";

std::string classes_text(const std::vector<std::string>& classes) {
  std::string text = "index\tname\n";
  for (size_t i = 0; i < classes.size(); ++i) {
    text += std::to_string(i) + "\t" + classes[i] + "\n";
  }
  return text;
}

std::vector<std::string> parse_classes(const std::string& text, const fs::path& path) {
  std::vector<std::string> classes;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos || line.substr(0, tab) != std::to_string(classes.size())) {
      throw Error(ErrorKind::checkpoint, path.string() + ": line " +
                                             std::to_string(classes.size() + 2) +
                                             ": expected 'index<tab>name' in order");
    }
    classes.push_back(line.substr(tab + 1));
  }
  return classes;
}

uint64_t bytes_of(const io::NamedTensors& tensors) {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += tensor.nbytes() + name.size() + 128;
  }
  return bytes;
}

void check_space(const fs::path& root, const Checkpoint& checkpoint) {
  const uint64_t needed = bytes_of(checkpoint.model) + bytes_of(checkpoint.ema) +
                          bytes_of(checkpoint.optimizer) + checkpoint.config_yaml.size() +
                          checkpoint.state_json.size() + (1 << 16);
  struct statvfs space {};
  if (::statvfs(root.c_str(), &space) == 0 &&
      static_cast<uint64_t>(space.f_bavail) * space.f_frsize < needed) {
    throw Error(ErrorKind::file,
                root.string() + ": not enough space for a checkpoint: " + std::to_string(needed) +
                    " bytes needed, " +
                    std::to_string(static_cast<uint64_t>(space.f_bavail) * space.f_frsize) +
                    " free; the checkpoints already there are untouched");
  }
}

void write_contents(const fs::path& folder, const Checkpoint& checkpoint) {
  write_file(folder / "config.yaml", checkpoint.config_yaml);
  write_file(folder / "classes.tsv", classes_text(checkpoint.classes));
  write_file(folder / "state.json", checkpoint.state_json);
  io::write_safetensors(folder / "model.safetensors", checkpoint.model);
  if (!checkpoint.ema.empty()) {
    io::write_safetensors(folder / "ema.safetensors", checkpoint.ema);
  }
  if (!checkpoint.optimizer.empty()) {
    io::write_safetensors(folder / "optimizer.safetensors", checkpoint.optimizer);
  }
}

void write_manifest(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  nlohmann::ordered_json manifest{{"format", kFormat}};
  for (const std::string& name : names) {
    manifest["files"][name] = {{"bytes", fs::file_size(folder / name)},
                               {"sha256", sha256_of_file(folder / name)}};
  }
  write_file(folder / "manifest.json", manifest.dump(2) + "\n");
}

[[noreturn]] void invalid(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::checkpoint, path.string() + ": " + what);
}

// Throws unless every file the manifest lists is there with its size and checksum.
std::set<std::string> verify(const fs::path& folder) {
  const fs::path path = folder / "manifest.json";
  if (!fs::is_regular_file(path)) {
    invalid(folder, fs::is_directory(folder) ? "no manifest.json: not a complete checkpoint"
                                             : "no such checkpoint folder");
  }
  const auto manifest = nlohmann::json::parse(read_file(path, kMaxTextBytes), nullptr, false);
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object()) {
    invalid(path, "not a checkpoint manifest");
  }
  if (manifest.value("format", nlohmann::json()) != kFormat) {
    invalid(path, "format " + manifest.value("format", nlohmann::json()).dump() +
                      ", this program reads format " + std::to_string(kFormat));
  }
  std::set<std::string> names;
  for (const auto& [name, entry] : manifest["files"].items()) {
    const fs::path file = folder / name;
    const bool listed = entry.is_object() && entry.contains("bytes") &&
                        entry["bytes"].is_number_unsigned() && entry.contains("sha256");
    if (!listed || name.find('/') != std::string::npos) {
      invalid(path, "entry '" + name + "' is malformed");
    }
    if (!fs::is_regular_file(file)) {
      invalid(file, "listed in the manifest, but missing");
    }
    if (fs::file_size(file) != entry["bytes"].get<uint64_t>()) {
      invalid(file, std::to_string(fs::file_size(file)) + " bytes, expected " +
                        entry["bytes"].dump() + ": truncated or changed");
    }
    if (sha256_of_file(file) != entry["sha256"]) {
      invalid(file, "checksum differs from the manifest: the file was changed or is damaged");
    }
    names.insert(name);
  }
  for (const char* needed : {"config.yaml", "model.safetensors", "state.json", "classes.tsv"}) {
    if (!names.contains(needed)) {
      invalid(path, "'" + std::string(needed) + "' is not listed");
    }
  }
  return names;
}

}  // namespace

std::string checkpoint_name(int64_t step) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return name.data();
}

fs::path write_checkpoint(const fs::path& root, int64_t step, const Checkpoint& checkpoint) {
  std::error_code code;
  fs::create_directories(root, code);
  if (code) {
    throw Error(ErrorKind::file, root.string() + ": cannot make the folder: " + code.message());
  }
  check_space(root, checkpoint);
  const fs::path folder = root / checkpoint_name(step);
  fs::path unfinished = folder;
  unfinished += kUnfinished;
  fs::remove_all(unfinished, code);
  try {
    fs::create_directory(unfinished);
    write_contents(unfinished, checkpoint);
    write_manifest(unfinished);
    verify(unfinished);
    fs::remove_all(folder);  // the same step, written before a resume from an older one
    fs::rename(unfinished, folder);
    sync_folder(root);
  } catch (const fs::filesystem_error& problem) {
    fs::remove_all(unfinished, code);
    throw Error(ErrorKind::file, folder.string() + ": cannot write: " + problem.code().message());
  } catch (...) {
    fs::remove_all(unfinished, code);
    throw;
  }
  replace_link(folder.filename(), root / "latest");
  return folder;
}

Checkpoint read_checkpoint(const fs::path& folder) {
  const std::set<std::string> names = verify(folder);
  const auto text = [&](const char* name) { return read_file(folder / name, kMaxTextBytes); };
  const auto tensors = [&](const char* name) {
    return names.contains(name) ? io::read_safetensors(folder / name).tensors : io::NamedTensors{};
  };
  return {.config_yaml = text("config.yaml"),
          .classes = parse_classes(text("classes.tsv"), folder / "classes.tsv"),
          .model = tensors("model.safetensors"),
          .ema = tensors("ema.safetensors"),
          .optimizer = tensors("optimizer.safetensors"),
          .state_json = text("state.json")};
}

std::optional<std::string> checkpoint_fault(const fs::path& folder) {
  try {
    verify(folder);
  } catch (const std::exception& problem) {
    return problem.what();
  }
  return std::nullopt;
}

std::vector<fs::path> checkpoint_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(root, code)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !entry.is_symlink() && name.starts_with(kPrefix) &&
        !name.ends_with(kUnfinished)) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.rbegin(), folders.rend());
  return folders;
}

void remove_old_checkpoints(const fs::path& root, int64_t current, int64_t keep) {
  std::error_code code;
  const fs::path best = fs::read_symlink(root / "best", code);
  const std::string newest = checkpoint_name(current);
  int64_t kept = 0;
  for (const fs::path& folder : checkpoint_folders(root)) {
    // A later step is damaged, or of a course that was given up: the run stands at `current`.
    const bool later = folder.filename().string() > newest;
    if (later || (++kept > keep && folder.filename() != best)) {
      fs::remove_all(folder, code);
    }
  }
  for (const auto& entry : fs::directory_iterator(root, code)) {
    if (entry.path().filename().string().ends_with(kUnfinished)) {
      fs::remove_all(entry.path(), code);
    }
  }
}

}  // namespace nala::train
