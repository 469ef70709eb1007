// Whatever parses is printed, parsed again and printed the same.
#include "core/config.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "fuzz_target.h"

namespace config = nala::config;

namespace {

config::Value parse_printed(const std::string& yaml) {
  try {
    return config::parse(yaml, "printed");
  } catch (const nala::Error&) {
    fuzz_require(false, "what is printed can be parsed");
    return {};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    const config::Value value = config::parse(text, "input");
    const std::string yaml = config::to_yaml(value);
    fuzz_require(config::to_yaml(parse_printed(yaml)) == yaml, "printing is stable");
    config::flatten(value);
    config::to_json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } catch (const nala::Error&) {  // refused, as it should be
  }
  try {
    config::Value root;
    config::apply_override(root, text);
  } catch (const nala::Error&) {  // refused, as it should be
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {
      "model:\n  name: XT\n  depths: [2, 2, 4, 2]\n  drop_path: 0.05\nseed: 3\noutput: runs/a\n",
      "data:\n  path: \"a \\\"quoted\\\" path\"\n  classes:\n    - cat\n    - 'dog'\n  none: "
      "null\n",
      "a: {b: {c: [1, 2e-4, true], d: \"\"}}\n",
      "text: |\n  line one\n  line two\nempty: {}\nlist: []\n",
      "optimizer.lr=5e-4",
      "data.mean=[0.485, 0.456, 0.406]",
  };
}
