#include "inference/block.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "inference/block_run.h"
#include "models/norm_eps.h"

namespace nala::inference {

using ops::cpu::Product;
using ops::cpu::Range;
using ops::cpu::Sequence;
using ops::cpu::State;

namespace {

constexpr auto kAttentionNormEps = static_cast<float>(models::kAttentionNormEps);
/// Queries whose softmax scores are kept at once.
constexpr int64_t kQueries = 48;
/// Pieces of work that a small map is cut into for several threads.
constexpr int64_t kPieces = 4;
/// Hidden rows of the feed-forward network that should stay in a second-level cache.
constexpr int64_t kHiddenBytes = 256 << 10;
constexpr int64_t kWholeHiddenBytes = 512 << 10;

int64_t packed_floats(int64_t columns, int64_t depth) {
  return static_cast<int64_t>(ops::cpu::packed_bytes(columns, depth, ops::cpu::Precision::float32) /
                              sizeof(float));
}

}  // namespace

int64_t Block::state_floats() const {
  const int64_t features = halves_of(w_.form.linear.map) * w_.form.linear.d;
  return padded(features * (w_.form.linear.d + 1));
}

// S, and the mean behind it.
State Block::state_at(float* floats) const {
  const int64_t features = halves_of(w_.form.linear.map) * w_.form.linear.d;
  return {floats, floats + features * w_.form.linear.d};
}

float* Block::zeros(MapSize size, BlockMemory& memory) const {
  const auto row = static_cast<size_t>(size.width * std::max(packed(), hidden()));
  if (memory.zeros.size() < row) {
    memory.zeros.resize(row);
  }
  return memory.zeros.data();
}

Block::Run Block::begin(const Maps& maps, BlockMemory& memory, Team& team) const {
  const int64_t tokens = maps.size.tokens();
  // Linear attention adds up its bands' sums: its bands are the same whoever does them.
  const int64_t wanted = w_.form.softmax && team.together() ? tokens / kPieces : kTokens;
  return {.maps = maps,
          .team = team,
          .zeros = zeros(maps.size, memory),
          .after_cpe = memory.after_cpe.floats(tokens * channels()),
          .packed = memory.packed.floats(tokens * packed()),
          .after_attention = memory.after_attention.floats(tokens * channels()),
          .memory = memory,
          .bands = Cut(maps.size.height, rows_of_tokens(wanted, maps.size))};
}

void Block::run(const Maps& maps, BlockMemory& memory, Team& team) const {
  const Run run = begin(maps, memory, team);
  project(run);
  if (w_.form.softmax) {
    attend_softmax(run);
  } else {
    attend_linear(run);
  }
  if (maps.size.tokens() * hidden() * static_cast<int64_t>(sizeof(float)) <= kWholeHiddenBytes) {
    feed_forward_whole(run);
  } else {
    feed_forward_rolling(run);
  }
}

// Attention --------------------------------------------------------------------------------------

// Of a head's tokens from `token` on.
Sequence Block::sequence(const Run& run, int64_t head, int64_t token) const {
  const int64_t d = w_.form.linear.d;
  float* const at = run.packed + token * packed() + head * d;
  Sequence s;
  s.q = {at, packed(), 1, ops::cpu::Dtype::float32};
  s.k = {at + channels(), packed(), 1, ops::cpu::Dtype::float32};
  s.v = {at + 2 * channels(), packed(), 1, ops::cpu::Dtype::float32};
  if (run.maps.tables.cos != nullptr) {
    s.tables = {run.maps.tables.cos + token * d, run.maps.tables.sin + token * d, d, d};
  }
  return s;
}

// First positional convolution, norm, projection, and the bands' sums of linear attention.
void Block::project(const Run& run) const {
  const int64_t width = run.size().width;
  const int64_t most = run.bands.most() * width;
  const bool sums = !w_.form.softmax;
  float* const states =
      run.memory.attention.floats(sums ? run.bands.count * w_.form.heads * state_floats() : 0);
  const int64_t attention_scratch =
      sums ? static_cast<int64_t>(kernels_.attention->scratch(w_.form.linear)) : 0;
  run.team.each(run.bands.count, padded(most * channels()) + attention_scratch,
                [&](int64_t band, float* scratch) {
                  Pieces pieces(scratch);
                  const Range rows = run.rows(band);
                  const int64_t first = rows.begin * width;
                  const int64_t tokens = (rows.end - rows.begin) * width;
                  for (int64_t y = rows.begin; y < rows.end; ++y) {
                    convolve_row(*kernels_.layers, w_.cpe1, run.rows_in(run.maps.in, channels()),
                                 {.y = y,
                                  .width = width,
                                  .pixel_stride = channels(),
                                  .out = run.after_cpe + y * width * channels()});
                  }
                  float* const normed = pieces.floats(most * channels());
                  kernels_.layers->normalise({.in = run.after_cpe + first * channels(),
                                              .in_stride = channels(),
                                              .rows = tokens,
                                              .channels = channels(),
                                              .eps = kNormEps,
                                              .out = normed,
                                              .out_stride = channels(),
                                              .out_bfloat16 = half()});
                  Product product = w_.qkvg.product(normed, channels(), tokens);
                  product.out = run.packed + first * packed();
                  kernels_.layers->product(product);
                  float* const space = pieces.floats(attention_scratch);
                  for (int64_t head = 0; sums && head < w_.form.heads; ++head) {
                    float* const state = states + (band * w_.form.heads + head) * state_floats();
                    kernels_.attention->key_state(w_.form.linear, sequence(run, head, first),
                                                  {0, tokens}, state_at(state), space);
                  }
                });
}

// The means of all heads, from the bands' sums.
float* Block::mean_states(const Run& run) const {
  const int64_t all = w_.form.heads * state_floats();
  float* const totals = run.memory.attention.floats(0);
  for (int64_t band = 1; band < run.bands.count; ++band) {
    for (int64_t i = 0; i < all; ++i) {
      totals[i] += totals[band * all + i];
    }
  }
  const float share = 1.0F / static_cast<float>(run.size().tokens());
  std::for_each(totals, totals + all, [&](float& x) { x *= share; });
  return totals;
}

void Block::attend_linear(const Run& run) const {
  const int64_t d = w_.form.linear.d;
  float* const states = mean_states(run);
  const int64_t width = run.size().width;
  const int64_t most = run.bands.most() * width;
  const auto scratch_floats = static_cast<int64_t>(kernels_.attention->scratch(w_.form.linear));
  const int64_t floats = 4 * padded(most * channels()) + 3 * padded(most) +
                         padded(ops::cpu::epilogue_scratch(channels())) + scratch_floats;
  run.team.each(run.bands.count, floats, [&](int64_t band, float* scratch) {
    Pieces pieces(scratch);
    const Range rows = run.rows(band);
    const int64_t tokens = (rows.end - rows.begin) * width;
    float* const y = pieces.floats(most * channels());
    float* const normaliser = pieces.floats(most);
    float* const space = pieces.floats(scratch_floats);
    for (int64_t head = 0; head < w_.form.heads; ++head) {
      Sequence s = sequence(run, head, rows.begin * width);
      s.y = {y + head * d, channels(), 1, ops::cpu::Dtype::float32};
      s.normaliser = normaliser;
      kernels_.attention->query_output(w_.form.linear, s, {0, tokens},
                                       state_at(states + head * state_floats()), space);
    }
    finish_attention(run, rows, y, pieces);
  });
}

// Packed keys (N, d) and values, transposed, of all heads, for the two products of softmax
// attention.
void Block::pack_keys_and_values(const Run& run) const {
  const int64_t d = w_.form.linear.d;
  const int64_t tokens = run.size().tokens();
  const int64_t key_floats = packed_floats(tokens, d);
  const int64_t value_floats = packed_floats(d, tokens);
  float* const all = run.memory.attention.floats(w_.form.heads * (key_floats + value_floats));
  run.team.each(w_.form.heads, padded(tokens * d), [&](int64_t head, float* rotated) {
    float* const to = all + head * (key_floats + value_floats);
    const Sequence s = sequence(run, head, 0);
    kernels_.exact->rotate({.in = static_cast<const float*>(s.k.data),
                            .in_stride = packed(),
                            .cos = s.tables.cos,
                            .sin = s.tables.sin,
                            .rows = tokens,
                            .channels = d,
                            .out = rotated,
                            .out_stride = d});
    kernels_.exact->pack({.weights = rotated, .columns = tokens, .depth = d, .column_stride = d},
                         to);
    kernels_.exact->pack({.weights = static_cast<const float*>(s.v.data),
                          .columns = d,
                          .depth = tokens,
                          .column_stride = 1,
                          .depth_stride = packed()},
                         to + key_floats);
  });
}

// y of one head for a few queries; scratch: kQueries * (d + padded N + 1) and more.
void Block::attend_softmax_head(
    const Run& run, int64_t head, Range queries, float* y, float* scratch) const {
  const int64_t d = w_.form.linear.d;
  const int64_t tokens = run.size().tokens();
  const int64_t stride = padded(tokens);
  const int64_t count = queries.end - queries.begin;
  const int64_t key_floats = packed_floats(tokens, d);
  const int64_t value_floats = packed_floats(d, tokens);
  const float* const keys = run.memory.attention.floats(0) + head * (key_floats + value_floats);
  Pieces pieces(scratch);
  float* const rotated = pieces.floats(kQueries * d);
  float* const scores = pieces.floats(kQueries * stride);
  float* const inverse = pieces.floats(kQueries);
  const Sequence s = sequence(run, head, queries.begin);
  kernels_.exact->rotate({.in = static_cast<const float*>(s.q.data),
                          .in_stride = packed(),
                          .cos = s.tables.cos,
                          .sin = s.tables.sin,
                          .rows = count,
                          .channels = d,
                          .factor = 1.0F / std::sqrt(static_cast<float>(d)),
                          .out = rotated,
                          .out_stride = d});
  kernels_.exact->product({.a = rotated,
                           .a_stride = d,
                           .depth = d,
                           .weights = keys,
                           .rows = count,
                           .columns = tokens,
                           .out = scores,
                           .out_stride = stride});
  kernels_.exact->softmax_rows(scores, stride, count, tokens, inverse);
  kernels_.exact->product({.a = scores,
                           .a_stride = stride,
                           .depth = tokens,
                           .weights = keys + key_floats,
                           .rows = count,
                           .columns = d,
                           .out = y + head * d,
                           .out_stride = channels()});
  for (int64_t row = 0; row < count; ++row) {
    float* const values = y + row * channels() + head * d;
    for (int64_t c = 0; c < d; ++c) {
      values[c] *= inverse[row];
    }
  }
}

void Block::attend_softmax(const Run& run) const {
  pack_keys_and_values(run);
  const int64_t width = run.size().width;
  const int64_t most = run.bands.most() * width;
  const int64_t head_floats = padded(kQueries * w_.form.linear.d) +
                              padded(kQueries * padded(run.size().tokens())) + padded(kQueries);
  const int64_t floats = 4 * padded(most * channels()) + 2 * padded(most) +
                         padded(ops::cpu::epilogue_scratch(channels())) + head_floats;
  run.team.each(run.bands.count, floats, [&](int64_t band, float* scratch) {
    Pieces pieces(scratch);
    const Range rows = run.rows(band);
    float* const y = pieces.floats(most * channels());
    float* const space = pieces.floats(head_floats);
    const int64_t first = rows.begin * width;
    for (int64_t head = 0; head < w_.form.heads; ++head) {
      for (int64_t token = first; token < rows.end * width; token += kQueries) {
        attend_softmax_head(run, head, {token, std::min(token + kQueries, rows.end * width)},
                            y + (token - first) * channels(), space);
      }
    }
    finish_attention(run, rows, y, pieces);
  });
}

// Convolution of the values, norm, gate, output projection and residual of some rows of the map.
void Block::finish_attention(const Run& run, Range rows, float* y, Pieces scratch) const {
  const int64_t width = run.size().width;
  const int64_t first = rows.begin * width;
  const int64_t tokens = (rows.end - rows.begin) * width;
  const auto row_type = ops::cpu::RowType::float32;
  float* const lepe = w_.lepe.bias.empty() ? nullptr : scratch.floats(tokens * channels());
  for (int64_t row = rows.begin; lepe != nullptr && row < rows.end; ++row) {
    convolve_row(*kernels_.layers, w_.lepe, run.rows_in(run.packed + 2 * channels(), packed()),
                 {.y = row,
                  .width = width,
                  .pixel_stride = packed(),
                  .out = lepe + (row - rows.begin) * width * channels()});
  }
  float* const mixed = scratch.floats(tokens * channels());
  ops::cpu::EpilogueForward epilogue{
      .shape = {tokens, channels()},
      .y = {y, row_type, 0, channels()},
      .lepe = {lepe, row_type, 0, channels()},
      .gate = {},
      .weight = w_.ln_weight.data(),
      .bias = w_.ln_bias.data(),
      .eps = kAttentionNormEps,
      .out = {mixed, half() ? ops::cpu::RowType::bfloat16 : row_type},
      .mean = scratch.floats(tokens),
      .rstd = scratch.floats(tokens)};
  if (w_.form.gate) {
    epilogue.gate = {run.packed + first * packed() + 3 * channels(), row_type, 0, packed()};
  }
  kernels_.epilogue->forward(epilogue,
                             {0, tokens, scratch.floats(ops::cpu::epilogue_scratch(channels()))});
  Product product = w_.out_proj.product(mixed, channels(), tokens);
  product.residual = run.after_cpe + first * channels();
  product.residual_stride = channels();
  product.out = run.after_attention + first * channels();
  kernels_.layers->product(product);
}

// Feed-forward network ---------------------------------------------------------------------------

// Row by row of the map: what the hidden layer's convolution needs stays in cache.
void Block::feed_forward_rolling(const Run& run) const {
  const int64_t width = run.size().width;
  const int64_t row_bytes = width * hidden() * static_cast<int64_t>(sizeof(float));
  const int64_t step = std::clamp<int64_t>(kHiddenBytes / row_bytes, 1, run.size().height);
  const int64_t capacity = (step + 2) * width;
  const int64_t floats = 2 * padded(capacity * channels()) + 2 * padded(capacity * hidden());
  // Bands compute two hidden rows of their neighbours again.
  const int64_t height = run.size().height;
  const Cut bands(height, run.team.together() ? std::max<int64_t>(12, height / 8) : height);
  run.team.each(bands.count, floats, [&](int64_t band, float* scratch) {
    roll(run, {bands.begin(band), bands.end(band)}, step, scratch);
  });
}

void Block::roll(const Run& run, Range rows, int64_t step, float* scratch) const {
  const int64_t width = run.size().width;
  const int64_t height = run.size().height;
  const int64_t capacity = step + 2;  // rows
  const int64_t thin = width * channels();
  const int64_t thick = width * hidden();
  Pieces pieces(scratch);
  float* const x = pieces.floats(capacity * thin);  // the map after the second convolution
  float* const normed = pieces.floats(capacity * thin);
  float* const u = pieces.floats(capacity * thick);  // hidden rows `base` ... `base + count`
  float* const mixed = pieces.floats(capacity * thick);
  int64_t base = std::max<int64_t>(0, rows.begin - 1);
  int64_t count = 0;
  const int64_t last = std::min(height, rows.end + 1);
  const RowOf before = run.rows_in(run.after_attention, channels());
  const RowOf hidden_row = [&](int64_t y) {
    return y < 0 || y >= height ? run.zeros : u + (y - base) * thick;
  };
  for (int64_t done = rows.begin; done < rows.end;) {
    const int64_t fresh = std::min(capacity - count, last - base - count);
    for (int64_t y = base + count; y < base + count + fresh; ++y) {
      convolve_row(
          *kernels_.layers, w_.cpe2, before,
          {.y = y, .width = width, .pixel_stride = channels(), .out = x + (y - base) * thin});
    }
    kernels_.layers->normalise({.in = x + count * thin,
                                .in_stride = channels(),
                                .rows = fresh * width,
                                .channels = channels(),
                                .eps = kNormEps,
                                .out = normed,
                                .out_stride = channels(),
                                .out_bfloat16 = half()});
    Product widen = w_.fc1.product(normed, channels(), fresh * width);
    widen.activation = ops::cpu::Activation::gelu;
    widen.out = u + count * thick;
    kernels_.layers->product(widen);
    count += fresh;
    const int64_t ready = std::min(rows.end, base + count == height ? height : base + count - 1);
    const int64_t element = half() ? sizeof(uint16_t) : sizeof(float);
    for (int64_t y = done; y < ready; ++y) {
      convolve_row(*kernels_.layers, w_.ffn_depthwise, hidden_row,
                   {.y = y,
                    .width = width,
                    .pixel_stride = hidden(),
                    .out = reinterpret_cast<std::byte*>(mixed) + (y - done) * thick * element,
                    .out_bfloat16 = half()});
    }
    Product narrow = w_.fc2.product(mixed, hidden(), (ready - done) * width);
    narrow.residual = x + (done - base) * thin;
    narrow.residual_stride = channels();
    narrow.out = run.maps.out + done * thin;
    kernels_.layers->product(narrow);
    done = ready;
    const int64_t drop = std::max<int64_t>(0, done - 1 - base);
    count -= drop;
    base += drop;
    std::memmove(x, x + drop * thin, static_cast<size_t>(count * thin) * sizeof(float));
    std::memmove(u, u + drop * thick, static_cast<size_t>(count * thick) * sizeof(float));
  }
}

// Of a small map: the hidden layer as a whole, cut by channels for several threads.
void Block::feed_forward_whole(const Run& run) const {
  const MapSize size = run.size();
  const int64_t tokens = size.tokens();
  Pieces pieces(run.memory.feed_forward.floats(2 * padded(tokens * channels()) +
                                               2 * padded(tokens * hidden())));
  float* const x = pieces.floats(tokens * channels());
  float* const normed = pieces.floats(tokens * channels());
  float* const u = pieces.floats(tokens * hidden());
  float* const mixed = pieces.floats(tokens * hidden());
  const int64_t element = half() ? sizeof(uint16_t) : sizeof(float);
  const auto at = [&](float* rows, int64_t index) {
    return reinterpret_cast<std::byte*>(rows) + index * element;
  };
  run.team.each(run.bands.count, 0, [&](int64_t band, float*) {
    const Range rows = run.rows(band);
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      convolve_row(*kernels_.layers, w_.cpe2, run.rows_in(run.after_attention, channels()),
                   {.y = y,
                    .width = size.width,
                    .pixel_stride = channels(),
                    .out = x + y * size.width * channels()});
    }
    const int64_t first = rows.begin * size.width;
    kernels_.layers->normalise({.in = x + first * channels(),
                                .in_stride = channels(),
                                .rows = (rows.end - rows.begin) * size.width,
                                .channels = channels(),
                                .eps = kNormEps,
                                .out = at(normed, first * channels()),
                                .out_stride = channels(),
                                .out_bfloat16 = half()});
  });
  const auto columns = [&](int64_t all) {
    const int64_t panels = (all + ops::cpu::kPanelColumns - 1) / ops::cpu::kPanelColumns;
    return Cut(panels, run.team.together() ? panels / kPieces : panels);
  };
  const Cut widths = columns(hidden());
  run.team.each(widths.count, 0, [&](int64_t part, float*) {
    const int64_t begin = widths.begin(part) * ops::cpu::kPanelColumns;
    const int64_t end = std::min(hidden(), widths.end(part) * ops::cpu::kPanelColumns);
    Product widen = w_.fc1.product(normed, channels(), tokens);
    widen.activation = ops::cpu::Activation::gelu;
    widen.first_column = begin;
    widen.columns = end;
    widen.out = u;
    widen.out_stride = hidden();
    kernels_.layers->product(widen);
    const RowOf row = run.rows_in(u, hidden());
    for (int64_t y = 0; y < size.height; ++y) {
      const float* const rows[] = {row(y - 1) + begin, row(y) + begin, row(y + 1) + begin};
      kernels_.layers->depthwise_row({.rows = rows,
                                      .pixel_stride = hidden(),
                                      .width = size.width,
                                      .channels = end - begin,
                                      .weights = w_.ffn_depthwise.weights.data() + begin,
                                      .weight_stride = hidden(),
                                      .bias = w_.ffn_depthwise.bias.data() + begin,
                                      .out = at(mixed, y * size.width * hidden() + begin),
                                      .out_stride = hidden(),
                                      .out_bfloat16 = half()});
    }
  });
  const Cut thin = columns(channels());
  run.team.each(thin.count, 0, [&](int64_t part, float*) {
    Product narrow = w_.fc2.product(mixed, hidden(), tokens);
    narrow.first_column = thin.begin(part) * ops::cpu::kPanelColumns;
    narrow.columns = std::min(channels(), thin.end(part) * ops::cpu::kPanelColumns);
    narrow.residual = x;
    narrow.residual_stride = channels();
    narrow.out = run.maps.out;
    narrow.out_stride = channels();
    kernels_.layers->product(narrow);
  });
}

}  // namespace nala::inference
