// Peak memory and time of linear attention against softmax over picture sizes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/config.h"

namespace nala::tools {

/// What is run: the attention operator alone (one layer's, of the network's heads) or the network.
enum class MemorySubject { attention, network };
/// `materialised` writes the N x N scores out; `fused` computes them in tiles (flash attention).
enum class MemoryKind { nala, softmax_fused, softmax_materialised };

std::string_view name_of(MemorySubject subject);
std::string_view name_of(MemoryKind kind);

/// One cell: peak bytes beyond weights and input, and time of one forward, without gradients,
/// batch 1, float32. What was not measured was computed from smaller sizes of the same kind.
struct MemoryRow {
  MemorySubject subject = MemorySubject::attention;
  MemoryKind kind = MemoryKind::nala;
  int64_t tokens = 0;
  double bytes = 0;
  double milliseconds = 0;
  bool bytes_measured = false;
  bool time_measured = false;
};

/// Of a low-resolution picture; every pixel is a token.
struct PictureSize {
  int64_t height = 0, width = 0;
  [[nodiscard]] int64_t tokens() const { return height * width; }
};

struct MemoryOptions {
  models::ModelConfig model;       ///< a super-resolution network
  std::vector<PictureSize> sizes;  ///< by ascending tokens
  double seconds = 60;             ///< a forward that would take longer is computed
  double bytes = 4e9;              ///< and one that would take more memory
};

/// Runs what the limits allow; smaller sizes first, so that they say what larger ones would take:
/// nala's memory and time and the fused memory grow with N, the fused time and the materialised
/// time with N^2, the materialised memory by c N^2 above the fused one.
std::vector<MemoryRow> measure_memory(const MemoryOptions& options);

/// The row of a cell.
const MemoryRow& find_row(const std::vector<MemoryRow>& rows,
                          MemorySubject subject,
                          MemoryKind kind,
                          int64_t tokens);

}  // namespace nala::tools
