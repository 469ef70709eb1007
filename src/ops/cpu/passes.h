// The passes over a sequence: keys to state, queries to output, and the gradients of both.
#pragma once

#include "ops/cpu/maps.h"
#include "ops/cpu/products.h"

namespace nala::ops::cpu {

/// Hands out parts of a thread's scratch.
template <class V>
class Workspace {
 public:
  explicit Workspace(float* scratch) : next_(scratch) {}
  float* floats(int64_t count) {
    float* const taken = next_;
    next_ += (count + 15) / 16 * 16;
    return taken;
  }
  Panels<V> panels(int count, int rows) {
    const int stride = rows + kPanelGap;
    return {floats(static_cast<int64_t>(count) * stride * V::kWidth), stride};
  }

 private:
  float* next_;
};

/// Rotates pairs of neighbouring channels: R(x) and its transpose.
template <class V>
struct Rotation {
  typename V::Reg cos, sin;
  typename V::Reg forward(typename V::Reg x) const {
    return V::fmaddsub(x, cos, V::swap_pairs(x) * sin);
  }
  typename V::Reg backward(typename V::Reg g) const {
    return V::fmsubadd(g, cos, V::swap_pairs(g * sin));
  }
};

/// What the passes of one map know of their tokens' places in memory.
template <class V, int kHalves>
struct Layout {
  explicit Layout(const Setup& setup)
      : d(setup.d), panels(panels_of<V>(setup.d)), padded(panels * V::kWidth) {}
  int d;
  int panels;  ///< of one half
  int padded;  ///< channels of one half, to a multiple of the width
  int feature_panels() const { return kHalves * panels; }
  int features() const { return kHalves * padded; }
};

/// A state's (f, d) matrix into panels whose halves begin at multiples of the width; padding 0.
template <class V, int kHalves>
void pack(const float* natural, const Layout<V, kHalves>& at, const Panels<V>& packed) {
  for (int row = 0; row < at.features(); ++row) {
    const int channel = row % at.padded;
    const float* from = natural + (static_cast<int64_t>(row / at.padded) * at.d + channel) * at.d;
    for (int j = 0; j < at.panels; ++j) {
      const bool real = channel < at.d;
      V::store(packed.at(j, row),
               real ? V::load(from + j * V::kWidth, lanes_of<V>(at.d, j)) : V::zero());
    }
  }
}

template <class V, int kHalves>
void unpack(const Panels<V>& packed, const Layout<V, kHalves>& at, float* natural) {
  for (int half = 0; half < kHalves; ++half) {
    for (int channel = 0; channel < at.d; ++channel) {
      float* to = natural + (static_cast<int64_t>(half) * at.d + channel) * at.d;
      for (int j = 0; j < at.panels; ++j) {
        V::store(to + j * V::kWidth, lanes_of<V>(at.d, j),
                 V::load(packed.at(j, half * at.padded + channel)));
      }
    }
  }
}

/// The same for the (f) mean.
template <class V, int kHalves>
void pack_mean(const float* natural, const Layout<V, kHalves>& at, float* packed) {
  for (int i = 0; i < at.feature_panels(); ++i) {
    const int j = i % at.panels;
    const float* from = natural + (i / at.panels) * at.d + j * V::kWidth;
    V::store(packed + i * V::kWidth, V::load(from, lanes_of<V>(at.d, j)));
  }
}
template <class V, int kHalves>
void unpack_mean(const float* packed, const Layout<V, kHalves>& at, float* natural) {
  for (int i = 0; i < at.feature_panels(); ++i) {
    const int j = i % at.panels;
    float* to = natural + (i / at.panels) * at.d + j * V::kWidth;
    V::store(to, lanes_of<V>(at.d, j), V::load(packed + i * V::kWidth));
  }
}

inline void clear(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    x[i] = 0;
  }
}

template <class V>
inline void clear_panels(const Panels<V>& x, int panels) {
  clear(x.data, static_cast<int64_t>(panels) * x.stride * V::kWidth);
}

/// A block of tokens and its features. What is done with features while they are in registers is
/// told by an object: start(panel of the half) gives what it wants at hand for a panel, add(that,
/// token, unrotated features) is called token by token, finish(panel, that) at the end.
template <class V, class Map>
class FeatureBlock {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = Map::kHalves;

