#!/usr/bin/env bash
# Shows that the host tests of the CUDA kernels are sharp: plants one bug at a time in a scratch copy of
# the kernels, compiles the float32 instances and the tests without sanitizers, and expects a failure.
# Prints a table; status 1 if a bug survives.
#
# usage: scripts/cuda_mutations.sh [name ...]     only the named bugs
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$root/build/cuda_mutations"

# name | file | sed expression
mutations=(
  'none|state_kernel.cuh|'
  'barrier_after_fill|state_kernel.cuh|0,/      __syncthreads();/s///'
  'barrier_before_product|apply_kernel.cuh|0,/        __syncthreads();/s///'
  'barrier_after_product|pull_back_kernel.cuh|0,/    __syncthreads();/s///'
  'tail_of_tile_not_masked|state_kernel.cuh|s/const bool present = token < block.end;/const bool present = token < a.call.shape.tokens;/'
  'rotation_sign|token_rows.cuh|s/x.at\[i + 1\] \* turn.cos.at\[i + 1\] + x.at\[i\]/x.at[i + 1] * turn.cos.at[i + 1] - x.at[i]/'
  'rotation_back_is_forward|token_rows.cuh|s/y.at\[i + 1\] \* turn.cos.at\[i + 1\] - y.at\[i\]/y.at[i + 1] * turn.cos.at[i + 1] + y.at[i]/'
  'mean_of_rotated|state_kernel.cuh|s/fmaf(weight, half.at\[i\],/fmaf(weight, rotated(half, turn).at[i],/'
  'constant_in_fast_path|feature_math.cuh|s/-1.388731625493765e-3f/-1.389731625493765e-3f/'
  'quarter_pi|feature_math.cuh|s/0.785398163397448309616f/0.7855f/'
  'zero_rule|feature_math.cuh|s/row.dropped = row.zero || isinf(norm);/row.dropped = false;/'
  'nan_lost|feature_math.cuh|s/return x <= 0 ? 0.0f : x;/return x > 0 ? x : 0.0f;/'
  'exponent_gradient|feature_math.cuh|s/u \* row.slope \* exponent/0.999f * u * row.slope * exponent/'
  'lost_split|combine_kernel.cuh|s/part < a.parts; part/part < a.parts - 1; part/'
  'group_lost|state_kernel.cuh|s/for (int from = 1; from < Tile::groups/for (int from = 2; from < Tile::groups/'
  'lanes_of_a_token|vectors.cuh|s/distance = lanes \/ 2/distance = lanes \/ 4/'
  'normaliser_gradient|pull_back_kernel.cuh|s/return -sum_over_lanes/return sum_over_lanes/'
  'last_token_twice|apply_kernel.cuh|s/const int end = min(begin + tokens_per_block, a.call.shape.tokens)/const int end = begin + tokens_per_block/;s/if (token < a.call.shape.tokens \&\& /if (/'
  'epilogue_eps|epilogue_kernels.cuh|s/sqrtf(variance + eps)/sqrtf(variance + 2 * eps)/'
  'epilogue_mean_term|epilogue_kernels.cuh|s/(gradient - flat - /(gradient - /'
)

only=" $* "
compile="${CXX:-g++} -std=c++20 -O1 -fno-stack-protector -I$work/kernels -I$root/tests/cuda_host"
compile+=" -DNALA_GOLDEN_DEFAULT=\"$root/tests/golden\""
tests=(attention_case epilogue_test golden_file golden_operator_test linear_attention_test)
mkdir -p "$work/kernels"
cp "$root"/src/ops/cuda/*.{cuh,h} "$work/kernels"
for name in "${tests[@]}"; do
  # float32 alone: a third of the time, and the other dtypes share every line.
  sed 's/run_with<Dtype::b\?float16>/run_with<Dtype::float32>/' "$root/tests/cuda_host/$name.cpp" \
    >"$work/$name.cpp"
  $compile -c "$work/$name.cpp" -o "$work/$name.o"
done
for name in block fiber launch warp; do
  $compile -c "$root/tests/cuda_host/shim/$name.cpp" -o "$work/$name.o"
done

survivors=0
printf '| bug | caught by |\n|---|---|\n'
for mutation in "${mutations[@]}"; do
  IFS='|' read -r name file expression <<<"${mutation//||/@@}"
  expression="${expression//@@/||}"
  [[ $# -eq 0 || "$only" == *" $name "* ]] || continue
  cp "$root"/src/ops/cuda/*.{cuh,h,cu,cpp} "$work/kernels"
  sed -i "$expression" "$work/kernels/$file"
  if [[ -n "$expression" ]] && cmp -s "$work/kernels/$file" "$root/src/ops/cuda/$file"; then
    printf '| %s | the change no longer applies |\n' "$name"
    survivors=$((survivors + 1))
    continue
  fi
  $compile -x c++ -c "$work/kernels/linear_attention_float32.cu" -o "$work/float32.o"
  $compile -x c++ -c "$work/kernels/epilogue.cu" -o "$work/epilogue.o"
  $compile -c "$work/kernels/split_plan.cpp" -o "$work/split_plan.o"
  $compile "$work"/*.o -lgtest -lgtest_main -lpthread -o "$work/tests"
  status=0
  timeout 300 "$work/tests" --gtest_filter='-*float16*' >"$work/$name.log" 2>&1 || status=$?
  caught=$(grep -c '^\[  FAILED  \] .*(' "$work/$name.log" || true)
  if [[ "$name" == none ]]; then
    [[ $status -eq 0 ]] || { echo "the tests fail without a bug: $work/$name.log" >&2 && exit 1; }
    continue
  fi
  printf '| %s | %s tests |\n' "$name" "$caught"
  [[ $status -ne 0 ]] || survivors=$((survivors + 1))
done
[[ $survivors -eq 0 ]] || { echo "$survivors bugs survive" >&2 && exit 1; }
