#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests.
#
#   scripts/test.sh         those labelled quick, golden, python, e2e
#   scripts/test.sh --all   also slow, crash, multi, fuzz, and the quick ones under sanitizers
#
# Ends with ctest's closing lines, before them the reason of every skipped test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

labels='^(quick|golden|python|e2e)$'
sanitizers=()
for argument in "$@"; do
  case "$argument" in
    --all)
      labels='^(quick|golden|python|e2e|slow|crash|multi|fuzz)$'
      sanitizers=(asan tsan)
      ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      printf "test: error: unknown argument '%s' (known: --all --help)\n" "$argument" >&2
      exit 2
      ;;
  esac
done

# Lines "name: reason" of what GoogleTest, pytest and plain programs ("skipped: reason") skipped.
skip_reasons() {
  awk '
    /^\[ RUN      \]/ { reason = ""; reading = 0; next }
    /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { print "  " $4 ": " reason; reading = 0; next }
    /: Skipped$/ { reading = 1; next }
    /^SKIPPED \[|^skipped: / { print "  " $0; next }
    reading && NF { reason = reason (reason == "" ? "" : " ") $0 }' "$1"
}

# run_tests PRESET LABELS: ctest, with the reasons put before its closing lines.
run_tests() {
  local folder="build/$1" closing reasons status
  closing=$(mktemp)
  set +e
  ctest --test-dir "$folder" -L "$2" --output-on-failure --no-tests=error -j 2 2>&1 |
    awk -v closing="$closing" '
      /^[0-9]+% tests passed/ { ended = 1 }
      ended { print > closing; next }
      { print; fflush() }'
  status=${PIPESTATUS[0]}
  set -e
  reasons=$(skip_reasons "$folder/Testing/Temporary/LastTest.log" || true)
  if [[ -n "$reasons" ]]; then
    printf 'Skipped inside the tests above: %d\n%s\n' "$(wc -l <<<"$reasons")" "$reasons"
  fi
  cat "$closing"
  rm -f "$closing"
  return "$status"
}

scripts/setup.sh --full
failed=()
# The thread sanitizer sees neither LibTorch's own synchronisation nor OpenMP's: the one is ignored,
# the other kept to one thread.
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
for preset in "${sanitizers[@]}"; do
  scripts/build.sh "$preset"
  OMP_NUM_THREADS=1 run_tests "$preset" '^quick$' || failed+=("$preset")
done
scripts/build.sh release
if ((${#failed[@]})); then
  printf 'test: error: tests failed under: %s (see above)\n' "${failed[*]}" >&2
fi
run_tests release "$labels"
((${#failed[@]} == 0))
