#!/usr/bin/env bash
# Runs the bundle of scripts/package.sh on a root that holds glibc and LibTorch and nothing else: no
# shell, no Python, no OpenCV, yaml-cpp or spdlog.
#
#   scripts/check_bundle.sh [BUNDLE]     default: the one in dist/
#
# doctor, predict with the digits network, and one epoch of training on the demo digits. Needs root,
# or a kernel that lets users have namespaces of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'check_bundle: error: %s\n' "$*" >&2
  exit 1
}

# chroot_program ROOT ARGUMENT...
chroot_program() {
  env -i NALA_TORCH_DIR=/site/torch OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" \
    "$(command -v chroot)" "$1" /nalaformer/bin/nalaformer "${@:2}"
}

# Inside the namespace: the root, then the program's commands.
run_inside() {
  local root=$1 torch=$2 site
  site=$(dirname "$torch")
  mkdir -p "$root"/{tmp,proc,dev,data,site/torch}
  mount --rbind /proc "$root/proc"
  touch "$root/dev/null" && mount --bind /dev/null "$root/dev/null"
  mount --bind "$torch" "$root/site/torch"
  if [[ -d "$site/nvidia" ]]; then
    mkdir "$root/site/nvidia" && mount --bind "$site/nvidia" "$root/site/nvidia"
  fi
  mount --bind datasets "$root/data"
  printf '\n== doctor\n'
  chroot_program "$root" doctor | tee "$root/doctor"
  if grep -q unavailable "$root/doctor"; then
    fail "a library is missing in the bundle: see the lines above"
  fi
  printf '\n== predict\n'
  chroot_program "$root" predict /data/digits/val/7 --checkpoint /digits.safetensors --top 1 \
    --json /tmp/predict.json | tail -n 3
  printf '\n== train\n'
  chroot_program "$root" train /nalaformer/share/nalaformer/configs/demo/digits.yaml \
    data.root=/data/digits train.epochs=1 --output /tmp/run --quiet
  chroot_program "$root" eval --checkpoint /tmp/run --quiet data.root=/data/digits
  printf '\n== without LibTorch\n'
  if env -i "$(command -v chroot)" "$root" /nalaformer/bin/nalaformer doctor; then
    fail "doctor found a LibTorch that is not there"
  fi
}

if [[ "${1:-}" == --inside ]]; then
  run_inside "$2" "$3"
  exit
fi

bundle=${1:-$(compgen -G 'dist/nalaformer-*-linux-x86_64.tar.xz' | tail -n 1)} || true
[[ -f "$bundle" ]] || fail "no bundle: run scripts/package.sh"
[[ -d datasets/digits ]] || fail "no demo data: run build/release/nalaformer data demo"
torch=${NALA_TORCH_DIR:-$(compgen -G "$PWD/.deps/venv/lib/python3*/site-packages/torch" | head -n 1)}
[[ -d "$torch" ]] || fail "no LibTorch: run scripts/setup.sh"
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
mkdir "$root/nalaformer"
tar -C "$root/nalaformer" --strip-components=1 -xJf "$bundle"
cp models/digits.safetensors "$root/"
# glibc alone, where the dynamic linker looks.
dpkg -L libc6 | grep -E '/lib/x86_64-linux-gnu/[^/]*\.so|/ld-linux' | while read -r file; do
  mkdir -p "$root$(dirname "$file")"
  cp -L "$file" "$root$file"
done
mkdir -p "$root/lib64"
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
namespace=(unshare --mount --propagation private)
((EUID == 0)) || namespace+=(--map-root-user)
"${namespace[@]}" "${BASH_SOURCE[0]}" --inside "$root" "$(realpath "$torch")"
printf '\ncheck_bundle: %s runs\n' "$bundle"
