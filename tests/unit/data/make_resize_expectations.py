"""Makes resize_expectations.tsv with Pillow: what every resize of keyed noise must give.

Usage: python make_resize_expectations.py        (needs numpy and Pillow; writes beside itself)
"""
import hashlib
import pathlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def noise(width, height):
    """Pixel i is the top byte of i * golden ratio, mixed once; the C++ test has the same formula."""
    i = np.arange(width * height * 3, dtype=np.uint64) + np.uint64(1)
    z = i * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return Image.fromarray((z >> np.uint64(56)).astype(np.uint8).reshape(height, width, 3))


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resize_rows():
    sizes = [(500, 375, 341, 256), (400, 600, 224, 224), (97, 123, 224, 224), (640, 480, 224, 224),
             (64, 64, 32, 32), (333, 500, 256, 384), (224, 300, 224, 224), (300, 224, 224, 224),
             (20, 20, 32, 32), (32, 32, 64, 64), (1, 1, 7, 5), (3, 2, 1, 1), (2, 700, 9, 3),
             (1000, 1, 31, 17), (31, 33, 31, 33)]
    for name, kind in FILTERS.items():
        for width, height, to_width, to_height in sizes:
            image = noise(width, height)
            windows = [(0, 0, width, height)]
            if min(width, height) > 20:
                windows.append((7, 5, width * 2 // 3, height // 2))
            for left, top, w, h in windows:
                part = image.crop((left, top, left + w, top + h))
                out = part.resize((to_width, to_height), kind)
                yield ["resize", name, width, height, left, top, w, h, to_width, to_height,
                       digest(np.asarray(out))]


def eval_rows():
    """Short side to int(256 / 224 * size), centre crop, (x / 255 - mean) / std in float32."""
    for width, height, size in [(50, 37, 32), (37, 50, 32), (500, 333, 224), (75, 56, 96),
                                (300, 700, 256)]:
        image = noise(width, height)
        short = size if size > 224 else int(256 / 224 * size)
        if width <= height:
            resized = image.resize((short, int(short * height / width)), Image.BICUBIC)
        else:
            resized = image.resize((int(short * width / height), short), Image.BICUBIC)
        top = int(round((resized.height - size) / 2.0))
        left = int(round((resized.width - size) / 2.0))
        crop = resized.crop((left, top, left + size, top + size))
        values = np.asarray(crop).astype(np.float32) / np.float32(255)
        yield ["eval", "bicubic", width, height, 0, 0, width, height, size, size,
               digest((values - MEAN) / STD)]


def main():
    rows = ["\t".join(map(str, row)) for row in [*resize_rows(), *eval_rows()]]
    (HERE / "resize_expectations.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
