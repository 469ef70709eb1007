#!/usr/bin/env bash
# From a fresh clone to a trained model: installs what is missing, builds build/release, trains a
# small NaLaFormer on 5 000 handwritten digits, evaluates it and predicts a few pictures.
#
#   scripts/quickstart.sh
#
# Run again, it goes on where it stopped, or shows the results again if it was done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kProgram=build/release/nalaformer
readonly kConfig=configs/demo/digits.yaml
readonly kData=datasets/digits
readonly kRun=runs/digits

if (($#)); then
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  [[ "$1" == -h || "$1" == --help ]] && exit 0 || exit 2
fi

step() { printf '\n== %s\n' "$*"; }

# run WHAT COMMAND...: says what failed; the command itself says why.
run() {
  local what=$1 status=0
  shift
  "$@" || status=$?
  if ((status)); then
    printf 'quickstart: error: %s failed (status %d): %s\n' "$what" "$status" "$*" >&2
    exit "$status"
  fi
}

# One picture of every other class.
some_pictures() {
  local class
  for class in 0 2 4 6 8; do
    find "$kData/val/$class" -type f | LC_ALL=C sort | head -n 1
  done
}

print_predictions() {
  /usr/bin/python3 - "$1" <<'PYTHON'
import json, sys
for item in json.load(open(sys.argv[1]))["predictions"]:
    best = item["top"][0]
    print(f'  {item["path"]}: {best["label"]} ({100 * best["probability"]:.1f} %)')
PYTHON
}

print_accuracy() {
  /usr/bin/python3 - "$1" <<'PYTHON'
import json, sys
for weights, result in json.load(open(sys.argv[1]))["metrics"].items():
    print(f'  {weights:4}  {result["top1"]:6.2f} % top-1 on {result["images"]} pictures never trained on')
PYTHON
}

started=$SECONDS
step 'Installing what is missing'
run 'the installation' scripts/setup.sh

step 'Building'
run 'the build' scripts/build.sh release nalaformer

step 'Preparing the demo data'
run 'preparing the demo data' "$kProgram" data demo

step "Training ($kConfig)"
run 'training' "$kProgram" train "$kConfig" --output "$kRun"

step 'Evaluating the trained weights and their average'
run 'the evaluation' "$kProgram" eval --checkpoint "$kRun" --weights both --json "$kRun/eval.json"

step 'Predicting a few pictures'
mapfile -t pictures < <(some_pictures)
run 'the prediction' "$kProgram" predict "${pictures[@]}" --checkpoint "$kRun" \
  --output "$kRun/predictions" --json "$kRun/predictions.json"

step "Done in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
echo 'Accuracy (raw: the trained weights, ema: their moving average)'
print_accuracy "$kRun/eval.json"
echo 'Predictions'
print_predictions "$kRun/predictions.json"
cat <<SUMMARY
Where things are
  report       $PWD/$kRun/report.html (open it in a browser)
  checkpoints  $kRun/checkpoints (best, latest)
  program      $kProgram (--help lists its commands)
What to try next
  your pictures, one folder per class in DATA/train and DATA/val:
    $kProgram train $kConfig data.name=image_folder data.root=DATA --output runs/mine
  the model's layers and cost:   $kProgram info --checkpoint $kRun
  every key of a configuration:  $kProgram config help
SUMMARY