  FeatureBlock(const Setup& setup, const Sequence& sequence, const Rows& rows, Workspace<V>& space)
      : at_(setup),
        rows_(rows),
        tables_(sequence.tables),
        map_(setup),
        x_(space.panels(at_.panels, kBlockTokens)),
        rotated_(space.panels(at_.feature_panels(), kBlockTokens)),
        kept_(space.panels(Map::kKept * at_.panels, kBlockTokens)),
        sums_(space.floats(2 * V::kWidth * V::kWidth)) {
    ahead_.add(rows_, at_.d);
    ahead_.add(tables_, at_.d);
  }

  const Layout<V, kHalves>& at() const { return at_; }
  /// Rows that the pass reads or writes beside those of the features: fetched a block ahead.
  void fetch_ahead(const Rows& rows) { ahead_.add(rows, at_.d); }
  /// What the pass' products, of so many tiles, fetch while they work on a block: the rows of the
  /// one that comes next.
  Ahead& ahead(int64_t next, int64_t tiles) {
    ahead_.start(next, tiles);
    return ahead_;
  }
  const Panels<V>& rotated() const { return rotated_; }

  /// Makes the tokens' features. kKeep: keeps what gradients() needs.
  template <bool kKeep, class Use>
  void make(int64_t begin, int count, const Use& use) {
    const bool in_place =
        !kKeep && !Map::kMeasured && rows_.dtype == Dtype::float32 && rows_.inner == 1;
    if (!in_place) {
      load_rows<V>(rows_, begin, count, at_.d, x_);
    }
    if constexpr (Map::kMeasured) {
      for (int group = 0; group < count; group += V::kWidth) {
        map_.measure(x_, at_.panels, group);
      }
    }
    if (tables_.cos != nullptr) {
      features<kKeep, true>(begin, count, in_place, use);
    } else {
      features<kKeep, false>(begin, count, in_place, use);
    }
  }

  /// Writes the loss' gradient in the tokens to `out`. `gradient` holds that in the rotated
  /// features; what extra.add() returns adds to that in the unrotated ones.
  template <class Extra>
  void gradients(
      const Panels<V>& gradient, int64_t begin, int count, const Rows& out, const Extra& extra) {
    if (tables_.cos != nullptr) {
      gradients_of<true>(gradient, begin, count, out, extra);
    } else {
      gradients_of<false>(gradient, begin, count, out, extra);
    }
  }

 private:
  // One panel of the tokens: their values, and where their features go.
  struct Panel {
    int index;
    typename V::Mask lanes;
    const float* x;
    int64_t x_stride;
    const float *cos, *sin;  // of the block's first token
    int64_t cos_stride, sin_stride;
    float *a, *b;  // rotated halves
    float* kept;
    int64_t kept_stride;  // from one kept value to the next
  };

  Panel panel(int j, int64_t begin, bool in_place) const {
    const int64_t channel = static_cast<int64_t>(j) * V::kWidth;
    const auto from = [&](const float* table, int64_t stride) {
      return table == nullptr ? nullptr : table + begin * stride + channel;
    };
    return {.index = j,
            .lanes = lanes_of<V>(at_.d, j),
            .x = in_place ? static_cast<const float*>(rows_.data) + begin * rows_.stride + channel
                          : x_.at(j, 0),
            .x_stride = in_place ? rows_.stride : V::kWidth,
            .cos = from(tables_.cos, tables_.cos_stride),
            .sin = from(tables_.sin, tables_.sin_stride),
            .cos_stride = tables_.cos_stride,
            .sin_stride = tables_.sin_stride,
            .a = rotated_.at(j, 0),
            .b = kHalves == 2 ? rotated_.at(at_.panels + j, 0) : nullptr,
            .kept = kept_.at(j, 0),
            .kept_stride = kept_.at(at_.panels + j, 0) - kept_.at(j, 0)};
  }

  static Rotation<V> rotation(const Panel& p, int t) {
    return {V::load(p.cos + t * p.cos_stride, p.lanes), V::load(p.sin + t * p.sin_stride, p.lanes)};
  }

  template <bool kKeep, bool kRotate, class Use>
  void features(int64_t begin, int count, bool in_place, const Use& use) {
    constexpr int K = V::kInterleaved;
    for (int j = 0; j < at_.panels; ++j) {
      const Panel p = panel(j, begin, in_place);
      auto held = use.start(j);
      int t = 0;
      for (; t + K <= count; t += K) {
        features_at<kKeep, kRotate, K>(p, t, use, held);
      }
      for (; t < count; ++t) {
        features_at<kKeep, kRotate, 1>(p, t, use, held);
      }
      use.finish(j, held);
    }
  }

