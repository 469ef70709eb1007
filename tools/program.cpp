// nalaformer <command>: finds the command, and turns what it throws into one line and a status.
#include "program.h"

#include <c10/util/Exception.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "train/distributed/error_file.h"

namespace nala::tools {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(int argc, char** argv);
};

constexpr std::array<Command, 11> kCommands{{
    {"train", "train a network as a configuration says; resumes by itself", run_train},
    {"eval", "measure a checkpoint on a validation set", run_eval},
    {"predict", "classify, segment or enlarge pictures", run_predict},
    {"export", "write a checkpoint's weights to one file", run_export},
    {"info", "parameters, multiply-adds and memory of a model, layer by layer", run_info},
    {"bench", "speed and memory of operators, networks and training steps", run_bench},
    {"analyze", "the paper's observations as figures and numbers", run_analyze},
    {"reproduce", "run what a table of the paper needs, beside the published values",
     run_reproduce},
    {"data", "check a data set; prepare the demo data", run_data},
    {"config", "print, check and explain configurations", run_config},
    {"doctor", "versions, devices and what this machine can do", run_doctor},
}};

void print_help() {
  std::printf(
      "nalaformer %s: train, evaluate and use NaLaFormer vision models\n\n"
      "Usage:\n  nalaformer <command> [config.yaml] [options] [key=value ...]\n\nCommands:\n",
      version().c_str());
  for (const Command& command : kCommands) {
    std::printf("  %-10s %s\n", std::string(command.name).c_str(),
                std::string(command.summary).c_str());
  }
  std::printf(
      "\n  nalaformer <command> --help explains one; nalaformer config help lists every key.\n\n"
      "Example:\n  nalaformer train configs/demo/digits.yaml train.epochs=5\n");
}

int dispatch(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "--help";
  if (word == "--help" || word == "-h" || word == "help") {
    print_help();
    return argc > 1 ? 0 : 2;
  }
  for (const Command& command : kCommands) {
    if (command.name == word) {
      return command.run(argc - 1, argv + 1);
    }
  }
  std::string names;
  for (const Command& command : kCommands) {
    names.append(" ").append(command.name);
  }
  throw Error(ErrorKind::usage, "unknown command '" + std::string(word) + "'; commands:" + names);
}

int complain(const std::string& message, int status) {
  // One line, whatever the message was made of.
  std::string line = message;
  for (size_t at = line.find('\n'); at != std::string::npos; at = line.find('\n', at)) {
    line.replace(at, 1, " | ");
  }
  std::fprintf(stderr, "nalaformer: error: %s\n", line.c_str());
  train::write_error_file(line);
  return status;
}

}  // namespace
}  // namespace nala::tools

int nala_program(int argc, char** argv) {
  using nala::tools::complain;
  try {
    return nala::tools::dispatch(argc, argv);
  } catch (const nala::Error& error) {
    return complain(error.what(), error.status());
  } catch (const c10::Error& error) {
    return complain(error.what_without_backtrace(), 1);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", 1);
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
}
