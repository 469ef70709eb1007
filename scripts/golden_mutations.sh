#!/usr/bin/env bash
# Shows that the golden tests are sharp: changes one constant of the model at a time in a scratch copy of
# the sources, rebuilds, and expects nala_golden to fail. Prints a table; status 1 if a change survives.
#
# usage: scripts/golden_mutations.sh [name ...]     only the named changes, e.g. tau rope_halves
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$root/build/mutations"
copy="$work/source"
jobs="${NALA_JOBS:-2}"

# name | file | sed expression
mutations=(
  'lambda|src/ops/reference.cpp|s/k.abs().pow(lambd)/k.abs().pow(lambd + 0.001)/'
  'lambda_of_query|src/ops/reference.cpp|s/= problem.lambd \* (problem.tau/= 1.001 * problem.lambd * (problem.tau/'
  'lambda_of_model|src/models/attention.cpp|s/options.config.lambd,/options.config.lambd + 0.001,/'
  'tau|src/ops/reference.cpp|s/(problem.tau + /(problem.tau + 0.001 + /'
  'tau_of_model|src/models/attention.cpp|s/options.config.tau,/options.config.tau + 0.001,/'
  'eps|src/ops/reference.cpp|s/+ problem.eps/+ 1.1 * problem.eps/'
  'alpha|src/ops/reference.cpp|s/alpha \* direction/1.001 * alpha * direction/'
  'quarter_pi|src/ops/reference.cpp|s/pi \/ 4/pi \/ 4.01/'
  'exponent_ignores_norm|src/ops/reference.cpp|s/if (!problem.norm_aware)/if (problem.norm_aware)/'
  'normaliser_is_sum|src/ops/reference.cpp|s/phi_k\[half\].mean(2, true)/phi_k[half].sum(2, true)/'
  'normaliser_rotated|src/ops/reference.cpp|s/at::matmul(phi_q\[half\], mean/at::matmul(rotated(phi_q[half]), mean/'
  'sum_not_divided|src/ops/reference.cpp|s|const double scale = 1.0 /|const double scale = 1.0 + 0.0 *|'
  'queries_not_rotated|src/ops/reference.cpp|s/at::matmul(rotated(phi_q\[half\]), state)/at::matmul(phi_q[half], state)/'
  'zero_query_rule|src/ops/reference.cpp|s/zero.logical_or(measured.isinf())/measured.isnan()/'
  'rope_halves|src/ops/rope.cpp|s/{-1, 2}/{2, -1}/;s/flip(-1)/flip(-2)/;s/by_pair.select(-1, /by_pair.select(-2, /g;s/}, -1).flatten/}, -2).flatten/'
  'rope_direction|src/ops/rope.cpp|s/select(-1, 0).neg(), by_pair.select(-1, 1)/select(-1, 0), by_pair.select(-1, 1).neg()/'
  'rope_rows_and_columns|src/ops/rope.cpp|s/by_row.unsqueeze(1)/by_column.unsqueeze(0)/;t;s/by_column.unsqueeze(0)/by_row.unsqueeze(1)/'
  'rope_base|src/ops/rope.cpp|s/10000/10001/'
  'softmax_scale|src/ops/softmax_attention.cpp|s/const at::Tensor y =/const at::Tensor y = 1.001 */'
  'softmax_temperature|src/ops/softmax_attention.cpp|s/(rotate(widened(q)/(1.001 * rotate(widened(q)/'
  'q_and_k_swapped|src/models/attention.cpp|s/attend(parts\[0\], parts\[1\]/attend(parts[1], parts[0]/'
  'v_and_g_swapped|src/models/attention.cpp|s/parts\[2\]/parts[9]/g;s/parts\[3\]/parts[2]/g;s/parts\[9\]/parts[3]/g'
  'lepe_of_keys|src/models/attention.cpp|s/map_of(parts\[2\]/map_of(parts[1]/'
  'gate_is_sigmoid|src/ops/cpu/epilogue_rows_body.h|s/value \*= g \* sigmoid(g)/value *= sigmoid(g)/'
  'norm_eps_of_attention|src/models/attention.cpp|s/1e-5/2e-5/'
  'norm_eps_of_block|src/models/layers.cpp|s/1e-6/2e-6/'
  'batch_norm_eps|src/models/layers.cpp|s/BatchNorm2d(options.out)/BatchNorm2d(torch::nn::BatchNorm2dOptions(options.out).eps(2e-5))/'
  'batch_norm_momentum|src/models/layers.cpp|s/BatchNorm2d(out_dim)/BatchNorm2d(torch::nn::BatchNorm2dOptions(out_dim).momentum(0.11))/'
  'gelu_of_tanh|src/models/layers.cpp|s/at::gelu(fc1_(tokens))/at::gelu(fc1_(tokens), "tanh")/'
  'ffn_without_skip|src/models/layers.cpp|s/fc2_(u + tokens_of/fc2_(tokens_of/'
  'gammas_swapped|src/models/block.cpp|s/rotation), gamma_1_/rotation), gamma_2_/'
  'drop_path_not_scaled|src/models/drop_path.cpp|s/1 \/ (1 - path.rate)/1/'
  'layer_scale_of_zoo|src/models/zoo.cpp|s/{1, 1, 1e-6, 1e-6}/{1, 1, 1e-6, 1e-5}/'
  'depth_of_zoo|src/models/zoo.cpp|s/{4, 7, 19, 8}/{4, 7, 18, 8}/'
)

