#include "train/distributed/launch.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace nala::train {
namespace {

constexpr int64_t kMostProcesses = 1 << 20;
constexpr size_t kMostHosts = 1 << 16;
constexpr uint16_t kFirstJobPort = 20000;
constexpr int64_t kJobPorts = 20000;

std::optional<int64_t> parse(std::string_view text) {
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Numbers of one environment, checked.
class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  [[nodiscard]] std::optional<std::string> text(std::string_view name) const {
    return environment_(name);
  }

  [[nodiscard]] std::optional<int64_t> number(std::string_view name, int64_t high) const {
    const auto found = environment_(name);
    if (!found) {
      return std::nullopt;
    }
    const auto value = parse(*found);
    if (!value || *value < 0 || *value > high) {
      throw Error(ErrorKind::usage, "environment: " + std::string(name) + " is '" + *found +
                                        "', expected a number from 0 to " + std::to_string(high));
    }
    return value;
  }

  // The first of these that is set; Error when none is.
  [[nodiscard]] int64_t required(std::initializer_list<std::string_view> names,
                                 int64_t high) const {
    for (const std::string_view name : names) {
      if (const auto value = number(name, high)) {
        return *value;
      }
    }
    throw Error(ErrorKind::usage, "environment: the launcher did not set " +
                                      std::string(*names.begin()) +
                                      ", which a run of several processes needs");
  }

 private:
  const Environment& environment_;
};

void read_meeting_point(const Reader& reader, Launch& launch) {
  if (const auto address = reader.text("MASTER_ADDR")) {
    launch.address = *address;
  }
  if (const auto port = reader.number("MASTER_PORT", std::numeric_limits<uint16_t>::max())) {
    launch.port = static_cast<uint16_t>(*port);
  }
}

Launch from_torchrun(const Reader& reader) {
  Launch launch{.launcher = Launcher::torchrun};
  launch.world = reader.required({"WORLD_SIZE"}, kMostProcesses);
  launch.rank = reader.required({"RANK"}, kMostProcesses);
  launch.local_rank = reader.number("LOCAL_RANK", kMostProcesses).value_or(launch.rank);
  launch.local_world = reader.number("LOCAL_WORLD_SIZE", kMostProcesses).value_or(launch.world);
  launch.agent_store = reader.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.attempt =
      reader.number("TORCHELASTIC_RESTART_COUNT", std::numeric_limits<int>::max()).value_or(0);
  read_meeting_point(reader, launch);
  if (const auto socket = reader.number("NALA_MEETING_SOCKET", std::numeric_limits<int>::max())) {
    launch.launcher = Launcher::own;
    if (launch.rank == 0) {
      launch.listening = static_cast<int>(*socket);
    }
  }
  return launch;
}

Launch from_slurm(const Reader& reader) {
  Launch launch{.launcher = Launcher::slurm};
  launch.world = reader.required({"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"}, kMostProcesses);
  launch.rank = reader.required({"SLURM_PROCID"}, kMostProcesses);
  launch.local_rank = reader.required({"SLURM_LOCALID"}, kMostProcesses);
  std::string list;
  for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"}) {
    if (list.empty()) {
      list = reader.text(name).value_or("");
    }
  }
  const std::vector<std::string> hosts = slurm_hosts(list);
  // Tasks per node come as "8", "4(x2)" or "4,2": what counts is whether one machine has them all.
  launch.local_world = hosts.size() == 1 ? launch.world : 1;
  launch.address = hosts.size() == 1 ? "127.0.0.1" : hosts.front();
  const int64_t job =
      reader.number("SLURM_JOB_ID", std::numeric_limits<int64_t>::max()).value_or(0);
  launch.port = static_cast<uint16_t>(kFirstJobPort + job % kJobPorts);
  launch.attempt =
      reader.number("SLURM_RESTART_COUNT", std::numeric_limits<int>::max()).value_or(0);
  read_meeting_point(reader, launch);
  return launch;
}

