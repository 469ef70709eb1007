#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "bench/bench.h"
#include "commands.h"
#include "core/error.h"

namespace nala::tools {
namespace {

struct BenchCommand {
  std::string_view name;
  std::string_view summary;
  int (*run)(int argc, char** argv);
};

constexpr std::array kSubjects{
    BenchCommand{"attention", "every implementation of the attention operators", bench_attention},
    BenchCommand{"model", "pictures per second and latency of whole networks", bench_model},
    BenchCommand{"loader", "decoding and transforming pictures", bench_loader},
    BenchCommand{"train", "training steps: forward, backward, optimizer", bench_train},
};

void print_help() {
  std::printf(
      "Usage:\n  nalaformer bench <subject> [options] [key=value ...]\n\n"
      "Measures speed and memory on this machine: medians of interleaved repetitions.\n\n"
      "Subjects:\n");
  for (const BenchCommand& subject : kSubjects) {
    std::printf("  %-10s %s\n", std::string(subject.name).c_str(),
                std::string(subject.summary).c_str());
  }
  std::printf(
      "\n  nalaformer bench <subject> --help explains one.\n\n"
      "Example:\n  nalaformer bench attention --tokens 784,3136 --head-dim 32\n");
}

}  // namespace

int run_bench(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "--help";
  if (word == "--help" || word == "-h") {
    print_help();
    return argc > 1 ? 0 : 2;
  }
  std::string names;
  for (const BenchCommand& subject : kSubjects) {
    if (subject.name == word) {
      return subject.run(argc - 1, argv + 1);
    }
    names.append(" ").append(subject.name);
  }
  throw Error(ErrorKind::usage,
              "bench: unknown subject '" + std::string(word) + "'; subjects:" + names);
}

}  // namespace nala::tools
