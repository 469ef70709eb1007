// Blocks of tokens in the order the products read them.
#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"

namespace nala::ops::cpu {

/// Tokens that are worked on at a time: their features stay in the first-level cache.
inline constexpr int kBlockTokens = 64;

/// A matrix in panels of one vector's columns: panel j holds columns j W ... j W + W - 1 of every
/// row, row after row; the next panel begins `stride` rows further on.
template <class V>
struct Panels {
  float* data;
  int stride;
  float* at(int panel, int row) const {
    return data + (static_cast<int64_t>(panel) * stride + row) * V::kWidth;
  }
};
/// Rows left free behind a panel: without them panels would lie 4 KiB apart and compete for the
/// same few places in the first-level cache.
inline constexpr int kPanelGap = 8;

/// Rows that will be read (or written) a block later, fetched into the second-level cache a line at
/// a time between the arithmetic of the present block.
class Ahead {
 public:
  void add(const Rows& rows) {
    const int64_t size = rows.dtype == Dtype::float32 ? 4 : 2;
    add(rows.data, rows.stride * size, rows.inner * size);
  }
  void add(const Tables& tables) {
    if (tables.cos != nullptr) {
      add(tables.cos, tables.cos_stride * 4, 4);
      add(tables.sin, tables.sin_stride * 4, 4);
    }
  }
  /// Addresses behind the last row may come up: a fetch of those does nothing.
  void fetch(int64_t token, int channel) const {
    for (int i = 0; i < count_; ++i) {
      const Stream& s = streams_[i];
      const auto offset = static_cast<uintptr_t>(token * s.row_bytes + channel * s.channel_bytes);
      __builtin_prefetch(reinterpret_cast<const void*>(s.address + offset), 0, 2);
    }
  }

 private:
  struct Stream {
    uintptr_t address;
    int64_t row_bytes, channel_bytes;
  };
  void add(const void* data, int64_t row_bytes, int64_t channel_bytes) {
    streams_[count_++] = {reinterpret_cast<uintptr_t>(data), row_bytes, channel_bytes};
  }

  Stream streams_[6] = {};
  int count_ = 0;
};

template <class V>
inline int panels_of(int columns) {
  return (columns + V::kWidth - 1) / V::kWidth;
}

/// Which lanes of panel j hold channels.
template <class V>
inline typename V::Mask lanes_of(int d, int panel) {
  const int left = d - panel * V::kWidth;
  return V::first(left < V::kWidth ? left : V::kWidth);
}

template <class V>
inline typename V::Reg load_as(const void* data, int64_t offset, typename V::Mask m, Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return V::load(static_cast<const float*>(data) + offset, m);
    case Dtype::bfloat16:
      return V::load_bfloat16(static_cast<const uint16_t*>(data) + offset, m);
    case Dtype::float16:
      return V::load_float16(static_cast<const uint16_t*>(data) + offset, m);
  }
  return V::zero();
}

template <class V>
inline void store_as(const Rows& rows, int64_t offset, typename V::Mask m, typename V::Reg x) {
  switch (rows.dtype) {
    case Dtype::float32:
      return V::store(static_cast<float*>(rows.data) + offset, m, x);
    case Dtype::bfloat16:
      return V::store_bfloat16(static_cast<uint16_t*>(rows.data) + offset, m, x);
    case Dtype::float16:
      return V::store_float16(static_cast<uint16_t*>(rows.data) + offset, m, x);
  }
}

/// `lanes` channels that do not lie side by side, brought together in `gathered`.
template <class V>
inline const void* gather(const Rows& rows, int64_t offset, int lanes, float* gathered) {
  if (rows.dtype == Dtype::float32) {
    for (int i = 0; i < lanes; ++i) {
      gathered[i] = static_cast<const float*>(rows.data)[offset + i * rows.inner];
    }
  } else {
    for (int i = 0; i < lanes; ++i) {
      reinterpret_cast<uint16_t*>(gathered)[i] =
          static_cast<const uint16_t*>(rows.data)[offset + i * rows.inner];
    }
  }
  return gathered;
}

/// Tokens begin ... begin + count - 1 as float32; lanes beyond d are 0, and so are rows up to a
/// multiple of the vector's width.
template <class V>
void load_rows(const Rows& rows, int64_t begin, int count, int d, const Panels<V>& block) {
  const int padded = (count + V::kWidth - 1) / V::kWidth * V::kWidth;
  for (int j = 0; j < panels_of<V>(d); ++j) {
    const typename V::Mask lanes = lanes_of<V>(d, j);
    for (int t = 0; t < count; ++t) {
      const int64_t offset = (begin + t) * rows.stride + j * V::kWidth * rows.inner;
      if (rows.inner == 1) [[likely]] {
        V::store(block.at(j, t), load_as<V>(rows.data, offset, lanes, rows.dtype));
      } else {
        alignas(64) float gathered[V::kWidth] = {};
        const int left = d - j * V::kWidth;
        gather<V>(rows, offset, left < V::kWidth ? left : V::kWidth, gathered);
        V::store(block.at(j, t), load_as<V>(gathered, 0, lanes, rows.dtype));
      }
    }
    for (int t = count; t < padded; ++t) {
      V::store(block.at(j, t), V::zero());
    }
  }
}

/// The reverse; rows.inner is 1.
template <class V>
void store_rows(const Panels<V>& block, int64_t begin, int count, int d, const Rows& rows) {
  for (int j = 0; j < panels_of<V>(d); ++j) {
    const typename V::Mask lanes = lanes_of<V>(d, j);
    for (int t = 0; t < count; ++t) {
      store_as<V>(rows, (begin + t) * rows.stride + j * V::kWidth, lanes, V::load(block.at(j, t)));
    }
  }
}

}  // namespace nala::ops::cpu