Launch from_mpirun(const Reader& reader) {
  Launch launch{.launcher = Launcher::mpirun};
  launch.world = reader.required({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, kMostProcesses);
  launch.rank = reader.required({"OMPI_COMM_WORLD_RANK", "PMI_RANK"}, kMostProcesses);
  launch.local_rank =
      reader.required({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"}, kMostProcesses);
  launch.local_world =
      reader.required({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, kMostProcesses);
  if (!launch.one_machine() && !reader.text("MASTER_ADDR")) {
    throw Error(ErrorKind::usage,
                "environment: mpirun on several machines: export MASTER_ADDR, the machine of rank "
                "0, to all processes (mpirun -x MASTER_ADDR=...)");
  }
  read_meeting_point(reader, launch);
  return launch;
}

void check(const Launch& launch) {
  const bool sensible = launch.world >= 1 && launch.rank < launch.world &&
                        launch.local_world >= 1 && launch.local_world <= launch.world &&
                        launch.local_rank < launch.world;
  if (!sensible) {
    throw Error(ErrorKind::usage, "environment: rank " + std::to_string(launch.rank) + " of " +
                                      std::to_string(launch.world) + " processes (" +
                                      std::to_string(launch.local_rank) + " of " +
                                      std::to_string(launch.local_world) +
                                      " on this machine) makes no sense");
  }
}

// The numbers of "1-3" or "07", as text of the width they are written in.
void add_range(const std::string& prefix, std::string_view range, std::vector<std::string>& hosts) {
  const size_t dash = range.find('-');
  const std::string_view low_text = range.substr(0, dash);
  const auto low = parse(low_text);
  const auto high = dash == std::string_view::npos ? low : parse(range.substr(dash + 1));
  if (!low || !high || *low < 0 || *high < *low ||
      static_cast<uint64_t>(*high - *low) >= kMostHosts) {
    throw Error(ErrorKind::usage, "Slurm node list: '" + std::string(range) + "' is no range");
  }
  for (int64_t number = *low; number <= *high; ++number) {
    const std::string digits = std::to_string(number);
    const size_t zeros = low_text.size() - std::min(low_text.size(), digits.size());
    hosts.push_back(prefix + std::string(zeros, '0') + digits);
  }
}

// Calls `use` with every part of `text` between commas outside of brackets.
void split_at_commas(std::string_view text, const std::function<void(std::string_view)>& use) {
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && (depth == 0 || i == text.size())) {
      use(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
}

// "rack[1-2]n[1,3]" is the product of its brackets.
std::vector<std::string> hosts_of_entry(std::string_view entry) {
  std::vector<std::string> hosts{""};
  while (!entry.empty()) {
    const size_t open = entry.find('[');
    const std::string text(entry.substr(0, open));
    for (std::string& host : hosts) {
      host += text;
    }
    if (open == std::string_view::npos) {
      break;
    }
    const size_t close = entry.find(']', open);
    if (close == std::string_view::npos) {
      throw Error(ErrorKind::usage,
                  "Slurm node list: '" + std::string(entry) + "' lacks its closing bracket");
    }
    std::vector<std::string> longer;
    for (const std::string& host : hosts) {
      split_at_commas(entry.substr(open + 1, close - open - 1),
                      [&](std::string_view range) { add_range(host, range, longer); });
      if (longer.size() > kMostHosts) {
        throw Error(ErrorKind::usage, "Slurm node list: more than 65536 machines");
      }
    }
    hosts = std::move(longer);
    entry.remove_prefix(close + 1);
  }
  return hosts;
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Launch detect_launch(const Environment& environment) {
  const Reader reader(environment);
  const auto is_set = [&](std::string_view name) { return environment(name).has_value(); };
  Launch launch;
  if (is_set("RANK") && is_set("WORLD_SIZE")) {
    launch = from_torchrun(reader);
  } else if (is_set("OMPI_COMM_WORLD_SIZE") || (is_set("PMI_SIZE") && is_set("MPI_LOCALRANKID"))) {
    launch = from_mpirun(reader);
  } else if (is_set("SLURM_PROCID") &&
             reader.number("SLURM_NTASKS", kMostProcesses).value_or(1) > 1) {
    launch = from_slurm(reader);
  }
  check(launch);
  return launch;
}

std::vector<std::string> slurm_hosts(const std::string& list) {
  std::vector<std::string> hosts;
  split_at_commas(list, [&](std::string_view entry) {
    if (entry.empty()) {
      throw Error(ErrorKind::usage, "Slurm node list: '" + list + "' has an empty entry");
    }
    const std::vector<std::string> more = hosts_of_entry(entry);
    hosts.insert(hosts.end(), more.begin(), more.end());
    if (hosts.size() > kMostHosts) {
      throw Error(ErrorKind::usage, "Slurm node list: more than 65536 machines");
    }
  });
  return hosts;
}

}  // namespace nala::train
