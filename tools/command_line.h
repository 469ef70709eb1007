// What the commands share: options, the device, the log, JSON results.
#pragma once

#include <ATen/core/Tensor.h>

// A comma inside an operand is part of it: data.augment.scale=[0.5,1].
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log.h"
#include "train/recipe.h"

namespace nala::tools {

/// The fixed text of one command.
struct CommandText {
  std::string name;              ///< as typed
  std::string operands;          ///< e.g. "[CONFIG] [key=value ...]"
  std::string summary;           ///< one sentence
  std::string example;           ///< one line to copy
  bool several_threads = false;  ///< --threads takes a list
};

/// A parsed command line. Operands of the form key=value are overrides of the configuration.
class CommandLine {
 public:
  /// `add` declares the command's own options. Throws Error(usage).
  CommandLine(const CommandText& text,
              const std::function<void(cxxopts::OptionAdder&)>& add,
              int argc,
              char** argv);

  /// True when --help was asked for: the help has been printed, nothing else is to be done.
  [[nodiscard]] bool help_shown() const { return help_shown_; }

  [[nodiscard]] bool has(const std::string& option) const { return result_.count(option) > 0; }
  template <class T>
  [[nodiscard]] T get(const std::string& option) const {
    return result_[option].as<T>();
  }
  [[nodiscard]] std::string text(const std::string& option) const {
    return has(option) ? get<std::string>(option) : std::string();
  }

  [[nodiscard]] const std::vector<std::string>& operands() const { return operands_; }
  [[nodiscard]] const std::vector<std::string>& overrides() const { return overrides_; }
  [[nodiscard]] bool quiet() const { return result_.count("quiet") > 0; }
  [[nodiscard]] LogLevel log_level() const;

  /// What --threads names, or all threads that there are. Throws Error(usage).
  [[nodiscard]] std::vector<int64_t> thread_counts() const;

  /// Applies --threads (the first of a list) and resolves --device, loading the CUDA libraries when
  /// they are asked for. Throws Error(usage) for a device that cannot be used, with the reason.
  [[nodiscard]] at::Device start_device() const;

  /// The configuration: the file (or, without one, `initial`), with the overrides applied.
  /// Throws Error(config).
  [[nodiscard]] train::Recipe recipe(const std::optional<std::filesystem::path>& file,
                                     const config::Value& initial = {}) const;

  /// Writes the command's JSON object, completed by command, version, device and config, where
  /// --json asks for it.
  void write_json(nlohmann::ordered_json result,
                  const std::string& device,
                  const std::optional<train::Recipe>& recipe) const;

 private:
  std::string command_;
  cxxopts::ParseResult result_;
  std::vector<std::string> operands_;
  std::vector<std::string> overrides_;
  bool several_threads_ = false;
  bool help_shown_ = false;
};

/// The parts of a list written with commas; positive integers of one. Throw Error(usage) naming the
/// option.
std::vector<std::string> split_list(const std::string& text);
std::vector<int64_t> integers_of(const std::string& option, const std::string& text);

/// `0.1.0 (abc1234)`: version and source revision.
std::string version();

}  // namespace nala::tools
