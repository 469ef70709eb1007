// Our own rows of a table: what a network counts, how fast it is, what a checkpoint of it reaches.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "command_line.h"
#include "models/describe.h"
#include "reproduce/published.h"

namespace nala::tools {

/// The options of every table of networks: --checkpoints, --published, --weights and, for those
/// that time, --seconds and --batch.
void add_network_options(cxxopts::OptionAdder& add, bool timed);

/// A network as key=value words: "model.name=nalaformer_t".
using NetworkSettings = std::vector<std::string>;

/// Parameters, and multiply-adds of one picture of data.image_size. Throws Error(config).
models::Description counts_of(const NetworkSettings& settings);

/// Pictures per second at data.image_size on noise, as `nalaformer bench model` measures them with
/// this command's --batch, --seconds, --device and --threads.
double pictures_per_second(const CommandLine& line, const NetworkSettings& settings);

/// The note below a table that times: the machine, and the batches where speed was measured.
std::string here_note(const CommandLine& line);

/// What --checkpoints names, evaluated when asked for.
class GivenCheckpoints {
 public:
  /// `known`: the names of the table's rows. Throws Error(usage) for others and for what is not
  /// name=CKPT.
  GivenCheckpoints(const CommandLine& line, const std::vector<std::string>& known);

  /// The metrics of `nalaformer eval` with this command's configuration and key=value words, of the
  /// weights --weights names; null where no checkpoint was given for the row.
  [[nodiscard]] nlohmann::json metrics(const std::string& row) const;
  /// Where the row comes from: the checkpoint's path, or "this program".
  [[nodiscard]] std::string source(const std::string& row) const;

 private:
  const CommandLine& line_;
  std::map<std::string, std::string> paths_;
};

/// 15.91 of 15 907 752: a count in millions, thousands or billions.
std::string in_units(int64_t count, double unit, int decimals);

/// metrics[key] with so many decimals; empty where there are none.
std::string metric_text(const nlohmann::json& metrics, const std::string& key, int decimals);

}  // namespace nala::tools