  template <bool kKeep, bool kRotate, int K, class Use, class Held>
  [[gnu::always_inline]] inline void features_at(const Panel& p,
                                                 int t,
                                                 const Use& use,
                                                 Held& held) const {
    Reg x[K];
    Reg kept[K][Map::kKept];
    Pair<V> phi[K];
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      x[i] = V::load(p.x + (t + i) * p.x_stride, p.lanes);
    }
    features_of<V, K>(map_, x, t, phi, kept);
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      if constexpr (!Map::kZeroAtZero) {
        phi[i].a = V::keep(p.lanes, phi[i].a);
      }
      if constexpr (kKeep) {
#pragma GCC unroll 8
        for (int k = 0; k < Map::kKept; ++k) {
          V::store(p.kept + k * p.kept_stride + (t + i) * V::kWidth, kept[i][k]);
        }
      }
      use.add(held, t + i, phi[i]);
      if constexpr (kRotate) {
        const Rotation<V> turn = rotation(p, t + i);
        phi[i] = {turn.forward(phi[i].a), turn.forward(phi[i].b)};
      }
      V::store(p.a + (t + i) * V::kWidth, phi[i].a);
      if constexpr (kHalves == 2) {
        V::store(p.b + (t + i) * V::kWidth, phi[i].b);
      }
    }
  }

  template <bool kRotate, class Extra>
  void gradients_of(
      const Panels<V>& gradient, int64_t begin, int count, const Rows& out, const Extra& extra) {
    constexpr int K = V::kInterleaved;
    for (int group = 0; group < count; group += V::kWidth) {
      const int end = group + V::kWidth < count ? group + V::kWidth : count;
      int t = group;
      for (; t + K <= end; t += K) {
        gradients_at<kRotate, K>(gradient, begin, t, out, extra);
      }
      for (; t < end; ++t) {
        gradients_at<kRotate, 1>(gradient, begin, t, out, extra);
      }
      if constexpr (Map::kSums > 0) {
        finish(begin, group, end, out);
      }
    }
  }

  // Of K tokens: x's gradient, or what is known of it before the sums over the channels are.
  template <bool kRotate, int K, class Extra>
  [[gnu::always_inline]] inline void gradients_at(
      const Panels<V>& gradient, int64_t begin, int t, const Rows& out, const Extra& extra) const {
    Sums<V> sums[K];
    for (int j = 0; j < at_.panels; ++j) {
      const Panel p = panel(j, begin, false);
      auto held = extra.start(j);
#pragma GCC unroll 8
      for (int i = 0; i < K; ++i) {
        Reg kept[Map::kKept];
#pragma GCC unroll 8
        for (int k = 0; k < Map::kKept; ++k) {
          kept[k] = V::load(p.kept + k * p.kept_stride + (t + i) * V::kWidth);
        }
        const Reg x = V::load(p.x + (t + i) * V::kWidth);
        Pair<V> g{V::load(gradient.at(j, t + i)), V::zero()};
        if constexpr (kHalves == 2) {
          g.b = V::load(gradient.at(at_.panels + j, t + i));
        }
        if constexpr (kRotate) {
          const Rotation<V> turn = rotation(p, t + i);
          g = {turn.backward(g.a), turn.backward(g.b)};
        }
        const Pair<V> more = extra.add(held, t + i, map_.recalled(x, t + i, kept));
        g = {g.a + more.a, g.b + more.b};
        const Reg dx = map_.gradient(x, t + i, g, kept, sums[i]);
        if constexpr (Map::kSums == 0) {
          store_vector<V>(out, begin + t + i, at_.d, j, dx);
        } else {
          V::store(p.kept + (t + i) * V::kWidth, dx);
        }
      }
      extra.finish(j, held);
    }
    if constexpr (Map::kSums > 0) {
#pragma GCC unroll 8
      for (int i = 0; i < K; ++i) {
        float* const row = sums_ + (t + i) % V::kWidth * V::kWidth;
        V::store(row, sums[i].first);
        V::store(row + V::kWidth * V::kWidth, sums[i].second);
      }
    }
  }

  void finish(int64_t begin, int group, int end, const Rows& out) {
    const Reg first = V::row_sums(sums_);
    const Reg second = Map::kSums > 1 ? V::row_sums(sums_ + V::kWidth * V::kWidth) : V::zero();
    map_.combine(group, first, second);
    for (int j = 0; j < at_.panels; ++j) {
      for (int t = group; t < end; ++t) {
        const Reg dx = map_.finish(V::load(kept_.at(j, t)), V::load(x_.at(j, t)), t);
        store_vector<V>(out, begin + t, at_.d, j, dx);
      }
    }
  }

  Layout<V, kHalves> at_;
  Rows rows_;
  Tables tables_;
  Ahead ahead_;
  Map map_;
  Panels<V> x_, rotated_, kept_;
  float* sums_;
};

