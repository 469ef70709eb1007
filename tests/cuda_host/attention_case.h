// Cases for the linear attention kernels, and running them on the host shim.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linear_attention_launch.h"

namespace nala::cuda_host {

/// How q, k, v lie in memory.
enum class Layout { tokens_first, heads_first, packed };

struct Case {
  cuda::AttentionCall call;
  cuda::Dtype dtype = cuda::Dtype::float32;
  Layout layout = Layout::tokens_first;
  float eps = 1e-6f;
  std::vector<float> q, k, v, dy;  // (B, h, N, d), values that the dtype holds
  std::vector<float> cos, sin;     // (N, d), or empty

  size_t elements() const { return q.size(); }
};

struct CaseOptions {
  int64_t images = 1;
  int heads = 2;
  int tokens = 70;
  int channels = 32;
  cuda::Map map = cuda::Map::relu_split;
  cuda::Dtype dtype = cuda::Dtype::float32;
  Layout layout = Layout::tokens_first;
  int tokens_per_split = 40;
  bool rotate = true;
  bool norm_aware = true;
};

/// Inputs drawn evenly from about (-2, 2), the same on every machine; a table of plausible angles.
Case make_case(const CaseOptions& options);

/// Numbers evenly from (-1, 1): a pure function of the index.
std::vector<float> drawn(size_t count, uint64_t seed);

/// What the kernels write, as floats, (B, h, N, d).
struct Results {
  std::vector<float> y, dq, dk, dv;
};

/// Runs forward and backward on the shim. Outputs and workspace are NaN before, and between guard
/// bands: throws std::runtime_error if one was written to.
Results run_kernels(const Case& given);

/// y in double.
std::vector<double> exact_y(const Case& given);

/// Sum of dy times the derivative of y along the direction (each empty for none), in double.
double exact_slope(const Case& given,
                   const std::vector<float>& along_q,
                   const std::vector<float>& along_k,
                   const std::vector<float>& along_v);

}  // namespace nala::cuda_host
