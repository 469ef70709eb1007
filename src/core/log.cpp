#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <string>

#include "core/error.h"

namespace nala {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

struct Log::State {
  spdlog::logger logger;
};

Log::Log(LogLevel level, const std::string& prefix) {
  auto console = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  console->set_level(to_spdlog(level));
  state_ = std::make_unique<State>(State{spdlog::logger("nalaformer", std::move(console))});
  state_->logger.set_level(spdlog::level::debug);
  state_->logger.set_pattern("%H:%M:%S %^%l%$ " + prefix + "%v");
}

Log::~Log() = default;

void Log::add_file(const std::filesystem::path& path) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    file->set_level(spdlog::level::info);
    file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    state_->logger.sinks().push_back(std::move(file));
    state_->logger.flush_on(spdlog::level::info);
  } catch (const spdlog::spdlog_ex& problem) {
    throw Error(ErrorKind::file, path.string() + ": cannot write: " + problem.what());
  }
}

void Log::debug(std::string_view message) {
  state_->logger.debug(message);
}
void Log::info(std::string_view message) {
  state_->logger.info(message);
}
void Log::warning(std::string_view message) {
  state_->logger.warn(message);
}
void Log::error(std::string_view message) {
  state_->logger.error(message);
}

}  // namespace nala