/// Both halves of panel j of a vector over the features.
template <class V, int kHalves>
inline Pair<V> halves_at(const float* features, int padded, int j) {
  const float* const a = features + j * V::kWidth;
  return {V::load(a), kHalves == 2 ? V::load(a + padded) : V::zero()};
}
template <class V, int kHalves>
inline void store_halves(float* features, int padded, int j, const Pair<V>& x) {
  float* const a = features + j * V::kWidth;
  V::store(a, x.a);
  if constexpr (kHalves == 2) {
    V::store(a + padded, x.b);
  }
}

/// Nothing is done with features beside storing them.
template <class V>
struct Unused {
  struct Held {};
  Held start(int) const { return {}; }
  void add(Held&, int, const Pair<V>&) const {}
  void finish(int, const Held&) const {}
};

/// sum += features, token after token.
template <class V, int kHalves>
struct Summed {
  float* sum;
  int padded;
  Pair<V> start(int j) const { return halves_at<V, kHalves>(sum, padded, j); }
  void add(Pair<V>& total, int, const Pair<V>& phi) const {
    total = {total.a + phi.a, total.b + phi.b};
  }
  void finish(int j, const Pair<V>& total) const {
    store_halves<V, kHalves>(sum, padded, j, total);
  }
};

/// Features times a mean, summed over panels: one vector per token, whose lanes are still to add
/// up.
template <class V, int kHalves>
struct Weighed {
  const float* mean;
  int padded;
  float* parts;
  struct Held {
    Pair<V> mean;
    bool first;
  };
  Held start(int j) const { return {halves_at<V, kHalves>(mean, padded, j), j == 0}; }
  void add(const Held& held, int t, const Pair<V>& phi) const {
    float* const part = parts + t * V::kWidth;
    const auto before = held.first ? V::zero() : V::load(part);
    auto sum = V::fma(phi.a, held.mean.a, before);
    if constexpr (kHalves == 2) {
      sum = V::fma(phi.b, held.mean.b, sum);
    }
    V::store(part, sum);
  }
  void finish(int, const Held&) const {}
};

/// The normaliser's share in a query's gradient, and the gradient in the mean: with dn the gradient
/// in a token's denominator, dn mean and sum dn phi.
template <class V, int kHalves>
struct DenominatorTerm {
  const float* mean;
  int padded;
  const PerToken& dn;
  float* mean_gradient;
  struct Held {
    Pair<V> mean, sum;
  };
  Held start(int j) const {
    return {halves_at<V, kHalves>(mean, padded, j),
            halves_at<V, kHalves>(mean_gradient, padded, j)};
  }
  Pair<V> add(Held& held, int t, const Pair<V>& phi) const {
    const auto factor = V::set(dn[t]);
    held.sum = {V::fma(factor, phi.a, held.sum.a), V::fma(factor, phi.b, held.sum.b)};
    return {factor * held.mean.a, factor * held.mean.b};
  }
  void finish(int j, const Held& held) const {
    store_halves<V, kHalves>(mean_gradient, padded, j, held.sum);
  }
};

/// The mean's share in a key's gradient.
template <class V, int kHalves>
struct MeanTerm {
  const float* mean_gradient;
  int padded;
  Pair<V> start(int j) const { return halves_at<V, kHalves>(mean_gradient, padded, j); }
  Pair<V> add(const Pair<V>& held, int, const Pair<V>&) const { return held; }
  void finish(int, const Pair<V>&) const {}
};

/// A range's block of tokens, and where the next one that is worked on begins.
struct BlockOfTokens {
  int64_t begin;
  int count;
  int64_t next;
};

