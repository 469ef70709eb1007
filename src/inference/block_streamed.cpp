// Linear attention of a large map with the activations of a band of rows at a time.
#include <algorithm>
#include <cstring>
#include <functional>

#include "inference/block_run.h"

namespace nala::inference {

using ops::cpu::Product;
using ops::cpu::Range;
using ops::cpu::Sequence;

namespace {

// The tables of the tokens of some rows, (rows W, d).
void fill_tables(const RotationTables& by_row,
                 const RotationTables& by_column,
                 Range rows,
                 int64_t width,
                 int64_t d,
                 float* cos,
                 float* sin) {
  const auto half = static_cast<size_t>(d / 2) * sizeof(float);
  for (int64_t y = rows.begin; y < rows.end; ++y) {
    for (int64_t x = 0; x < width; ++x, cos += d, sin += d) {
      std::memcpy(cos, by_row.cos + y * d, half);
      std::memcpy(sin, by_row.sin + y * d, half);
      std::memcpy(cos + d / 2, by_column.cos + x * d + d / 2, half);
      std::memcpy(sin + d / 2, by_column.sin + x * d + d / 2, half);
    }
  }
}

}  // namespace

// Where project_rows() writes, from the first of its rows on.
struct Block::ProjectedRows {
  Range columns;     // of the packed projection that are wanted
  float* after_cpe;  // (N, C)
  float* packed;     // (N, 3C or 4C)
  float* normed;     // (tokens of kTokens' rows, C)
};

void Block::project_rows(const Run& run, Range rows, const ProjectedRows& to) const {
  const int64_t width = run.size().width;
  const int64_t step = rows_of_tokens(kTokens, run.size());
  for (int64_t begin = rows.begin; begin < rows.end; begin += step) {
    const int64_t end = std::min(begin + step, rows.end);
    const int64_t first = (begin - rows.begin) * width;
    for (int64_t y = begin; y < end; ++y) {
      convolve_row(*kernels_.layers, w_.cpe1, run.rows_in(run.maps.in, channels()),
                   {.y = y,
                    .width = width,
                    .pixel_stride = channels(),
                    .out = to.after_cpe + (y - rows.begin) * width * channels()});
    }
    const int64_t tokens = (end - begin) * width;
    kernels_.layers->normalise({.in = to.after_cpe + first * channels(),
                                .in_stride = channels(),
                                .rows = tokens,
                                .channels = channels(),
                                .eps = kNormEps,
                                .out = to.normed,
                                .out_stride = channels(),
                                .out_bfloat16 = half()});
    Product product = w_.qkvg.product(to.normed, channels(), tokens);
    product.first_column = to.columns.begin / ops::cpu::kPanelColumns * ops::cpu::kPanelColumns;
    product.columns = to.columns.end;
    product.out = to.packed + first * packed();
    kernels_.layers->product(product);
  }
}

// The bands' sums over keys and values, which are forgotten at once.
void Block::sum_keys(const Run& run, const PositionTables& positions) const {
  const int64_t d = w_.form.linear.d;
  const int64_t width = run.size().width;
  const int64_t step = rows_of_tokens(kTokens, run.size());
  const int64_t most = step * width;
  const int64_t all = w_.form.heads * state_floats();
  float* const sums = run.memory.attention.floats(run.bands.count * all);
  const auto kernel_floats = static_cast<int64_t>(kernels_.attention->scratch(w_.form.linear));
  const int64_t floats = 2 * padded(most * channels()) + padded(most * packed()) +
                         2 * padded(most * d) + state_floats() + kernel_floats;
  run.team.each(run.bands.count, floats, [&](int64_t band, float* scratch) {
    Pieces pieces(scratch);
    const ProjectedRows to{.columns = {channels(), 3 * channels()},
                           .after_cpe = pieces.floats(most * channels()),
                           .packed = pieces.floats(most * packed()),
                           .normed = pieces.floats(most * channels())};
    float* const cos = pieces.floats(most * d);
    float* const sin = pieces.floats(most * d);
    float* const state = pieces.floats(state_floats());
    float* const space = pieces.floats(kernel_floats);
    float* const sum = sums + band * all;
    std::fill(sum, sum + all, 0.0F);
    Run part = run;
    part.packed = to.packed;
    const Range rows = run.rows(band);
    for (int64_t begin = rows.begin; begin < rows.end; begin += step) {
      const Range some{begin, std::min(begin + step, rows.end)};
      project_rows(run, some, to);
      if (positions.rows.cos != nullptr) {
        fill_tables(positions.rows, positions.columns, some, width, d, cos, sin);
        part.maps.tables = {cos, sin};
      }
      for (int64_t head = 0; head < w_.form.heads; ++head) {
        kernels_.attention->key_state(w_.form.linear, sequence(part, head, 0),
                                      {0, (some.end - some.begin) * width}, state_at(state), space);
        std::transform(state, state + state_floats(), sum + head * state_floats(),
                       sum + head * state_floats(), std::plus<>());
      }
    }
  });
}

int64_t Block::band_floats(const Run& run) const {
  const int64_t margin = w_.lepe.bias.empty() ? 0 : w_.lepe.kernel / 2;
  const int64_t band = (run.bands.most() + 2 * margin) * run.size().width;
  const int64_t few = rows_of_tokens(kTokens, run.size()) * run.size().width;
  return padded(band * channels()) + padded(band * packed()) + 2 * padded(band * w_.form.linear.d) +
         5 * padded(few * channels()) + 3 * padded(few) +
         padded(ops::cpu::epilogue_scratch(channels())) +
         static_cast<int64_t>(kernels_.attention->scratch(w_.form.linear));
}

// Some rows of the map after attention. The rows that they need are run as a map of their own.
void Block::attend_band(const Run& run,
                        const PositionTables& positions,
                        float* states,
                        Range rows,
                        float* scratch) const {
  const int64_t d = w_.form.linear.d;
  const int64_t width = run.size().width;
  const int64_t margin = w_.lepe.bias.empty() ? 0 : w_.lepe.kernel / 2;
  const Range read{std::max<int64_t>(0, rows.begin - margin),
                   std::min(run.size().height, rows.end + margin)};
  const int64_t tokens = (read.end - read.begin) * width;
  const int64_t step = rows_of_tokens(kTokens, run.size());
  Pieces pieces(scratch);
  float* const after_cpe = pieces.floats(tokens * channels());
  float* const projected = pieces.floats(tokens * packed());
  float* const normed = pieces.floats(step * width * channels());
  const auto project_some = [&](Range some, Range columns) {
    const int64_t first = (some.begin - read.begin) * width;
    project_rows(run, some,
                 {.columns = columns,
                  .after_cpe = after_cpe + first * channels(),
                  .packed = projected + first * packed(),
                  .normed = normed});
  };
  const Range values{2 * channels(), 3 * channels()};
  project_some({read.begin, rows.begin}, values);
  project_some(rows, {0, packed()});
  project_some({rows.end, read.end}, values);

  Run part = run;
  part.maps.size.height = read.end - read.begin;
  part.after_cpe = after_cpe;
  part.packed = projected;
  part.after_attention = run.after_attention + read.begin * width * channels();
  if (positions.rows.cos != nullptr) {
    float* const cos = pieces.floats(tokens * d);
    float* const sin = pieces.floats(tokens * d);
    fill_tables(positions.rows, positions.columns, read, width, d, cos, sin);
    part.maps.tables = {cos, sin};
  }
  float* const y = pieces.floats(step * width * channels());
  float* const normaliser = pieces.floats(step * width);
  float* const space =
      pieces.floats(static_cast<int64_t>(kernels_.attention->scratch(w_.form.linear)));
  for (int64_t begin = rows.begin; begin < rows.end; begin += step) {
    const Range some{begin - read.begin, std::min(begin + step, rows.end) - read.begin};
    for (int64_t head = 0; head < w_.form.heads; ++head) {
      Sequence s = sequence(part, head, some.begin * width);
      s.y = {y + head * d, channels(), 1, ops::cpu::Dtype::float32};
      s.normaliser = normaliser;
      kernels_.attention->query_output(w_.form.linear, s, {0, (some.end - some.begin) * width},
                                       state_at(states + head * state_floats()), space);
    }
    finish_attention(part, some, y, pieces);
  }
}

int64_t Block::rows_of_band(MapSize size) {
  return std::max<int64_t>(8, rows_of_tokens(12288, size));
}

void Block::run_streamed(const StreamedMaps& maps, BlockMemory& memory, Team& team) const {
  const Run run{.maps = {.in = maps.in, .out = maps.out, .size = maps.size, .tables = {}},
                .team = team,
                .zeros = zeros(maps.size, memory),
                .after_cpe = nullptr,
                .packed = nullptr,
                .after_attention = maps.after_attention,
                .memory = memory,
                .bands = Cut(maps.size.height, rows_of_band(maps.size))};
  sum_keys(run, maps.positions);
  float* const states = mean_states(run);
  team.each(run.bands.count, band_floats(run), [&](int64_t band, float* scratch) {
    attend_band(run, maps.positions, states, run.rows(band), scratch);
  });
  feed_forward_rolling(run);
}

}  // namespace nala::inference
