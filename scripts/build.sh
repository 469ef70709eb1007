#!/usr/bin/env bash
# Configures and builds one preset of CMakePresets.json into build/PRESET.
#
#   scripts/build.sh PRESET [TARGET...]
#
# Prints a line now and then; everything stands in build/PRESET/build.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'build: error: %s\n' "$*" >&2
  exit 1
}

# One compiler process may take 1.5 GB (the torch headers): as many as there are cores and memory for.
job_count() {
  local cores by_memory
  cores=$(nproc)
  by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  if ((by_memory < 1)); then
    echo 1
  elif ((by_memory < cores)); then
    echo "$by_memory"
  else
    echo "$cores"
  fi
}

# Passes on what matters of ninja's lines: a line every 20 steps, and whatever fails.
tersely() {
  awk '
    /^ninja: no work to do/ { print "build: up to date"; next }
    match($0, /^\[[0-9]+\/[0-9]+\]/) {
      split(substr($0, 2, RLENGTH - 2), step, "/")
      if (step[1] % 20 == 0 || step[1] == step[2]) { print "build: " step[1] " of " step[2] }
      next
    }
    /^FAILED:|error:|ninja: / { print }
    { fflush() }'
}

(($#)) || fail "which preset? (release, dev, asan, tsan, cuda)"
preset=$1
shift
folder="build/$preset"
log="$folder/build.log"
mkdir -p "$folder"
# A clone that was moved leaves a build folder that CMake refuses.
if [[ -e "$folder/CMakeCache.txt" ]] &&
  ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$folder/CMakeCache.txt"; then
  printf 'build: %s was made for another place: starting it anew\n' "$folder"
  rm -rf "$folder"
  mkdir -p "$folder"
fi
if ! cmake --preset "$preset" >"$log" 2>&1; then
  tail -n 25 "$log" >&2
  fail "cmake --preset $preset failed: see the lines above (all: $log)"
fi
targets=()
(($# == 0)) || targets=(--target "$@")
if ! cmake --build "$folder" --parallel "$(job_count)" "${targets[@]}" 2>&1 | tee -a "$log" | tersely; then
  fail "building $folder failed: see the lines above (all: $log)"
fi
