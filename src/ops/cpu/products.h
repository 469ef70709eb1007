// The two matrix products of the kernels, in register tiles.
#pragma once

#include "ops/cpu/panels.h"

namespace nala::ops::cpu {

/// sum (+)= a^T b over `count` rows: rows `row` ... of sum, panels `panel` ... of b and sum.
template <class V, int kPanels>
inline void accumulate_tile(
    const float* a, const Panels<V>& b, int count, int panel, int row, const Panels<V>& sum) {
  constexpr int kRows = V::kTileRows;
  typename V::Reg tile[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      tile[r][c] = V::load(sum.at(panel + c, row + r));
    }
  }
  for (int t = 0; t < count; ++t) {
    typename V::Reg x[kPanels];
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      x[c] = V::load(b.at(panel + c, t));
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const typename V::Reg factor = V::set(a[t * V::kWidth + r]);
#pragma GCC unroll 8
      for (int c = 0; c < kPanels; ++c) {
        tile[r][c] = V::fma(factor, x[c], tile[r][c]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      V::store(sum.at(panel + c, row + r), tile[r][c]);
    }
  }
}

/// a m for kTileRows rows from `row` and panels `panel` ... of m, handed to out(panel, row,
/// values); a has `depth` panels.
template <class V, int kPanels, class Out>
inline void multiply_tile(
    const Panels<V>& a, int depth, const Panels<V>& m, int panel, int row, const Out& out) {
  constexpr int kRows = V::kTileRows;
  typename V::Reg tile[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      tile[r][c] = V::zero();
    }
  }
  for (int p = 0; p < depth; ++p) {
    const float* factors = a.at(p, row);
    for (int w = 0; w < V::kWidth; ++w) {
      typename V::Reg x[kPanels];
#pragma GCC unroll 8
      for (int c = 0; c < kPanels; ++c) {
        x[c] = V::load(m.at(panel + c, p * V::kWidth + w));
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const typename V::Reg factor = V::set(factors[r * V::kWidth + w]);
#pragma GCC unroll 8
        for (int c = 0; c < kPanels; ++c) {
          tile[r][c] = V::fma(factor, x[c], tile[r][c]);
        }
      }
    }
  }
  if (out.whole(panel + kPanels, row + kRows)) [[likely]] {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int c = 0; c < kPanels; ++c) {
        out.put(panel + c, row + r, tile[r][c]);
      }
    }
    return;
  }
  alignas(64) float values[kRows][kPanels][V::kWidth];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      V::store(values[r][c], tile[r][c]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kPanels; ++c) {
      out.put_part(panel + c, row + r, values[r][c]);
    }
  }
}

/// Calls `tile(width constant, first panel)` for groups of one to three panels.
template <class Tile>
inline void in_groups(int panels, Tile tile) {
  int panel = 0;
  while (panel < panels) {
    const int left = panels - panel;
    if (left == 1) {
      tile.template operator()<1>(panel);
      panel += 1;
    } else if (left % 3 == 0 || left % 2 != 0) {
      tile.template operator()<3>(panel);
      panel += 3;
    } else {
      tile.template operator()<2>(panel);
      panel += 2;
    }
  }
}

/// How many tiles a product is cut into.
inline int64_t groups_of(int panels) {
  int64_t groups = 0;
  in_groups(panels, [&]<int kPanels>(int) { ++groups; });
  return groups;
}
template <class V>
inline int64_t tiles_of_accumulate(int a_panels, int b_panels) {
  return a_panels * groups_of(b_panels) * (V::kWidth / V::kTileRows);
}
template <class V>
inline int64_t tiles_of_multiply(int count, int m_panels) {
  return (count + V::kTileRows - 1) / V::kTileRows * groups_of(m_panels);
}

/// sum += a^T b. a: (count, a_panels W), b: (count, b_panels W), sum: (a_panels W, b_panels W).
/// Fetches what lies ahead between the tiles.
template <class V>
void accumulate_product(const Panels<V>& a,
                        int a_panels,
                        const Panels<V>& b,
                        int b_panels,
                        int count,
                        const Panels<V>& sum,
                        Ahead& ahead) {
  for (int p = 0; p < a_panels; ++p) {
    in_groups(b_panels, [&]<int kPanels>(int panel) {
      for (int r = 0; r < V::kWidth; r += V::kTileRows) {
        ahead.fetch();
        accumulate_tile<V, kPanels>(a.at(p, 0) + r, b, count, panel, p * V::kWidth + r, sum);
      }
    });
  }
}

/// a m, handed to out (IntoPanels below). a: (count, depth W), m: (depth W, m_panels W); rows come
/// up to a multiple of the tile's. Fetches what lies ahead between the tiles.
template <class V, class Out>
void multiply(const Panels<V>& a,
              int depth,
              const Panels<V>& m,
              int m_panels,
              int count,
              const Out& out,
              Ahead& ahead) {
  in_groups(m_panels, [&]<int kPanels>(int panel) {
    for (int row = 0; row < count; row += V::kTileRows) {
      ahead.fetch();
      multiply_tile<V, kPanels>(a, depth, m, panel, row, out);
    }
  });
}

/// Where multiply() can put its result: panels with room for rows up to a multiple of the tile's.
/// whole(panels, rows): whether put() takes everything up to those; put_part() always does.
template <class V>
struct IntoPanels {
  Panels<V> panels;
  bool whole(int, int) const { return true; }
  void put(int panel, int row, typename V::Reg x) const { V::store(panels.at(panel, row), x); }
  void put_part(int, int, const float*) const {}
};
/// Rows in memory, tokens from `begin` on, times a factor each where there are factors; those from
/// `count` on are dropped.
template <class V, bool kScaled>
struct IntoRows {
  Rows rows;
  int64_t begin;
  int count, d;
  const float* factors;
  bool whole(int panels, int tile_rows) const {
    return tile_rows <= count && stores_whole<V>(rows, d, panels - 1);
  }
  void put(int panel, int row, typename V::Reg x) const {
    const int64_t offset = (begin + row) * rows.stride + panel * V::kWidth;
    V::store(static_cast<float*>(rows.data) + offset, scaled(row, x));
  }
  void put_part(int panel, int row, const float* values) const {
    if (row < count) {
      store_vector<V>(rows, begin + row, d, panel, scaled(row, V::load(values)));
    }
  }
  typename V::Reg scaled(int row, typename V::Reg x) const {
    if constexpr (kScaled) {
      return x * V::set(factors[row]);
    } else {
      return x;
    }
  }
};

/// out = m^T; m has `panels` panels and `rows` rows, a multiple of the width.
template <class V>
void transpose(const Panels<V>& m, int panels, int rows, const Panels<V>& out) {
  for (int j = 0; j < panels; ++j) {
    for (int r = 0; r < rows; ++r) {
      for (int w = 0; w < V::kWidth; ++w) {
        out.at(r / V::kWidth, j * V::kWidth + w)[r % V::kWidth] = m.at(j, r)[w];
      }
    }
  }
}

}  // namespace nala::ops::cpu
