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

/// out = a m for kTileRows rows from `row`, panels `panel` ... of m and out; a has `depth` panels.
template <class V, int kPanels>
inline void multiply_tile(
    const Panels<V>& a, int depth, const Panels<V>& m, int panel, int row, const Panels<V>& out) {
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
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kPanels; ++c) {
      V::store(out.at(panel + c, row + r), tile[r][c]);
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

/// sum += a^T b. a: (count, a_panels W), b: (count, b_panels W), sum: (a_panels W, b_panels W).
template <class V>
void accumulate_product(const Panels<V>& a,
                        int a_panels,
                        const Panels<V>& b,
                        int b_panels,
                        int count,
                        const Panels<V>& sum) {
  for (int p = 0; p < a_panels; ++p) {
    in_groups(b_panels, [&]<int kPanels>(int panel) {
      for (int r = 0; r < V::kWidth; r += V::kTileRows) {
        accumulate_tile<V, kPanels>(a.at(p, 0) + r, b, count, panel, p * V::kWidth + r, sum);
      }
    });
  }
}

/// out = a m. a: (count, depth W), m: (depth W, m_panels W); rows of out up to a multiple of the
/// tile's are written.
template <class V>
void multiply(const Panels<V>& a,
              int depth,
              const Panels<V>& m,
              int m_panels,
              int count,
              const Panels<V>& out) {
  in_groups(m_panels, [&]<int kPanels>(int panel) {
    for (int row = 0; row < count; row += V::kTileRows) {
      multiply_tile<V, kPanels>(a, depth, m, panel, row, out);
    }
  });
}

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