inline BlockOfTokens block_at(Range range, int64_t begin, int64_t step) {
  const int64_t left = range.end - begin;
  return {begin, static_cast<int>(left < kBlockTokens ? left : kBlockTokens), begin + step};
}

/// Calls run(block) for the range's blocks.
template <class Run>
inline void for_each_block(Range range, Run run) {
  for (int64_t begin = range.begin; begin < range.end; begin += kBlockTokens) {
    run(block_at(range, begin, kBlockTokens));
  }
}

/// The same blocks, the last one first: a pass that follows another one finds in cache what that
/// read last, such as the tables of the rotation.
template <class Run>
inline void for_each_block_back(Range range, Run run) {
  const int64_t blocks = (range.end - range.begin + kBlockTokens - 1) / kBlockTokens;
  for (int64_t i = blocks - 1; i >= 0; --i) {
    run(block_at(range, range.begin + i * kBlockTokens, -kBlockTokens));
  }
}

template <class V, class Map>
void key_state(
    const Setup& setup, const Sequence& sequence, Range range, const State& sums, float* scratch) {
  Workspace<V> space(scratch);
  FeatureBlock<V, Map> keys(setup, sequence, sequence.k, space);
  keys.fetch_ahead(sequence.v);
  const auto& at = keys.at();
  const Panels<V> v = space.panels(at.panels, kBlockTokens);
  const Panels<V> product = space.panels(at.panels, at.features());
  float* const sum = space.floats(at.features());
  clear_panels<V>(product, at.panels);
  clear(sum, at.features());
  for_each_block(range, [&](const BlockOfTokens& block) {
    const auto [begin, count, next] = block;
    load_rows<V>(sequence.v, begin, count, at.d, v);
    keys.template make<false>(begin, count, Summed<V, Map::kHalves>{sum, at.padded});
    accumulate_product<V>(keys.rotated(), at.feature_panels(), v, at.panels, count, product,
                          keys.ahead(next, tiles_of_accumulate<V>(at.feature_panels(), at.panels)));
  });
  unpack<V>(product, at, sums.product);
  unpack_mean<V>(sum, at, sums.mean);
}

/// Per group of tokens: one sum over the channels of each token.
template <class V>
inline void reduce_tokens(const float* rows, int count, float* sums) {
  for (int group = 0; group < count; group += V::kWidth) {
    V::store(sums + group, V::row_sums(rows + group * V::kWidth));
  }
}

template <class V, class Map>
void query_output(
    const Setup& setup, const Sequence& sequence, Range range, const State& state, float* scratch) {
  Workspace<V> space(scratch);
  FeatureBlock<V, Map> queries(setup, sequence, sequence.q, space);
  queries.fetch_ahead(sequence.y);
  const auto& at = queries.at();
  const Panels<V> product = space.panels(at.panels, at.features());
  float* const mean = space.floats(at.features());
  float* const parts = space.floats(kBlockTokens * V::kWidth);  // of each token's normaliser
  pack<V>(state.product, at, product);
  pack_mean<V>(state.mean, at, mean);
  PerToken z;
  for_each_block_back(range, [&](const BlockOfTokens& block) {
    const auto [begin, count, next] = block;
    queries.template make<false>(begin, count, Weighed<V, Map::kHalves>{mean, at.padded, parts});
    reduce_tokens<V>(parts, count, z.of);
    for (int t = 0; t < count; ++t) {
      z[t] = 1 / (z[t] + setup.eps);
      sequence.normaliser[begin + t] = z[t];
    }
    multiply<V>(queries.rotated(), at.feature_panels(), product, at.panels, count,
                IntoRows<V, true>{sequence.y, begin, count, at.d, z.of},
                queries.ahead(next, tiles_of_multiply<V>(count, at.panels)));
  });
}

