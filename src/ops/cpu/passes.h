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

template <class V>
inline Rotation<V> rotation_at(const Tables& tables,
                               int64_t token,
                               int panel,
                               typename V::Mask lanes) {
  const int64_t channel = static_cast<int64_t>(panel) * V::kWidth;
  return {V::load(tables.cos + token * tables.cos_stride + channel, lanes),
          V::load(tables.sin + token * tables.sin_stride + channel, lanes)};
}

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

/// A block of tokens and its features.
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
    ahead_.add(rows_);
    ahead_.add(tables_);
  }

  const Layout<V, kHalves>& at() const { return at_; }
  const Panels<V>& x() const { return x_; }
  /// Rows that the pass reads or writes beside those of the features: fetched a block ahead.
  void fetch_ahead(const Rows& rows) { ahead_.add(rows); }
  const Panels<V>& rotated() const { return rotated_; }

  /// Loads the tokens and makes their features; calls use(panel of the half, token, features) with
  /// the features before rotation. kKeep: keeps what gradients() needs.
  template <bool kKeep, class Use>
  void make(int64_t begin, int count, Use use) {
    load_rows<V>(rows_, begin, count, at_.d, x_);
    for (int group = 0; group < count; group += V::kWidth) {
      map_.measure(x_, at_.panels, group);
    }
    if (tables_.cos != nullptr) {
      features<kKeep, true>(begin, count, use);
    } else {
      features<kKeep, false>(begin, count, use);
    }
  }

  /// Turns x into the loss' gradient in it. `gradient` holds that in the rotated features; what
  /// extra(panel of the half, token, unrotated features) gives adds to that in the unrotated ones.
  template <class Extra>
  void gradients(const Panels<V>& gradient, int64_t begin, int count, Extra extra) {
    for (int group = 0; group < count; group += V::kWidth) {
      const int end = group + V::kWidth < count ? group + V::kWidth : count;
      for (int t = group; t < end; ++t) {
        Sums<V> sums;
        for (int j = 0; j < at_.panels; ++j) {
          Reg kept[Map::kKept];
          for (int i = 0; i < Map::kKept; ++i) {
            kept[i] = V::load(kept_.at(i * at_.panels + j, t));
          }
          const Reg x = V::load(x_.at(j, t));
          const Pair<V> more = extra(j, t, map_.recalled(x, t, kept));
          const Pair<V> g = feature_gradient(gradient, begin, t, j, more);
          const Reg scaled = map_.gradient(x, t, g, kept, sums);
          V::store(Map::kSums == 0 ? x_.at(j, t) : kept_.at(j, t), scaled);
        }
        if constexpr (Map::kSums > 0) {
          V::store(sums_ + (t - group) * V::kWidth, sums.first);
          V::store(sums_ + (V::kWidth + t - group) * V::kWidth, sums.second);
        }
      }
      if constexpr (Map::kSums > 0) {
        finish(group, end);
      }
    }
  }

 private:
  template <bool kKeep, bool kRotate, class Use>
  void features(int64_t begin, int count, Use use) {
    for (int j = 0; j < at_.panels; ++j) {
      const typename V::Mask lanes = lanes_of<V>(at_.d, j);
      ahead_.start(begin + kBlockTokens, j * V::kWidth);
      for (int t = 0; t < count; ++t) {
        ahead_.step();
        Reg kept[Map::kKept];
        Pair<V> phi = map_.features(V::load(x_.at(j, t)), t, kept);
        if constexpr (!Map::kZeroAtZero) {
          phi.a = V::keep(lanes, phi.a);
        }
        if constexpr (kKeep) {
          for (int i = 0; i < Map::kKept; ++i) {
            V::store(kept_.at(i * at_.panels + j, t), kept[i]);
          }
        }
        use(j, t, phi);
        if constexpr (kRotate) {
          const Rotation<V> rotation = rotation_at<V>(tables_, begin + t, j, lanes);
          phi = {rotation.forward(phi.a), rotation.forward(phi.b)};
        }
        V::store(rotated_.at(j, t), phi.a);
        if constexpr (kHalves == 2) {
          V::store(rotated_.at(at_.panels + j, t), phi.b);
        }
      }
    }
  }

  Pair<V> feature_gradient(
      const Panels<V>& gradient, int64_t begin, int t, int j, const Pair<V>& extra) const {
    Pair<V> g{V::load(gradient.at(j, t)), V::zero()};
    if constexpr (kHalves == 2) {
      g.b = V::load(gradient.at(at_.panels + j, t));
    }
    if (tables_.cos != nullptr) {
      const Rotation<V> rotation = rotation_at<V>(tables_, begin + t, j, lanes_of<V>(at_.d, j));
      g = {rotation.backward(g.a), rotation.backward(g.b)};
    }
    return {g.a + extra.a, g.b + extra.b};
  }

  void finish(int group, int end) {
    const Reg first = V::row_sums(sums_);
    const Reg second = Map::kSums > 1 ? V::row_sums(sums_ + V::kWidth * V::kWidth) : V::zero();
    map_.combine(group, first, second);
    for (int j = 0; j < at_.panels; ++j) {
      for (int t = group; t < end; ++t) {
        const Reg x = V::load(x_.at(j, t));
        V::store(x_.at(j, t), map_.finish(V::load(kept_.at(j, t)), x, t));
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

/// Calls run(begin, count) for the range's blocks.
template <class Run>
inline void for_each_block(Range range, Run run) {
  for (int64_t begin = range.begin; begin < range.end; begin += kBlockTokens) {
    const int64_t left = range.end - begin;
    run(begin, static_cast<int>(left < kBlockTokens ? left : kBlockTokens));
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
  for_each_block(range, [&](int64_t begin, int count) {
    load_rows<V>(sequence.v, begin, count, at.d, v);
    keys.template make<false>(begin, count, [&](int j, int, const Pair<V>& phi) {
      float* const a = sum + j * V::kWidth;
      V::store(a, V::load(a) + phi.a);
      if constexpr (Map::kHalves == 2) {
        V::store(a + at.padded, V::load(a + at.padded) + phi.b);
      }
    });
    accumulate_product<V>(keys.rotated(), at.feature_panels(), v, at.panels, count, product);
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

template <class V>
inline void scale_tokens(const Panels<V>& x, int panels, int count, const PerToken& factors) {
  for (int j = 0; j < panels; ++j) {
    for (int t = 0; t < count; ++t) {
      V::store(x.at(j, t), V::load(x.at(j, t)) * V::set(factors[t]));
    }
  }
}

template <class V, class Map>
void query_output(
    const Setup& setup, const Sequence& sequence, Range range, const State& state, float* scratch) {
  using Reg = typename V::Reg;
  Workspace<V> space(scratch);
  FeatureBlock<V, Map> queries(setup, sequence, sequence.q, space);
  queries.fetch_ahead(sequence.y);
  const auto& at = queries.at();
  const Panels<V> y = space.panels(at.panels, kBlockTokens);
  const Panels<V> product = space.panels(at.panels, at.features());
  float* const mean = space.floats(at.features());
  float* const parts = space.floats(kBlockTokens * V::kWidth);  // of each token's normaliser
  pack<V>(state.product, at, product);
  pack_mean<V>(state.mean, at, mean);
  PerToken z;
  for_each_block(range, [&](int64_t begin, int count) {
    queries.template make<false>(begin, count, [&](int j, int t, const Pair<V>& phi) {
      float* const part = parts + t * V::kWidth;
      Reg sum = V::fma(phi.a, V::load(mean + j * V::kWidth), j == 0 ? V::zero() : V::load(part));
      if constexpr (Map::kHalves == 2) {
        sum = V::fma(phi.b, V::load(mean + at.padded + j * V::kWidth), sum);
      }
      V::store(part, sum);
    });
    reduce_tokens<V>(parts, count, z.of);
    for (int t = 0; t < count; ++t) {
      z[t] = 1 / (z[t] + setup.eps);
      sequence.normaliser[begin + t] = z[t];
    }
    multiply<V>(queries.rotated(), at.feature_panels(), product, at.panels, count, y);
    scale_tokens<V>(y, at.panels, count, z);
    store_rows<V>(y, begin, count, at.d, sequence.y);
  });
}

template <class V, int kHalves>
inline Pair<V> scaled_mean(const float* mean,
                           const Layout<V, kHalves>& at,
                           int j,
                           typename V::Reg factor) {
  const float* const a = mean + j * V::kWidth;
  return {factor * V::load(a), kHalves == 2 ? factor * V::load(a + at.padded) : V::zero()};
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
  for_each_block(range, [&](int64_t begin, int count) {
    load_rows<V>(sequence.dy, begin, count, at.d, g);
    for (int t = 0; t < count; ++t) {
      dn[t] = sequence.normaliser[begin + t];
    }
    scale_tokens<V>(g, at.panels, count, dn);
    queries.template make<true>(begin, count, [](int, int, const Pair<V>&) {});
    multiply<V>(g, at.panels, state_t, at.feature_panels(), count, feature_g);
    accumulate_product<V>(queries.rotated(), at.feature_panels(), g, at.panels, count,
                          state_gradient);
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
      dn[t] = -dn[t] * dot[t];
    }
    queries.gradients(feature_g, begin, count, [&](int j, int t, const Pair<V>& phi) {
      const Reg factor = V::set(dn[t]);
      float* const sum = mean_gradient + j * V::kWidth;
      V::store(sum, V::fma(factor, phi.a, V::load(sum)));
      if constexpr (Map::kHalves == 2) {
        V::store(sum + at.padded, V::fma(factor, phi.b, V::load(sum + at.padded)));
      }
      return scaled_mean<V, Map::kHalves>(mean, at, j, factor);
    });
    store_rows<V>(queries.x(), begin, count, at.d, sequence.dq);
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
  for_each_block(range, [&](int64_t begin, int count) {
    load_rows<V>(sequence.v, begin, count, at.d, v);
    multiply<V>(v, at.panels, state_t, at.feature_panels(), count, feature_g);
    keys.template make<true>(begin, count, [](int, int, const Pair<V>&) {});
    multiply<V>(keys.rotated(), at.feature_panels(), state, at.panels, count, v);
    store_rows<V>(v, begin, count, at.d, sequence.dv);
    keys.gradients(feature_g, begin, count, [&](int j, int, const Pair<V>&) {
      return scaled_mean<V, Map::kHalves>(mean, at, j, V::set(1));
    });
    store_rows<V>(keys.x(), begin, count, at.d, sequence.dk);
  });
}

}  // namespace nala::ops::cpu
