#!/usr/bin/env bash
# Registers, shared memory and spills of every CUDA kernel, as a table; status 1 if a kernel with a tile
# of at most 64 channels spills.
#
#   scripts/kernel_resources.sh [ARCHITECTURE ...]     default: 90
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:/usr/local/cuda/bin"
command -v nvcc >/dev/null || { echo "skipped: no nvcc" && exit 0; }

folder=src/ops/cuda
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "| sm | file | kernel | registers | stack | spill stores | spill loads | seconds |"
echo "|---|---|---|---|---|---|---|---|"
for architecture in "${@:-90}"; do
  for source in "$folder"/epilogue.cu "$folder"/linear_attention_*.cu; do
    name=$(basename "$source" .cu)
    start=$(date +%s)
    nvcc -std=c++17 -O3 -DNDEBUG -Werror all-warnings -Xptxas -v -arch="sm_$architecture" -I"$folder" \
      -c "$source" -o "$work/object.o" 2>"$work/log" || { cat "$work/log" >&2 && exit 1; }
    seconds=$(($(date +%s) - start))
    c++filt <"$work/log" | awk -v sm="$architecture" -v file="$name" -v seconds="$seconds" '
      /Compiling entry function/ {
        kernel = $0
        sub(/.*entry function .(void )?(nala::cuda::)?/, "", kernel)
        sub(/\(.*/, "", kernel)
        gsub(/nala::cuda::|\(anonymous namespace\)::/, "", kernel)
      }
      /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
      /Used .* registers/ {
        for (i = 1; i <= NF; ++i) if ($i == "Used") registers = $(i + 1)
        printf "| %s | %s | `%s` | %s | %s | %s | %s | %s |\n", sm, file, kernel, registers, stack,
               stores, loads, seconds
      }'
  done
done | tee "$work/table"
awk -F'|' '$7 + $8 > 0 && $4 ~ /, (32|64)>|epilogue|combine/ { bad = 1; print "spills: " $0 > "/dev/stderr" }
           END { exit bad }' "$work/table"
