#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "commands.h"
#include "core/error.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

struct TableCommand {
  std::string_view name;
  std::string_view summary;
  int (*run)(int argc, char** argv);
};

constexpr std::array kTables{
    TableCommand{"ablation", "trains every cell of a grid with several seeds", reproduce_ablation},
    TableCommand{"imagenet", "the zoo's sizes and speed, top-1 of checkpoints", reproduce_imagenet},
    TableCommand{"ade20k", "segmentation networks, mIoU of checkpoints", reproduce_ade20k},
    TableCommand{"kernels", "feature maps in one backbone, top-1 of checkpoints",
                 reproduce_kernels},
    TableCommand{"sr", "super-resolution networks, PSNR and SSIM of checkpoints",
                 reproduce_super_resolution},
    TableCommand{"memory", "peak memory and time over picture sizes, linear against softmax",
                 reproduce_memory},
};

void print_tables() {
  std::printf(
      "Usage:\n  nalaformer reproduce <table> [options] [key=value ...]\n\n"
      "Runs or collects what a table needs and prints it beside the published values.\n\n"
      "Tables:\n");
  for (const TableCommand& table : kTables) {
    std::printf("  %-10s %s\n", std::string(table.name).c_str(),
                std::string(table.summary).c_str());
  }
  std::printf(
      "\n  nalaformer reproduce <table> --help explains one.\n\n"
      "Example:\n  nalaformer reproduce imagenet --output out\n");
}

}  // namespace

int run_reproduce(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "--help";
  if (word == "--help" || word == "-h") {
    print_tables();
    return argc > 1 ? 0 : 2;
  }
  std::string names;
  for (const TableCommand& table : kTables) {
    if (table.name == word) {
      return table.run(argc - 1, argv + 1);
    }
    names.append(" ").append(table.name);
  }
  throw Error(ErrorKind::usage,
              "reproduce: unknown table '" + std::string(word) + "'; tables:" + names);
}

}  // namespace nala::tools
