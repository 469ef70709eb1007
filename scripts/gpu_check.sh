#!/usr/bin/env bash
# On a machine with a GPU: builds the operator libraries alone, runs their GPU tests and benchmarks.
# Needs the torch 2.11 wheel, nvcc, cmake, ninja and pytest, nothing else.
#
#   scripts/gpu_check.sh     writes bench/results/<date>_<gpu>.md
#
# PYTHON names the interpreter that has torch and pytest (default python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'gpu_check: error: %s\n' "$1" >&2
  exit 1
}

[[ $# -eq 0 ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }
python="${PYTHON:-python3}"
export PATH="$PATH:/usr/local/cuda/bin"
for program in "$python" nvidia-smi nvcc cmake ninja; do
  command -v "$program" >/dev/null || fail "$program: not found on PATH"
done
"$python" -c 'import torch, pytest' || fail "$python: needs the packages torch and pytest"
"$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null ||
  fail "torch sees no GPU; is the driver there, and is torch a CUDA build?"

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
torch=$("$python" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent)')
build=build/gpu_check
cmake -S . -B "$build" -G Ninja -DNALA_OPERATORS_ONLY=ON -DNALA_WITH_CUDA=ON \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="$architecture" -DNALA_TORCH_DIR="$torch"
cmake --build "$build"

export NALA_OPS_LIBRARY="$PWD/$build/libnala_ops.so"
export NALA_CUDA_LIBRARY="$PWD/$build/libnala_cuda.so"
tests=$(mktemp)
trap 'rm -f "$tests"' EXIT
"$python" -m pytest -q -rs -p no:cacheprovider tests/python/test_cuda_ops.py | tee "$tests"
grep -q ' passed' "$tests" || fail "no GPU test ran"

mkdir -p bench/results
result="bench/results/$(date +%F)_$(tr -c 'A-Za-z0-9\n' '-' <<<"$gpu").md"
"$python" bench/python/cuda_attention.py "$result"
printf '\nGPU tests: %s\n' "$(tail -1 "$tests")" >>"$result"
echo "wrote $result"
