#include "models/super_resolution_config.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "core/error.h"

namespace nala::models {
namespace {

constexpr std::array<std::string_view, 3> kSizes = {"light", "base", "custom"};
constexpr std::array<std::string_view, 2> kReconstructions = {"direct", "deep"};

struct Row {
  SuperResolutionSize size;
  int64_t channels;
  int64_t groups;
  int64_t blocks;  // per group
  int64_t heads;
  Reconstruction reconstruction;
};

constexpr double kMlpRatio = 2;

// THE table: a new size is a new row.
constexpr std::array<Row, 2> kTable = {{
    {SuperResolutionSize::light, 64, 4, 4, 2, Reconstruction::direct},
    {SuperResolutionSize::base, 192, 6, 4, 6, Reconstruction::deep},
}};

// A key and what is wrong with its value.
struct Fault {
  std::string key;
  std::string message;
};

template <class T>
T required(const std::string& key, const std::optional<T>& value) {
  if (!value) {
    throw Fault{key, "missing, a custom size needs it"};
  }
  return *value;
}

SuperResolutionSizes resolve_or_fault(const SuperResolutionConfig& config) {
  const auto* row = std::ranges::find(kTable, config.size, &Row::size);
  const bool custom = row == kTable.end();
  SuperResolutionSizes sizes{
      .size = config.size,
      .scale = config.scale,
      .channels =
          custom ? required("channels", config.channels) : config.channels.value_or(row->channels),
      .groups = custom ? required("groups", config.groups)
                       : config.groups.value_or(std::vector<int64_t>(row->groups, row->blocks)),
      .heads = custom ? required("heads", config.heads) : config.heads.value_or(row->heads),
      .mlp_ratio = config.mlp_ratio.value_or(kMlpRatio),
      .layer_scale = config.layer_scale,
      .reconstruction =
          config.reconstruction.value_or(custom ? Reconstruction::direct : row->reconstruction)};
  if (sizes.scale == 1) {
    throw Fault{"scale", "1, expected 2, 3 or 4"};
  }
  if (sizes.groups.empty()) {
    throw Fault{"groups", "[], expected the number of blocks of each group"};
  }
  if (sizes.channels % sizes.heads != 0 || sizes.head_dim() % 4 != 0) {
    throw Fault{"heads", std::to_string(sizes.heads) + " heads for " +
                             std::to_string(sizes.channels) +
                             " channels, expected channels per head to be a multiple of 4"};
  }
  return sizes;
}

}  // namespace

std::span<const std::string_view> names_of(SuperResolutionSize) {
  return kSizes;
}
std::span<const std::string_view> names_of(Reconstruction) {
  return kReconstructions;
}

void SuperResolutionConfig::check(const SuperResolutionConfig& c, const config::Where& fail) {
  try {
    resolve_or_fault(c);
  } catch (const Fault& fault) {
    fail(fault.key, fault.message);
  }
}

int64_t SuperResolutionSizes::ffn_dim() const {
  return std::max<int64_t>(1, static_cast<int64_t>(mlp_ratio * static_cast<double>(channels)));
}

int64_t SuperResolutionSizes::blocks() const {
  return std::accumulate(groups.begin(), groups.end(), int64_t{0});
}

std::vector<int64_t> SuperResolutionSizes::shuffles() const {
  const bool twice = reconstruction == Reconstruction::deep && scale == 4;
  return twice ? std::vector<int64_t>{2, 2} : std::vector<int64_t>{scale};
}

SuperResolutionSizes resolve(const SuperResolutionConfig& config) {
  try {
    return resolve_or_fault(config);
  } catch (const Fault& fault) {
    throw Error(ErrorKind::config, "model.super_resolution." + fault.key + ": " + fault.message);
  }
}

}  // namespace nala::models
