"""Loader speed against timm's transforms on Pillow, one thread each, in interleaved rounds.

Usage: python loader_against_timm.py PROGRAM CONFIG PICTURES [ROUNDS]     (Pillow, torch, timm)

PROGRAM is the built nalaformer; CONFIG a recipe (configs/imagenet/nalaformer_xt.yaml); PICTURES a
data.root whose `val` folder is loaded for both splits. Prints pictures per second, their medians
and ratios.
"""
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval, transforms_imagenet_train

SECONDS = 3.0


def pictures(root):
    suffixes = {".jpg", ".jpeg", ".png"}
    return sorted(p for p in (root / "val").rglob("*") if p.suffix.lower() in suffixes)


def timm_speed(transform, files):
    """Pictures per second of opening, decoding and transforming in this thread."""
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        with Image.open(files[count % len(files)]) as image, contextlib.suppress(ValueError):
            # Newer Pillow refuses the posterising to 0 bits that timm asks for now and then; such a
            # picture counts as done.
            transform(image.convert("RGB"))
        count += 1
    return count / (time.perf_counter() - begin)


def our_speeds(program, config, root):
    """Pictures per second by (split, fast_decode)."""
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        subprocess.run(
            [program, "bench", "loader", config, f"data.root={root}", "data.train=val",
             "data.batch_size=32", "data.mix_group=32", "data.augment.repeats=1", "--workers", "1",
             "--rounds", "1", "--seconds", str(SECONDS), "--json", result, "--quiet"],
            check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(result.read_text())["rows"]
    return {(row["split"], row["fast_decode"]): row["images_per_second"] for row in rows}


def main():
    program, config, root = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    torch.set_num_threads(1)
    files = pictures(root)
    transforms = {
        "train": transforms_imagenet_train(
            224, auto_augment="rand-m9-mstd0.5-inc1", interpolation="bicubic", re_prob=0.25,
            re_mode="pixel", re_count=1),
        "val": transforms_imagenet_eval(224, crop_pct=0.875, interpolation="bicubic"),
    }
    speeds = {}
    for _ in range(rounds):
        for split, transform in transforms.items():
            speeds.setdefault((split, "timm"), []).append(timm_speed(transform, files))
        for (split, fast), speed in our_speeds(program, config, root).items():
            speeds.setdefault((split, "fast_decode" if fast else "exact"), []).append(speed)
    medians = {key: statistics.median(values) for key, values in speeds.items()}
    for (split, name), median in medians.items():
        print(f"{split:5}  {name:11}  {median:8.1f} pictures/s  "
              f"{median / medians[split, 'timm']:.2f} x timm")


if __name__ == "__main__":
    main()
