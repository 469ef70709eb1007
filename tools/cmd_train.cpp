#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "train/checkpoint.h"
#include "train/distributed/spawn.h"
#include "train/trainer.h"

namespace nala::tools {
namespace {

constexpr int kStoppedStatus = 75;

// The checkpoint to go on from, as --resume says.
std::optional<std::filesystem::path> find_resume(const std::string& resume,
                                                 const train::RunFolder& folder,
                                                 Log& log) {
  if (resume == "never") {
    train::set_aside_previous_run(folder, log);
    return std::nullopt;
  }
  if (resume == "auto") {
    return train::newest_valid_checkpoint(folder.checkpoints(), log);
  }
  const std::filesystem::path given(resume);
  if (std::filesystem::exists(given / "manifest.json")) {
    return given;
  }
  const auto newest = train::newest_valid_checkpoint(given / "checkpoints", log);
  if (!newest) {
    throw Error(ErrorKind::checkpoint, resume + ": holds no valid checkpoint to resume from");
  }
  return newest;
}

// A run resumed from another folder goes on with that run's metrics.
void take_over_metrics(const std::filesystem::path& checkpoint, const train::RunFolder& folder) {
  const auto source = checkpoint.parent_path().parent_path() / "metrics.jsonl";
  std::error_code code;
  if (!std::filesystem::equivalent(source, folder.metrics(), code) &&
      std::filesystem::exists(source)) {
    write_file(folder.metrics(), read_file(source));
  }
}

// How often a run of several processes speaks, and as whom.
std::unique_ptr<Log> make_log(const CommandLine& line, const train::Launch& launch) {
  if (launch.world == 1) {
    return std::make_unique<Log>(line.log_level());
  }
  const std::string prefix = "[rank " + std::to_string(launch.rank) + "] ";
  return std::make_unique<Log>(
      launch.rank == 0 ? line.log_level() : std::max(line.log_level(), LogLevel::warning), prefix);
}

int train_in_group(const CommandLine& line,
                   const train::Recipe& recipe,
                   const train::TrainerOptions& options,
                   Log& log) {
  const bool leads = options.group->leads();
  if (line.has("dry-run")) {
    const std::string report = train::Trainer(recipe, options, log).dry_run();
    if (leads) {
      std::printf("%s\n", report.c_str());
    }
    return 0;
  }
  const train::RunFolder folder =
      leads ? train::open_run_folder(recipe.output) : train::RunFolder{recipe.output};
  std::optional<FolderLock> lock;
  if (leads) {
    lock.emplace(folder.root);
  }
  train::Trainer trainer(recipe, options, log);
  std::optional<std::filesystem::path> checkpoint;
  if (leads) {
    checkpoint = find_resume(line.get<std::string>("resume"), folder, log);
    log.add_file(folder.log());
  }
  trainer.resume(checkpoint);
  if (checkpoint) {
    take_over_metrics(*checkpoint, folder);
    log.info("resumed from " + checkpoint->string());
  }
  switch (trainer.run(folder)) {
    case train::RunOutcome::already_done:
      log.info("already done: " + folder.root.string());
      return 0;
    case train::RunOutcome::stopped:
      return kStoppedStatus;
    case train::RunOutcome::finished:
      break;
  }
  log.info("done: " + folder.report().string());
  return 0;
}

// Whether this process is the one that --nproc makes a launcher.
bool starts_copies(const CommandLine& line, const train::Launch& launch) {
  const auto count = line.get<int64_t>("nproc");
  if (count < 1 || count > 1024) {
    throw Error(ErrorKind::usage, "--nproc: expected 1 to 1024, found " + std::to_string(count));
  }
  if (count > 1 && launch.launcher != train::Launcher::own && launch.world > 1) {
    throw Error(ErrorKind::usage, "--nproc: this process is one of " +
                                      std::to_string(launch.world) +
                                      " that another launcher has started; give it there");
  }
  return count > 1 && launch.launcher != train::Launcher::own;
}

// What is thrown says which rank it comes from, and the other ranks are told.
int as_member(const train::Group& group, const std::function<int()>& body) {
  const auto named = [&](const std::string& message) {
    group.announce_failure(message);
    return group.alone() ? message : group.name() + ": " + message;
  };
  try {
    return body();
  } catch (const train::LostPeers&) {
    throw;  // names the rank, and is a consequence only
  } catch (const Error& error) {
    throw Error(error.kind(), named(error.what()));
  } catch (const c10::Error& error) {
    throw std::runtime_error(named(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw std::runtime_error(named(error.what()));
  }
}

}  // namespace

int run_train(int argc, char** argv) {
  const CommandLine line(
      {.name = "train",
       .operands = "CONFIG [key=value ...]",
       .summary =
           "Train a network as a configuration says. Started again, it goes on where its newest\n"
           "valid checkpoint stands, bit for bit. SIGTERM and SIGUSR1 save and leave (status 75).\n"
           "Several processes: --nproc N, or started by torchrun --no-python, srun or mpirun.",
       .example = "nalaformer train configs/demo/digits.yaml train.epochs=5 output=runs/try"},
      [](cxxopts::OptionAdder& add) {
        add("resume", "auto, never, or a run or checkpoint folder",
            cxxopts::value<std::string>()->default_value("auto"))(
            "dry-run", "everything up to and including one step; nothing is written")(
            "nproc", "processes to start on this machine, one per GPU",
            cxxopts::value<int64_t>()->default_value("1"), "N");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (line.operands().size() != 1) {
    throw Error(ErrorKind::usage, "train: expected one configuration file, found " +
                                      std::to_string(line.operands().size()));
  }
  train::Recipe recipe = line.recipe(line.operands().front());
  if (line.has("output")) {
    recipe.output = line.text("output");
  }
  const train::Launch launch = train::detect_launch();
  const std::unique_ptr<Log> log = make_log(line, launch);
  if (starts_copies(line, launch)) {
    return train::run_copies(line.get<int64_t>("nproc"), *log);
  }
  const at::Device device = line.start_device();
  const auto group = std::make_shared<train::Group>(
      launch,
      train::Group::Options{.device = device,
                            .timeout = std::chrono::seconds(recipe.distributed.timeout_seconds)});
  const train::TrainerOptions options{
      .device = device,
      .progress_bar = !line.quiet() && on_terminal() && group->leads(),
      .version = version(),
      .group = group};
  return as_member(*group, [&] { return train_in_group(line, recipe, options, *log); });
}

}  // namespace nala::tools
