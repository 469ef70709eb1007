// LayerNorm(y + lepe) * SiLU(gate), a warp per row of C channels.
//
// The dtypes of the tensors are independent of each other and known at run time: a branch that is
// the same for all lanes costs nothing beside the memory access. A row is read again for each of
// its sums; it stays in the first cache.
#pragma once

#include "epilogue_launch.h"
#include "vectors.cuh"

namespace nala::cuda {

constexpr int kEpilogueThreads = 128;
constexpr int kEpilogueWarps = kEpilogueThreads / 32;
constexpr int kLaneStep = 128;  // channels that a warp takes at a time

__device__ __forceinline__ Four load_channels(const TokenRows& from, int64_t offset) {
  switch (from.dtype) {
    case Dtype::bfloat16:
      return load_four(static_cast<const __nv_bfloat16*>(from.data) + offset);
    case Dtype::float16:
      return load_four(static_cast<const __half*>(from.data) + offset);
    default:
      return load_four(static_cast<const float*>(from.data) + offset);
  }
}

__device__ __forceinline__ void store_channels(const TokenRows& to, int64_t offset, const Four& x) {
  switch (to.dtype) {
    case Dtype::bfloat16:
      return store_four(static_cast<__nv_bfloat16*>(to.data) + offset, x);
    case Dtype::float16:
      return store_four(static_cast<__half*>(to.data) + offset, x);
    default:
      return store_four(static_cast<float*>(to.data) + offset, x);
  }
}

__device__ __forceinline__ int64_t row_offset(const TokenRows& rows, int tokens, int row) {
  return row / tokens * rows.image_stride + row % tokens * rows.token_stride;
}

/// The row's y + lepe at four channels.
struct NormedRow {
  const EpilogueInputs& in;
  int64_t y, lepe;

  __device__ NormedRow(const EpilogueInputs& inputs, int row)
      : in(inputs),
        y(row_offset(inputs.y, inputs.tokens, row)),
        lepe(row_offset(inputs.lepe, inputs.tokens, row)) {}

  __device__ Four at(int channel) const {
    Four x = load_channels(in.y, y + channel);
    if (in.lepe.data != nullptr) {
      const Four other = load_channels(in.lepe, lepe + channel);
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        x.at[i] += other.at[i];
      }
    }
    return x;
  }
};

/// SiLU of g and its derivative.
struct Silu {
  float value, slope;
  __device__ explicit Silu(float g) {
    const float sigmoid = 1 / (1 + expf(-g));
    value = g * sigmoid;
    slope = sigmoid * (1 + g * (1 - sigmoid));
  }
};

__device__ __forceinline__ int lane_channel() {
  return static_cast<int>(threadIdx.x) % 32 * 4;
}

// Mean and 1/sqrt(variance + eps) of a row; all lanes get them.
__device__ __forceinline__ float2 moments_of(const NormedRow& row, int channels, float eps) {
  float sum = 0;
  for (int c = lane_channel(); c < channels; c += kLaneStep) {
    const Four x = row.at(c);
    sum += (x.at[0] + x.at[1]) + (x.at[2] + x.at[3]);
  }
  const float mean = sum_over_lanes<32>(sum) / static_cast<float>(channels);
  float square = 0;
  for (int c = lane_channel(); c < channels; c += kLaneStep) {
    const Four x = row.at(c);
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      square = fmaf(x.at[i] - mean, x.at[i] - mean, square);
    }
  }
  const float variance = sum_over_lanes<32>(square) / static_cast<float>(channels);
  return make_float2(mean, 1 / sqrtf(variance + eps));
}

static __global__ void __launch_bounds__(kEpilogueThreads)
    epilogue_forward_kernel(EpilogueForward a) {
  const int row =
      static_cast<int>(blockIdx.x) * kEpilogueWarps + static_cast<int>(threadIdx.x) / 32;
  if (row < a.in.rows) {  // the same for a whole warp
    const NormedRow input(a.in, row);
    const float2 moments = moments_of(input, a.in.channels, a.eps);
    for (int c = lane_channel(); c < a.in.channels; c += kLaneStep) {
      const Four x = input.at(c);
      const Four weight = load_four(a.in.weight + c);
      const Four bias = load_four(a.in.bias + c);
      Four out;
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        out.at[i] = fmaf((x.at[i] - moments.x) * moments.y, weight.at[i], bias.at[i]);
      }
      if (a.in.gate.data != nullptr) {
        const Four gate = load_channels(a.in.gate, row_offset(a.in.gate, a.in.tokens, row) + c);
        NALA_UNROLL
        for (int i = 0; i < 4; ++i) {
          out.at[i] *= Silu(gate.at[i]).value;
        }
      }
      store_channels(a.out, row_offset(a.out, a.in.tokens, row) + c, out);
    }
    if (lane_channel() == 0) {
      a.in.mean[row] = moments.x;
      a.in.rstd[row] = moments.y;
    }
  }
}

