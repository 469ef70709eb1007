#!/usr/bin/env bash
# Installs what building and running need: Debian packages, and LibTorch 2.11 into .deps/.
#
#   scripts/setup.sh          enough to build, train and run (1.2 GB)
#   scripts/setup.sh --full   also what the Python tests and CUDA need (4.8 GB)
#
# Changes nothing, and needs no network, where all of it is already there. Environment:
#   NALA_TORCH_DIR   use this LibTorch 2.11 (the folder that holds lib/ and include/), download none
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kTorch=2.11.0
readonly kVenv=.deps/venv
readonly kPartial=.deps/venv.partial  # stands while kVenv is being changed
readonly kPackages=(
  # tools
  cmake ninja-build g++ ccache mold pkg-config git python3-venv
  # libraries of the program
  libyaml-cpp-dev libspdlog-dev libcxxopts-dev nlohmann-json3-dev libssl-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libturbojpeg0-dev
  libjpeg62-turbo-dev libspng-dev libarchive-dev libgloo-dev
  libonnx-dev libprotobuf-dev
  # libraries of the tests
  libgtest-dev libgmock-dev
)

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: error: %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# Debian packages ------------------------------------------------------------------------------

missing_packages() {
  local package
  for package in "${kPackages[@]}"; do
    # shellcheck disable=SC2016 # the format is dpkg's
    [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
      echo "$package"
  done
}

apt_get() {
  local as_root=()
  if ((EUID != 0)); then
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

check_can_install() {
  ((EUID == 0)) || command -v sudo >/dev/null ||
    fail "these packages are missing and this is neither root nor a user with sudo;" \
      "as root, run: apt-get install ${missing[*]}"
}

install_packages() {
  if ! command -v apt-get dpkg-query >/dev/null; then
    fail "this script installs Debian or Ubuntu packages and finds no apt-get here;" \
      "install what these stand for by your own means: ${kPackages[*]}"
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  check_can_install
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  mkdir -p .deps
  if ! apt_get update >.deps/apt.log 2>&1 ||
    ! apt_get install -y --no-install-recommends "${missing[@]}" >>.deps/apt.log 2>&1; then
    tail -n 15 .deps/apt.log >&2
    fail "apt-get could not install these packages: see the lines above (all: .deps/apt.log)"
  fi
}

# `nalaformer data demo` takes its pictures from a package, which images without package lists (most
# containers) cannot find. Not fatal: everything else works without.
refresh_package_lists() {
  [[ -d datasets/digits ]] || apt-cache show opencv-doc >/dev/null 2>&1 ||
    { { ((EUID == 0)) || sudo -n true 2>/dev/null; } && apt_get update >/dev/null 2>&1; } || true
}

# version_at_least FOUND WANTED
version_at_least() {
  [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]
}

check_tools() {
  local cmake compiler
  cmake=$(cmake --version | sed -n '1s/[^0-9]*//p')
  version_at_least "$cmake" 3.25 ||
    fail "CMake 3.25 or newer is needed, $(command -v cmake) is $cmake"
  compiler=$("${CXX:-c++}" -dumpfullversion -dumpversion 2>/dev/null || echo 0)
  "${CXX:-c++}" --version 2>/dev/null | grep -q clang || version_at_least "$compiler" 12 ||
    fail "a C++20 compiler is needed (GCC 12 or newer), ${CXX:-c++} is version $compiler"
}

# LibTorch -------------------------------------------------------------------------------------

# Prints MAJOR.MINOR of the LibTorch in a folder, nothing if there is none.
torch_version() {
  local header
  [[ -e "$1/lib/libtorch_cpu.so" ]] || return 0
  for header in torch/headeronly/version.h torch/csrc/api/include/torch/version.h; do
    if grep -qs 'define TORCH_VERSION_MAJOR' "$1/include/$header"; then
      sed -n 's/.*define TORCH_VERSION_M\(AJOR\|INOR\) \([0-9]*\).*/\2/p' "$1/include/$header" |
        paste -sd.
      return
    fi
  done
}

wheel_folder() { compgen -G "$kVenv/lib/python3*/site-packages/torch" | head -n 1 || true; }

check_torch() {
  local found
  found=$(torch_version "$1")
  [[ "$found" == "${kTorch%.*}" ]] ||
    fail "$2: LibTorch ${kTorch%.*} is needed, found ${found:-none (no lib/libtorch_cpu.so with headers)}"
}

# A machine may have another python3 first on PATH, without the wheels we need.
choose_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' \
      2>/dev/null; then
      echo "$python"
      return
    fi
  done
  fail "Python 3.10 to 3.14 with its venv module is needed to fetch LibTorch (Debian: python3-venv)"
}

# check_space GIGABYTES: while the wheels are unpacked their archives are there as well.
check_space() {
  local free
  free=$(df -Pk .deps | awk 'NR == 2 { print int($4 / 1000000) }')
  ((free >= $1)) ||
    fail "$PWD/.deps: $1 GB of free disk space are needed to install LibTorch, $free GB are left"
}

make_venv() {
  local python
  if [[ -e "$kPartial" ]]; then
    say "an earlier installation was broken off: starting it anew"
    rm -rf "$kVenv"
  fi
  touch "$kPartial"
  "$kVenv/bin/python" -m pip --version >/dev/null 2>&1 && return
  python=$(choose_python)
  "$python" -m venv --clear "$kVenv" || fail "$python could not make $kVenv: see the lines above"
}

pip_install() {
  local bar=()
  [[ -t 1 ]] || bar=(--progress-bar off)
  # Archives of hundreds of megabytes: not in /tmp, which may be small.
  mkdir -p .deps/tmp
  TMPDIR="$PWD/.deps/tmp" "$kVenv/bin/python" -m pip install --quiet --no-input \
    --disable-pip-version-check --retries 5 --timeout 60 "${bar[@]}" "$@" ||
    fail "pip could not install $*: see the lines above"
  rm -rf .deps/tmp
}

# The CUDA libraries that libtorch_cpu.so itself links, in the versions its wheel names.
cuda_requirement() {
  "$kVenv/bin/python" - <<'PYTHON'
import importlib.metadata, re
for line in importlib.metadata.requires("torch"):
    match = re.match(r"cuda-toolkit\[.*\]==([0-9.]+)", line)
    if match:
        print(f"cuda-toolkit[cudart,cupti]=={match[1]}")
PYTHON
}

install_base() {
  check_space 3
  say "installing LibTorch $kTorch into .deps (1.2 GB)"
  pip_install --no-deps "torch==$kTorch"
  local cuda
  cuda=$(cuda_requirement)
  [[ -z "$cuda" ]] || pip_install --no-warn-conflicts "$cuda"
}

install_full() {
  check_space 8
  say "installing LibTorch $kTorch with all its parts and the Python test tools into .deps (4.8 GB)"
  pip_install "torch==$kTorch" numpy pillow safetensors pytest onnx onnxruntime
}

# Beside a LibTorch of the user's: the Python test tools, and that LibTorch's Python side if it has one.
install_tools_beside() {
  check_space 1
  say "installing the Python test tools into .deps, beside LibTorch at $NALA_TORCH_DIR"
  pip_install numpy pillow safetensors pytest onnx onnxruntime
  local site
  site=$(compgen -G "$kVenv/lib/python3*/site-packages")
  dirname "$(realpath "$NALA_TORCH_DIR")" >"$site/nala_torch.pth"
  if ! "$kVenv/bin/python" -c 'import torch; torch.__version__' 2>/dev/null; then
    rm "$site/nala_torch.pth"
    say "$NALA_TORCH_DIR cannot be imported by $(choose_python): Python tests that need torch will be skipped"
  fi
}

# ensure_venv KIND: runs install_KIND unless a marker says that it was done.
ensure_venv() {
  local kind=$1 marker="$kVenv/.nala-$1-$kTorch"
  [[ -e "$marker" && ! -e "$kPartial" ]] && return
  make_venv
  "install_$kind"
  touch "$marker"
  rm "$kPartial"
}

install_torch() {
  if [[ -n "${NALA_TORCH_DIR:-}" ]]; then
    check_torch "$NALA_TORCH_DIR" "NALA_TORCH_DIR=$NALA_TORCH_DIR"
    if ((full)); then ensure_venv tools_beside; fi
    say "ready: LibTorch ${kTorch%.*} at $NALA_TORCH_DIR"
    return
  fi
  if ((full)); then
    ensure_venv full
  elif [[ ! -e "$kVenv/.nala-full-$kTorch" || -e "$kPartial" ]]; then
    ensure_venv base
  fi
  check_torch "$(wheel_folder)" "$kVenv (remove it and run scripts/setup.sh again)"
  say "ready: LibTorch ${kTorch%.*} at $(wheel_folder)"
}

full=0
for argument in "$@"; do
  case "$argument" in
    --full) full=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      printf "setup: error: unknown argument '%s' (known: --full --help)\n" "$argument" >&2
      exit 2
      ;;
  esac
done
# What would lead the private Python elsewhere.
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX

mkdir -p .deps 2>/dev/null || fail "cannot make the folder $PWD/.deps: is the clone writable?"
exec 9>.deps/lock
flock -n 9 || {
  say "waiting for another setup of this clone"
  flock 9
}
install_packages
refresh_package_lists
check_tools
install_torch
