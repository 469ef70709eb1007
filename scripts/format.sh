#!/usr/bin/env bash
# Formats the C++ and CUDA sources in place with clang-format 14 (Debian: clang-format-14).
#
#   scripts/format.sh           rewrites what differs
#   scripts/format.sh --check   changes nothing; status 1 and the places if something differs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [[ "$("${formatter:-false}" --version 2>/dev/null)" != *"version 14."* ]]; then
  echo 'format: error: clang-format 14 is needed (apt-get install clang-format-14);' \
    'other versions format differently' >&2
  exit 1
fi
case "${1:-}" in
  '') mode=(-i) ;;
  --check) mode=(--dry-run --Werror) ;;
  *)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' '*.cu' '*.cuh' |
  xargs -0 -r "$formatter" "${mode[@]}"