/// The backward of four channels of a row up to the LayerNorm's input.
struct PulledChannels {
  Four normalised;  // (x - mean) rstd
  Four dnormed;     // gradient of the LayerNorm's output
  Four dgate;

  __device__ PulledChannels(const EpilogueBackward& a, int row, int c) {
    const Four x = NormedRow(a.in, row).at(c);
    const Four weight = load_four(a.in.weight + c);
    const Four bias = load_four(a.in.bias + c);
    dnormed = load_channels(a.dout, row_offset(a.dout, a.in.tokens, row) + c);
    const bool gated = a.in.gate.data != nullptr;
    const Four gate =
        gated ? load_channels(a.in.gate, row_offset(a.in.gate, a.in.tokens, row) + c) : Four{};
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      normalised.at[i] = (x.at[i] - a.in.mean[row]) * a.in.rstd[row];
      if (gated) {
        const Silu silu(gate.at[i]);
        const float normed = fmaf(normalised.at[i], weight.at[i], bias.at[i]);
        dgate.at[i] = dnormed.at[i] * normed * silu.slope;
        dnormed.at[i] *= silu.value;
      }
    }
  }
};

// dx and dgate of a row; adds to the warp's sums, two rows of C floats for dweight and dbias.
__device__ __forceinline__ void pull_row(const EpilogueBackward& a, int row, float* sums) {
  float along = 0;  // sum of dnormed weight normalised
  float flat = 0;   // sum of dnormed weight
  for (int c = lane_channel(); c < a.in.channels; c += kLaneStep) {
    const PulledChannels pulled(a, row, c);
    const Four weight = load_four(a.in.weight + c);
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      const float gradient = pulled.dnormed.at[i] * weight.at[i];
      flat += gradient;
      along = fmaf(gradient, pulled.normalised.at[i], along);
      sums[c + i] = fmaf(pulled.dnormed.at[i], pulled.normalised.at[i], sums[c + i]);
      sums[a.in.channels + c + i] += pulled.dnormed.at[i];
    }
    if (a.in.gate.data != nullptr) {
      store_channels(a.dgate, row_offset(a.dgate, a.in.tokens, row) + c, pulled.dgate);
    }
  }
  const float share = 1 / static_cast<float>(a.in.channels);
  along = sum_over_lanes<32>(along) * share;
  flat = sum_over_lanes<32>(flat) * share;
  for (int c = lane_channel(); c < a.in.channels; c += kLaneStep) {
    const PulledChannels pulled(a, row, c);
    const Four weight = load_four(a.in.weight + c);
    Four dx;
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      const float gradient = pulled.dnormed.at[i] * weight.at[i];
      dx.at[i] = a.in.rstd[row] * (gradient - flat - pulled.normalised.at[i] * along);
    }
    store_channels(a.dx, row_offset(a.dx, a.in.tokens, row) + c, dx);
  }
}

/// Of the backward: a function of the shape alone, so that the order of summation is, too.
__host__ __device__ inline int epilogue_backward_blocks(const EpilogueInputs& in) {
  constexpr int kMostBlocks = 512;
  const int all = (in.rows + kEpilogueWarps - 1) / kEpilogueWarps;
  return all < kMostBlocks ? all : kMostBlocks;
}

/// Rows are dealt out to the warps of all blocks in turn; a lane keeps the sums of its channels in
/// shared memory, so that nothing is shared until the end. Partial: (blocks, 2, C).
static __global__ void __launch_bounds__(kEpilogueThreads)
    epilogue_backward_kernel(EpilogueBackward a) {
  NALA_SHARED_FLOATS(sums);  // (warps, 2, C)
  const int warp = static_cast<int>(threadIdx.x) / 32;
  float* const own = sums + warp * 2 * a.in.channels;
  for (int c = lane_channel(); c < a.in.channels; c += kLaneStep) {
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      own[c + i] = 0;
      own[a.in.channels + c + i] = 0;
    }
  }
  const int stride = epilogue_backward_blocks(a.in) * kEpilogueWarps;
  for (int row = static_cast<int>(blockIdx.x) * kEpilogueWarps + warp; row < a.in.rows;
       row += stride) {
    pull_row(a, row, own);
  }
  __syncthreads();
  for (int c = static_cast<int>(threadIdx.x); c < 2 * a.in.channels; c += kEpilogueThreads) {
    float sum = 0;
    for (int i = 0; i < kEpilogueWarps; ++i) {
      sum += sums[i * 2 * a.in.channels + c];
    }
    a.partial[static_cast<int64_t>(blockIdx.x) * 2 * a.in.channels + c] = sum;
  }
}

}  // namespace nala::cuda
