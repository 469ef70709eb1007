#!/usr/bin/env bash
# Shows that the tests of the CPU kernels notice one wrong constant: plants them one at a time in a
# copy of src/ops, compiles it with tests/unit/ops/cpu_kernels_test.cpp and expects a failure.
# Neither the working tree nor a build folder is touched. Takes about two minutes.
#
#   scripts/ops_mutations.sh
#
# Exit status 0: the unchanged copy passes and every wrong one fails. 77: no AVX-512 here.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
grep -q avx512dq /proc/cpuinfo || { echo "skipped: the processor has no AVX-512"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags=(-std=c++20 -O2 -fno-math-errno -mfma -mf16c -I "$work/src" -I "$root/tests/unit/ops")
g++ -std=c++20 -O2 -I "$root/src" -I "$root/tests/unit/ops" \
  -c "$root/tests/unit/ops/cpu_kernels_test.cpp" -o "$work/test.o"

# Compiles the copy and runs the tests; 0 where they pass.
passes() {
  g++ "${flags[@]}" -mavx512f -mavx512bw -mavx512vl -mavx512dq \
    -c "$work/src/ops/cpu/kernels_avx512.cpp" -o "$work/avx512.o" &
  g++ "${flags[@]}" -mavx2 -c "$work/src/ops/cpu/kernels_avx2.cpp" -o "$work/avx2.o"
  wait $!
  g++ "$work"/{test,avx512,avx2}.o -lgtest_main -lgtest -lpthread -o "$work/test"
  "$work/test" > "$work/log" 2>&1
}

fresh_copy() {
  rm -rf "$work/src"
  mkdir -p "$work/src"
  cp -r "$root/src/ops" "$work/src/ops"
}

fresh_copy
passes || { cat "$work/log"; echo "the unchanged kernels fail"; exit 1; }
echo "unchanged: passes"

# file | what is right | what is planted
wrong=(
  'maps.h|Reg exponent = V::set(setup_.lambd);|Reg exponent = V::set(setup_.lambd * 1.001F);'
  'maps.h|V::set(setup_.tau) + t|V::set(setup_.tau * 1.002F) + t'
  'elementary.h|grown / (grown + V::set(2))|grown / (grown + V::set(2.002F))'
  'elementary.h|9.618007188e-03F|9.718007188e-03F'
  'elementary.h|4.809215288e-01F|4.819215288e-01F'
  'passes.h|V::fmaddsub(x, cos|V::fmsubadd(x, cos'
  'passes.h|setup.eps|(setup.eps * 2)'
  'maps.h|V::set(lambd_) * kept\[0\] * by_sign<V>(x, g.a|V::set(lambd_ * 1.001F) * kept[0] * by_sign<V>(x, g.a'
)
missed=0
for entry in "${wrong[@]}"; do
  IFS='|' read -r file right planted <<< "$entry"
  fresh_copy
  sed -i "s#${right//\*/\\*}#$planted#" "$work/src/ops/cpu/$file"
  if cmp -s "$root/src/ops/cpu/$file" "$work/src/ops/cpu/$file"; then
    echo "not found in $file: $right"
    missed=$((missed + 1))
  elif passes; then
    echo "MISSED  $file: $planted"
    missed=$((missed + 1))
  else
    echo "caught  $file: $planted  ($(grep -c '\[  FAILED  \] .* (' "$work/log" || true) tests fail)"
  fi
done
exit $((missed > 0))
