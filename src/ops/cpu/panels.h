// Blocks of tokens in the order the products read them.
#pragma once

#include <cstdint>
#include <type_traits>

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
  /// Begins at a token and channel; step() fetches there and goes on to the next token. Addresses
  /// behind the last row may come up: a fetch of those does nothing.
  void start(int64_t token, int channel) {
    for (int i = 0; i < count_; ++i) {
      Stream& s = streams_[i];
      s.next = s.address + static_cast<uintptr_t>(token * s.row_bytes + channel * s.channel_bytes);
    }
  }
  void step() {
    for (int i = 0; i < count_; ++i) {
      Stream& s = streams_[i];
      __builtin_prefetch(reinterpret_cast<const void*>(s.next), 0, 2);
      s.next += static_cast<uintptr_t>(s.row_bytes);
    }
  }

 private:
  struct Stream {
    uintptr_t address;
    int64_t row_bytes, channel_bytes;
    uintptr_t next;
  };
  void add(const void* data, int64_t row_bytes, int64_t channel_bytes) {
    streams_[count_++] = {reinterpret_cast<uintptr_t>(data), row_bytes, channel_bytes, 0};
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

/// The width's values from an element on, as float32; and the reverse.
template <class V, Dtype kDtype>
inline typename V::Reg load_as(const void* data, int64_t offset, typename V::Mask m) {
  if constexpr (kDtype == Dtype::float32) {
    return V::load(static_cast<const float*>(data) + offset, m);
  } else if constexpr (kDtype == Dtype::bfloat16) {
    return V::load_bfloat16(static_cast<const uint16_t*>(data) + offset, m);
  } else {
    return V::load_float16(static_cast<const uint16_t*>(data) + offset, m);
  }
}
template <class V, Dtype kDtype>
inline void store_as(void* data, int64_t offset, typename V::Mask m, typename V::Reg x) {
  if constexpr (kDtype == Dtype::float32) {
    V::store(static_cast<float*>(data) + offset, m, x);
  } else if constexpr (kDtype == Dtype::bfloat16) {
    V::store_bfloat16(static_cast<uint16_t*>(data) + offset, m, x);
  } else {
    V::store_float16(static_cast<uint16_t*>(data) + offset, m, x);
  }
}

/// Calls run<dtype>().
template <class Run>
inline void with_dtype(Dtype dtype, Run run) {
  switch (dtype) {
    case Dtype::float32:
      return run.template operator()<Dtype::float32>();
    case Dtype::bfloat16:
      return run.template operator()<Dtype::bfloat16>();
    case Dtype::float16:
      return run.template operator()<Dtype::float16>();
  }
}

/// `lanes` channels that do not lie side by side, as float32.
template <class V, Dtype kDtype>
inline typename V::Reg gather(const Rows& rows, int64_t offset, int lanes) {
  using Element = std::conditional_t<kDtype == Dtype::float32, float, uint16_t>;
  alignas(64) Element gathered[V::kWidth] = {};
  for (int i = 0; i < lanes; ++i) {
    gathered[i] = static_cast<const Element*>(rows.data)[offset + i * rows.inner];
  }
  return load_as<V, kDtype>(gathered, 0, V::first(V::kWidth));
}

/// Tokens begin ... begin + count - 1 as float32; lanes beyond d are 0, and so are rows up to a
/// multiple of the vector's width.
template <class V>
void load_rows(const Rows& rows, int64_t begin, int count, int d, const Panels<V>& block) {
  const int padded = (count + V::kWidth - 1) / V::kWidth * V::kWidth;
  for (int j = 0; j < panels_of<V>(d); ++j) {
    const typename V::Mask lanes = lanes_of<V>(d, j);
    const int left = d - j * V::kWidth < V::kWidth ? d - j * V::kWidth : V::kWidth;
    int64_t offset = begin * rows.stride + j * V::kWidth * rows.inner;
    with_dtype(rows.dtype, [&]<Dtype kDtype>() {
      for (int t = 0; t < count; ++t, offset += rows.stride) {
        V::store(block.at(j, t), rows.inner == 1 ? load_as<V, kDtype>(rows.data, offset, lanes)
                                                 : gather<V, kDtype>(rows, offset, left));
      }
    });
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
    int64_t offset = begin * rows.stride + j * V::kWidth;
    with_dtype(rows.dtype, [&]<Dtype kDtype>() {
      for (int t = 0; t < count; ++t, offset += rows.stride) {
        store_as<V, kDtype>(rows.data, offset, lanes, V::load(block.at(j, t)));
      }
    });
  }
}

}  // namespace nala::ops::cpu