prepare() {
  rm -rf "$copy"
  mkdir -p "$copy"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$copy")
  # Times are kept, so that a second run builds little; what an interrupted run had changed is built anew.
  local mutation name file rest
  for mutation in "${mutations[@]}"; do
    IFS='|' read -r name file rest <<<"$mutation"
    touch "$copy/$file"
  done
  local torch
  torch="$(sed -n 's/^NALA_TORCH_DIR:PATH=//p' "$root"/build/*/CMakeCache.txt 2>/dev/null | head -1)"
  cmake --preset release -S "$copy" -B "$work/build" -DNALA_WITH_CUDA=OFF \
    ${torch:+-DNALA_TORCH_DIR="$torch"} >"$work/log" 2>&1
}

build() { cmake --build "$work/build" -j "$jobs" --target nala_golden >"$work/log" 2>&1; }
passes() { "$work/build/nala_golden" >"$work/output" 2>&1; }

report() { printf '%-24s %-10s %s\n' "$1" "$2" "$3"; }

# Applies one change, runs, and puts the file back.
try() {
  local name="$1" file="$copy/$2" expression="$3" verdict
  cp "$file" "$work/kept"
  sed -i "$expression" "$file"
  if cmp -s "$file" "$work/kept"; then
    verdict=unchanged
  elif ! build; then
    verdict=unbuilt
  elif passes; then
    verdict=SURVIVED
  else
    verdict=caught
  fi
  local failed
  failed="$(grep -E '^.*golden_test.cpp:[0-9]+: .*\.(safetensors|json|pth)$' "$work/output" 2>/dev/null |
    sort -u | wc -l)"
  cp "$work/kept" "$file"
  report "$name" "$verdict" "$failed entries fail"
  [ "$verdict" = caught ]
}

mkdir -p "$work"
prepare || { cat "$work/log" >&2; exit 1; }
build || { tail -30 "$work/log" >&2; exit 1; }
passes || { tail -30 "$work/output" >&2; echo "the unchanged code fails" >&2; exit 1; }
report "(unchanged)" passes ""
survived=0
for mutation in "${mutations[@]}"; do
  IFS='|' read -r name file expression <<<"$mutation"
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
    continue
  fi
  : >"$work/output"
  try "$name" "$file" "$expression" || survived=$((survived + 1))
done
[ "$survived" -eq 0 ] || { echo "$survived changes were not caught" >&2; exit 1; }