template <class V, class Map>
void query_gradient(const Setup& setup,
                    const Sequence& sequence,
                    Range range,
                    const QueryStates& states,
                    float* scratch) {
  using Reg = typename V::Reg;
  Workspace<V> space(scratch);
  FeatureBlock<V, Map> queries(setup, sequence, sequence.q, space);
  queries.fetch_ahead(sequence.dy);
  queries.fetch_ahead(sequence.dq);
  const auto& at = queries.at();
  const Panels<V> g = space.panels(at.panels, kBlockTokens);                    // dy z
  const Panels<V> feature_g = space.panels(at.feature_panels(), kBlockTokens);  // dy z S^T
  const Panels<V> state = space.panels(at.panels, at.features());
  const Panels<V> state_t = space.panels(at.feature_panels(), at.padded);
  float* const mean = space.floats(at.features());
  float* const mean_gradient = space.floats(at.features());
  float* const parts = space.floats(kBlockTokens * V::kWidth);
  pack<V>(states.state.product, at, state);
  transpose<V>(state, at.panels, at.features(), state_t);
  pack_mean<V>(states.state.mean, at, mean);
  const Panels<V> state_gradient = state;  // its place is free now
  clear_panels<V>(state_gradient, at.panels);
  clear(mean_gradient, at.features());
  PerToken dn;  // gradient in the normaliser's denominator
  for_each_block(range, [&](const BlockOfTokens& block) {
    const auto [begin, count, next] = block;
    const float* const z = sequence.normaliser + begin;
    load_rows<V>(sequence.dy, begin, count, at.d, g,
                 [z](int t, Reg x) { return x * V::set(z[t]); });
    queries.template make<true>(begin, count, Unused<V>{});
    Ahead& ahead = queries.ahead(next, tiles_of_multiply<V>(count, at.feature_panels()) +
                                           tiles_of_accumulate<V>(at.feature_panels(), at.panels));
    multiply<V>(g, at.panels, state_t, at.feature_panels(), count, IntoPanels<V>{feature_g}, ahead);
    accumulate_product<V>(queries.rotated(), at.feature_panels(), g, at.panels, count,
                          state_gradient, ahead);
    for (int t = 0; t < count; ++t) {
      Reg sum = V::zero();
      for (int i = 0; i < at.feature_panels(); ++i) {
        sum = V::fma(V::load(feature_g.at(i, t)), V::load(queries.rotated().at(i, t)), sum);
      }
      V::store(parts + t * V::kWidth, sum);
    }
    PerToken dot;
    reduce_tokens<V>(parts, count, dot.of);
    for (int t = 0; t < count; ++t) {
      dn[t] = -z[t] * dot[t];
    }
    queries.gradients(feature_g, begin, count, sequence.dq,
                      DenominatorTerm<V, Map::kHalves>{mean, at.padded, dn, mean_gradient});
  });
  unpack<V>(state_gradient, at, states.gradient.product);
  unpack_mean<V>(mean_gradient, at, states.gradient.mean);
}

template <class V, class Map>
void key_gradient(const Setup& setup,
                  const Sequence& sequence,
                  Range range,
                  const State& gradient,
                  float* scratch) {
  Workspace<V> space(scratch);
  FeatureBlock<V, Map> keys(setup, sequence, sequence.k, space);
  keys.fetch_ahead(sequence.v);
  keys.fetch_ahead(sequence.dv);
  keys.fetch_ahead(sequence.dk);
  const auto& at = keys.at();
  const Panels<V> v = space.panels(at.panels, kBlockTokens);
  const Panels<V> feature_g = space.panels(at.feature_panels(), kBlockTokens);  // v dS^T
  const Panels<V> state = space.panels(at.panels, at.features());
  const Panels<V> state_t = space.panels(at.feature_panels(), at.padded);
  float* const mean = space.floats(at.features());
  pack<V>(gradient.product, at, state);
  transpose<V>(state, at.panels, at.features(), state_t);
  pack_mean<V>(gradient.mean, at, mean);
  for_each_block_back(range, [&](const BlockOfTokens& block) {
    const auto [begin, count, next] = block;
    load_rows<V>(sequence.v, begin, count, at.d, v);
    Ahead& ahead = keys.ahead(next, tiles_of_multiply<V>(count, at.feature_panels()) +
                                        tiles_of_multiply<V>(count, at.panels));
    multiply<V>(v, at.panels, state_t, at.feature_panels(), count, IntoPanels<V>{feature_g}, ahead);
    keys.template make<true>(begin, count, Unused<V>{});
    multiply<V>(keys.rotated(), at.feature_panels(), state, at.panels, count,
                IntoRows<V, false>{sequence.dv, begin, count, at.d, nullptr}, ahead);
    keys.gradients(feature_g, begin, count, sequence.dk,
                   MeanTerm<V, Map::kHalves>{mean, at.padded});
  });
}

}  // namespace nala::ops::cpu
