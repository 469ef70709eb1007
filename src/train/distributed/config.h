// Settings of runs of several processes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/config.h"

namespace nala::train {

enum class Compression { none, bf16 };
constexpr std::array<std::string_view, 2> kCompressionNames{"none", "bf16"};
constexpr std::span<const std::string_view> names_of(Compression) {
  return kCompressionNames;
}

struct DistributedConfig {
  bool sync_batch_norm = true;
  Compression compress = Compression::none;
  int64_t bucket_mb = 25;
  int64_t timeout_seconds = 600;

  template <class V>
  static void fields(DistributedConfig& c, V&& v) {
    v("sync_batch_norm", c.sync_batch_norm,
      "BatchNorm takes the statistics of all processes' batches together in training");
    v("compress", c.compress, "how gradients travel: none, or bf16 at half the bytes");
    v("bucket_mb", c.bucket_mb, "gradients that travel together, in MiB", config::between(1, 4096));
    v("timeout_seconds", c.timeout_seconds,
      "how long a process waits for another before it gives up; longer than saving a checkpoint",
      config::between(1, 86400));
  }
};

}  // namespace nala::train
