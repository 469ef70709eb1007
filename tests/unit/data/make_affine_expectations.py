"""Makes affine_expectations.tsv with Pillow: what affine maps and rotations of keyed noise must give.

Usage: python make_affine_expectations.py        (needs numpy and Pillow; writes beside itself)
"""
import pathlib

import numpy as np
from PIL import Image

from make_resize_expectations import digest, noise

HERE = pathlib.Path(__file__).parent
FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
FILL = (124, 116, 104)
MATRICES = [(1, 0.27, 0, 0, 1, 0), (1, 0, 0, -0.19, 1, 0), (1, 0, 20.72, 0, 1, 0),
            (1, 0, 0, 0, 1, -7.3), (0.71, 0.33, 3.1, -0.4, 1.3, 11.7), (2.5, 0, -30, 0, 0.4, 5),
            (1, 0, 0, 0, 1, 0), (1, 0, 1e9, 0, 1, 0)]
DEGREES = [27.0, -13.7, 3.1, 0.001, 181.5, -359.0, 45.0]
SIZES = [(64, 48), (33, 57), (1, 9), (224, 224)]


def rows():
    for name, kind in FILTERS.items():
        for width, height in SIZES:
            image = noise(width, height)
            for matrix in MATRICES:
                out = image.transform(image.size, Image.AFFINE, matrix, kind, fillcolor=FILL)
                yield [name, width, height, "matrix", *matrix, digest(np.asarray(out))]
            for degrees in DEGREES:
                out = image.rotate(degrees, kind, fillcolor=FILL)
                yield [name, width, height, "rotate", degrees, 0, 0, 0, 0, 0,
                       digest(np.asarray(out))]


def main():
    lines = ["\t".join(map(str, row)) for row in rows()]
    (HERE / "affine_expectations.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
