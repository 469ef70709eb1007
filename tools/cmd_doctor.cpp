#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <torch/version.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "command_line.h"
#include "commands.h"
#include "data/image_io.h"
#include "ops/implementations.h"
#include "train/device.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

std::string cpu_features() {
  std::string text;
  const auto add = [&](bool there, const char* name) {
    if (there) {
      text.append(text.empty() ? "" : " ").append(name);
    }
  };
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("fma") != 0, "fma");
  add(__builtin_cpu_supports("avx512f") != 0, "avx512f");
  add(__builtin_cpu_supports("avx512bf16") != 0, "avx512bf16");
  return text.empty() ? "none of avx2 fma avx512" : text;
}

// Decodes a one-pixel BMP, which loads the library that the rarer formats need.
std::string codecs_obstacle() {
  static constexpr std::string_view kPixel(
      "BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0\4\0\0\0"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\0",
      58);
  try {
    data::decode(kPixel, "a bitmap of one pixel");
    return "";
  } catch (const std::exception& problem) {
    return problem.what();
  }
}

ordered_json codecs() {
  ordered_json rows = ordered_json::object();
  rows["jpeg"] = "libjpeg-turbo";
  rows["png"] = "libspng";
  const std::string obstacle = codecs_obstacle();
  rows["bmp tiff webp pnm"] = obstacle.empty() ? "OpenCV" : "unavailable: " + obstacle;
  return rows;
}

ordered_json implementations() {
  ordered_json rows = ordered_json::object();
  for (const ops::Implementation& implementation : ops::implementations()) {
    rows[std::string(implementation.name)] = "available";
  }
  return rows;
}

void print(const std::string& key, const ordered_json& value, const std::string& indent) {
  if (value.is_object()) {
    std::printf("%s%s\n", indent.c_str(), key.c_str());
    for (const auto& [inner, item] : value.items()) {
      print(inner, item, indent + "  ");
    }
    return;
  }
  std::printf("%s%-24s %s\n", indent.c_str(), key.c_str(),
              value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
}

}  // namespace

int run_doctor(int argc, char** argv) {
  const CommandLine line(
      {.name = "doctor",
       .operands = "",
       .summary = "Versions, devices, CPU features, codecs, threads, and each operator\n"
                  "implementation with the reason where it cannot be used.",
       .example = "nalaformer doctor --json doctor.json"},
      [](cxxopts::OptionAdder&) {}, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::string obstacle = train::cuda_obstacle();
  const at::Device device = line.start_device();
  const ordered_json report{{"nalaformer", version()},
                            {"libtorch", TORCH_VERSION},
                            {"device", device.str()},
                            {"cuda", obstacle.empty() ? "usable" : "not usable: " + obstacle},
                            {"cpu",
                             {{"features", cpu_features()},
                              {"cores", std::thread::hardware_concurrency()},
                              {"threads", at::get_num_threads()},
                              {"arithmetic", at::get_cpu_capability()}}},
                            {"picture formats", codecs()},
                            {"attention implementations", implementations()}};
  for (const auto& [key, value] : report.items()) {
    print(key, value, "");
  }
  line.write_json(report, device.str(), std::nullopt);
  return 0;
}

}  // namespace nala::tools
