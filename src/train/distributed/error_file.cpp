#include "train/distributed/error_file.h"

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/files.h"

namespace nala::train {

void write_error_file(const std::string& message) noexcept {
  const char* path = std::getenv("TORCHELASTIC_ERROR_FILE");
  if (path == nullptr || *path == '\0') {
    return;
  }
  try {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    const nlohmann::ordered_json content{
        {"message",
         {{"message", message},
          {"extraInfo", {{"py_callstack", message}, {"timestamp", std::to_string(seconds)}}}}}};
    write_file(path, content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } catch (...) {  // the message itself is on standard error already
  }
}

}  // namespace nala::train
