#include "command_line.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "train/device.h"
#include "version.h"

namespace nala::tools {
namespace {

// key=value with a dotted word on the left; anything else that holds '=' is a file name.
bool is_override(const std::string& operand) {
  const size_t equals = operand.find('=');
  return equals != std::string::npos && equals > 0 &&
         std::all_of(
             operand.begin(), operand.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
               return std::islower(static_cast<unsigned char>(c)) != 0 ||
                      std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
             });
}

}  // namespace

CommandLine::CommandLine(const CommandText& text,
                         const std::function<void(cxxopts::OptionAdder&)>& add,
                         int argc,
                         char** argv)
    : command_(text.name), several_threads_(text.several_threads) {
  cxxopts::Options options("nalaformer " + text.name, text.summary);
  options.custom_help("[options]");
  options.positional_help(text.operands);
  options.set_width(100);
  auto own = options.add_options("Command");
  add(own);
  options.add_options("Common")("h,help", "show this help")(
      "device", "auto, cpu, cuda or cuda:N", cxxopts::value<std::string>()->default_value("auto"))(
      "threads", "threads of the arithmetic (default: one per core)",
      text.several_threads ? std::static_pointer_cast<cxxopts::Value>(cxxopts::value<std::string>())
                           : std::static_pointer_cast<cxxopts::Value>(cxxopts::value<int>()),
      text.several_threads ? "LIST" : "N")("output", "folder or file to write to",
                                           cxxopts::value<std::string>(), "PATH")(
      "json", "also write the result as one JSON object", cxxopts::value<std::string>(), "FILE")(
      "log-level", "debug, info, warning, error or off",
      cxxopts::value<std::string>()->default_value("info"))("quiet", "errors and results only");
  options.add_options("Hidden")("operands", "", cxxopts::value<std::vector<std::string>>());
  options.parse_positional({"operands"});
  try {
    result_ = options.parse(argc, argv);
  } catch (const cxxopts::exceptions::exception& problem) {
    throw Error(ErrorKind::usage, text.name + ": " + std::string(problem.what()) +
                                      "; see nalaformer " + text.name + " --help");
  }
  if (result_.count("help") > 0) {
    std::printf("%s\nExample:\n  %s\n", options.help({"Command", "Common"}).c_str(),
                text.example.c_str());
    help_shown_ = true;
    return;
  }
  if (result_.count("operands") > 0) {
    for (const std::string& operand : result_["operands"].as<std::vector<std::string>>()) {
      (is_override(operand) ? overrides_ : operands_).push_back(operand);
    }
  }
}

LogLevel CommandLine::log_level() const {
  if (quiet()) {
    return LogLevel::error;
  }
  const auto name = get<std::string>("log-level");
  constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warning", "error", "off"};
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    throw Error(ErrorKind::usage,
                "--log-level: expected debug, info, warning, error or off, found " + name);
  }
  return static_cast<LogLevel>(found - kNames.begin());
}

std::vector<int64_t> CommandLine::thread_counts() const {
  if (!has("threads")) {
    return {at::get_num_threads()};
  }
  const std::vector<int64_t> counts = several_threads_
                                          ? integers_of("threads", get<std::string>("threads"))
                                          : std::vector<int64_t>{get<int>("threads")};
  for (const int64_t count : counts) {
    if (count < 1 || count > 4096) {
      throw Error(ErrorKind::usage,
                  "--threads: expected 1 to 4096, found " + std::to_string(count));
    }
  }
  if (counts.empty()) {
    throw Error(ErrorKind::usage, "--threads: expected 1 to 4096, found nothing");
  }
  return counts;
}

at::Device CommandLine::start_device() const {
  if (has("threads")) {
    at::set_num_threads(static_cast<int>(thread_counts().front()));
  }
  return train::resolve_device(get<std::string>("device"));
}

train::Recipe CommandLine::recipe(const std::optional<std::filesystem::path>& file,
                                  const config::Value& initial) const {
  config::Value value = file ? config::load(*file) : initial;
  if (value.kind == config::Value::Kind::null) {
    value.kind = config::Value::Kind::mapping;
  }
  for (const std::string& assignment : overrides_) {
    config::apply_override(value, assignment);
  }
  return config::read<train::Recipe>(value);
}

void CommandLine::write_json(nlohmann::ordered_json result,
                             const std::string& device,
                             const std::optional<train::Recipe>& recipe) const {
  if (!has("json")) {
    return;
  }
  nlohmann::ordered_json object{{"command", command_}, {"version", version()}, {"device", device}};
  object["config"] = recipe ? config::to_json(config::write(*recipe)) : nlohmann::ordered_json();
  object.update(result);
  write_file(get<std::string>("json"), object.dump(2) + "\n");
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

std::vector<int64_t> integers_of(const std::string& option, const std::string& text) {
  std::vector<int64_t> values;
  for (const std::string& part : split_list(text)) {
    int64_t value = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (code != std::errc() || end != part.data() + part.size() || value < 1) {
      throw Error(ErrorKind::usage,
                  "--" + option + ": expected whole numbers of at least 1, separated by commas, " +
                      "found '" + part + "'");
    }
    values.push_back(value);
  }
  return values;
}

std::string version() {
  return std::string(kVersion) + " (" + kRevision + ")";
}

}  // namespace nala::tools
