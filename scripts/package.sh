#!/usr/bin/env bash
# Builds dist/nalaformer-<version>-linux-x86_64.tar.xz: the program, the operator libraries, the
# configurations, and every shared library they need except LibTorch's own and glibc.
#
#   scripts/package.sh            build what is missing, then pack
#   scripts/package.sh --no-build pack build/release as it is
#
# The bundle runs where the same LibTorch is, found through NALA_TORCH_DIR (the folder that holds
# lib/), else through the torch package of the python3 on PATH. At most 60 MiB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kBuild=build/release
readonly kMostBytes=$((60 * 1024 * 1024))
# glibc, which the machine has.
readonly kOfTheMachine='^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl|libnsl|libmvec)\.so\.'

fail() {
  printf 'package: error: %s\n' "$*" >&2
  exit 1
}

# LibTorch's, and CUDA's, which come with it.
readonly kOfLibTorch='^lib(torch|c10|nccl|nv|cu(da|pti|blas|dnn|fft|file|rand|solver|sparse))[A-Za-z0-9_]*\.so'

# Lines "name path" of the shared libraries that files need, LibTorch's and glibc's left out.
libraries_needed() {
  LD_LIBRARY_PATH="$1/lib" ldd "${@:2}" | awk -v own="$1/" -v torch="$torch/" \
    -v machine="$kOfTheMachine" -v libtorch="$kOfLibTorch" '
    $2 == "=>" && $3 == "not" { print "missing " $1 > "/dev/stderr"; exit 1 }
    $2 == "=>" && $1 !~ machine && $1 !~ libtorch && index($3, own) != 1 &&
      index($3, torch) != 1 { print $1, $3 }' | sort -u
}

# Whose the libraries are: a line "name package" each, and the packages' copyright files.
# note_packages LIST FOLDER
note_packages() {
  local name path package
  # Debian knows a file below /usr/lib by either name that it has.
  cut -d' ' -f2 "$1" | xargs realpath | sed 'p;s#^/usr##' >"$1.files"
  # Its status is 1 for the name that it does not know.
  { xargs dpkg -S <"$1.files" 2>/dev/null || true; } |
    sed 's#: .*/# #;s#:[a-z0-9]* # #' | sort -u >"$1.owners"
  while read -r name path; do
    package=$(awk -v file="$(basename "$(realpath "$path")")" '$2 == file { print $1; exit }' "$1.owners")
    [[ -n "$package" ]] || fail "$path: of no Debian package; its licence is not known"
    printf '%s %s\n' "$name" "$package"
    cp -Ln "/usr/share/doc/$package/copyright" "$2/$package" 2>/dev/null || true
  done <"$1" | sort -u
}

build=1
for argument in "$@"; do
  case "$argument" in
    --no-build) build=0 ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      printf "package: error: unknown argument '%s' (known: --no-build --help)\n" "$argument" >&2
      exit 2
      ;;
  esac
done
if ((build)); then
  scripts/setup.sh
  scripts/build.sh release
fi
[[ -x "$kBuild/nalaformer" ]] || fail "$kBuild holds no program: run scripts/package.sh without --no-build"

command -v xz >/dev/null || fail "xz was not found (Debian: xz-utils)"

version=$(sed -n 's/^project(nalaformer VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
torch=$(sed -n 's/^NALA_TORCH_DIR:PATH=//p' "$kBuild/CMakeCache.txt")
name="nalaformer-$version-linux-x86_64"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root="$stage/$name"

cmake --install "$kBuild" --prefix "$root" --component Unspecified --strip >/dev/null
lib="$root/lib"
libraries_needed "$root" "$root/bin/nalaformer" "$lib"/*.so >"$stage/libraries"
mkdir -p "$root/share/doc/nalaformer/licences"
while read -r library path; do
  cp -L "$path" "$lib/$library"
done <"$stage/libraries"
note_packages "$stage/libraries" "$root/share/doc/nalaformer/licences" \
  >"$root/share/doc/nalaformer/LIBRARIES"
# Nothing of this machine stays in the run paths; the program's holds for Debian's libraries too.
# shellcheck disable=SC2016 # $ORIGIN is the dynamic linker's
{
  printf 'file(RPATH_SET FILE "%s" NEW_RPATH "$ORIGIN/../lib")\n' "$root/bin/nalaformer"
  printf 'file(RPATH_SET FILE "%s" NEW_RPATH "$ORIGIN")\n' "$lib"/libnala*.so
} >"$stage/run_paths.cmake"
cmake -P "$stage/run_paths.cmake" >/dev/null

mkdir -p dist
archive="dist/$name.tar.xz"
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner -cf - "$name" |
  xz -T0 -9 >"$archive.part"
mv "$archive.part" "$archive"
bytes=$(stat -c %s "$archive")
printf '%s: %d.%d MiB, %d libraries of %d packages beside our own\n' "$archive" \
  $((bytes >> 20)) $(((bytes & 0xfffff) * 10 >> 20)) "$(wc -l <"$stage/libraries")" \
  "$(cut -d' ' -f2 "$root/share/doc/nalaformer/LIBRARIES" | sort -u | wc -l)"
((bytes <= kMostBytes)) || fail "$archive is larger than 60 MiB"
