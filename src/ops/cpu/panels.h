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

/// Rows that will be read or written a block later, fetched into the second-level cache. Calls of
/// fetch() stand between the tiles of a product: there the memory has time, whereas the steps that
/// move rows wait for it.
class Ahead {
 public:
  void add(const Rows& rows, int d) {
    const int64_t size = rows.dtype == Dtype::float32 ? 4 : 2;
    if (rows.inner == 1) {
      add(rows.data, rows.stride * size, d * size);
    }
  }
  void add(const Tables& tables, int d) {
    if (tables.cos != nullptr) {
      add(tables.cos, tables.cos_stride * 4, d * int64_t{4});
      add(tables.sin, tables.sin_stride * 4, d * int64_t{4});
    }
  }
  /// Begins a block whose rows start at a token; its lines are to be fetched in `calls` calls.
  /// Addresses behind the last row may come up: a fetch of those does nothing.
  void start(int64_t token, int64_t calls) {
    token_ = token;
    stream_ = 0;
    int64_t lines = 0;
    for (int i = 0; i < count_; ++i) {
      lines += kBlockTokens * ((streams_[i].used_bytes + kLine - 1) / kLine);
    }
    lines_ = (lines + calls - 1) / calls;
    begin_column(0);
  }
  void fetch() {
    int64_t lines = lines_;
    while (lines > 0 && stream_ < count_) {
      const int64_t row_bytes = streams_[stream_].row_bytes;
      const int64_t some = lines < left_ ? lines : left_;
      for (int64_t i = 0; i < some; ++i) {
        __builtin_prefetch(reinterpret_cast<const void*>(next_), 0, 2);
        next_ += static_cast<uintptr_t>(row_bytes);
      }
      lines -= some;
      left_ -= some;
      if (left_ == 0) {
        next_column();
      }
    }
  }

 private:
  static constexpr int64_t kLine = 64;
  struct Stream {
    uintptr_t address;
    int64_t row_bytes, used_bytes;
  };
  void add(const void* data, int64_t row_bytes, int64_t used_bytes) {
    streams_[count_++] = {reinterpret_cast<uintptr_t>(data), row_bytes, used_bytes};
  }
  // A column is one line of each of the block's rows.
  void begin_column(int64_t byte) {
    byte_ = byte;
    left_ = kBlockTokens;
    if (stream_ < count_) {
      const Stream& s = streams_[stream_];
      next_ = s.address + static_cast<uintptr_t>(token_ * s.row_bytes + byte);
    }
  }
  void next_column() {
    if (byte_ + kLine < streams_[stream_].used_bytes) {
      begin_column(byte_ + kLine);
    } else {
      ++stream_;
      begin_column(0);
    }
  }

  Stream streams_[6] = {};
  int count_ = 0;
  int64_t token_ = 0, lines_ = 0;
  int stream_ = 0;
  int64_t byte_ = 0, left_ = 0;
  uintptr_t next_ = 0;
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

/// Channels of panel j: the width, or what is left of d.
template <class V>
inline int channels_of(int d, int panel) {
  const int left = d - panel * V::kWidth;
  return left < V::kWidth ? left : V::kWidth;
}

/// Tokens begin ... begin + count - 1 as float32, each as change(token of the block, values) makes
/// it; lanes beyond d are 0 to it, and rows up to a multiple of the vector's width become 0.
template <class V, class Change>
inline void load_rows(
    const Rows& rows, int64_t begin, int count, int d, const Panels<V>& block, Change change) {
  const int padded = (count + V::kWidth - 1) / V::kWidth * V::kWidth;
  const Rows from = rows;
  for (int j = 0; j < panels_of<V>(d); ++j) {
    const typename V::Mask lanes = lanes_of<V>(d, j);
    const int channels = channels_of<V>(d, j);
    int64_t offset = begin * from.stride + j * V::kWidth * from.inner;
    float* to = block.at(j, 0);
    with_dtype(from.dtype, [&]<Dtype kDtype>() {
      if (from.inner == 1) {
        for (int t = 0; t < count; ++t, offset += from.stride, to += V::kWidth) {
          V::store(to, change(t, load_as<V, kDtype>(from.data, offset, lanes)));
        }
      } else {
        for (int t = 0; t < count; ++t, offset += from.stride, to += V::kWidth) {
          V::store(to, change(t, gather<V, kDtype>(from, offset, channels)));
        }
      }
    });
    for (int t = count; t < padded; ++t) {
      V::store(block.at(j, t), V::zero());
    }
  }
}
template <class V>
void load_rows(const Rows& rows, int64_t begin, int count, int d, const Panels<V>& block) {
  load_rows<V>(rows, begin, count, d, block, [](int, typename V::Reg x) { return x; });
}

/// Whether panel j of `rows` can be stored as whole vectors of float32: without a mask, which is
/// slow on some processors, and without a function call, which would cost a tile its registers.
template <class V>
inline bool stores_whole(const Rows& rows, int d, int panel) {
  return rows.dtype == Dtype::float32 && (panel + 1) * V::kWidth <= d;
}

/// Channels of panel j of one token, whatever their type and number; rows.inner is 1.
template <class V>
[[gnu::noinline]] void store_any(
    const Rows& rows, int64_t token, int d, int panel, const float* values) {
  with_dtype(rows.dtype, [&]<Dtype kDtype>() {
    store_as<V, kDtype>(rows.data, token * rows.stride + panel * V::kWidth, lanes_of<V>(d, panel),
                        V::load(values));
  });
}

/// The same for values in a register.
template <class V>
[[gnu::always_inline]] inline void store_vector(
    const Rows& rows, int64_t token, int d, int panel, typename V::Reg x) {
  if (stores_whole<V>(rows, d, panel)) [[likely]] {
    V::store(static_cast<float*>(rows.data) + token * rows.stride + panel * V::kWidth, x);
  } else {
    alignas(64) float values[V::kWidth];
    V::store(values, x);
    store_any<V>(rows, token, d, panel, values);
  }
}

}  // namespace nala::ops::cpu
