#include <cstdio>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/files.h"
#include "train/checkpoint.h"
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

}  // namespace

int run_train(int argc, char** argv) {
  const CommandLine line(
      {.name = "train",
       .operands = "CONFIG [key=value ...]",
       .summary =
           "Train a network as a configuration says. Started again, it goes on where its newest\n"
           "valid checkpoint stands, bit for bit. SIGTERM and SIGUSR1 save and leave (status 75).",
       .example = "nalaformer train configs/demo/digits.yaml train.epochs=5 output=runs/try"},
      [](cxxopts::OptionAdder& add) {
        add("resume", "auto, never, or a run or checkpoint folder",
            cxxopts::value<std::string>()->default_value("auto"))(
            "dry-run", "everything up to and including one step; nothing is written");
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
  Log log(line.log_level());
  const train::TrainerOptions options{.device = line.start_device(),
                                      .progress_bar = !line.quiet() && on_terminal(),
                                      .version = version()};
  if (line.has("dry-run")) {
    std::printf("%s\n", train::Trainer(recipe, options, log).dry_run().c_str());
    return 0;
  }
  const train::RunFolder folder = train::open_run_folder(recipe.output);
  const FolderLock lock(folder.root);
  train::Trainer trainer(recipe, options, log);
  const auto checkpoint = find_resume(line.get<std::string>("resume"), folder, log);
  log.add_file(folder.log());
  if (checkpoint) {
    trainer.resume(*checkpoint);
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

}  // namespace nala::tools
