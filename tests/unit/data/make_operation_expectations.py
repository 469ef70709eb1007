"""Makes operation_expectations.tsv: what timm and torchvision on Pillow give for generated pictures.

Usage: python make_operation_expectations.py     (Pillow 13, numpy, timm 1.0.31, torchvision)

Rows: `pixels  operation  picture  width  height  argument  interpolation  start of the sha256`,
`level  name  magnitude  argument with the one sign  with the other`, and
`jitter  adjustment  picture  width  height  factor  -  start of the sha256`.
"""
import pathlib
import random

import numpy as np
import timm.data.auto_augment as aa
from PIL import Image
from torchvision.transforms import functional as tv

import make_resize_expectations
from make_resize_expectations import noise

HERE = pathlib.Path(__file__).parent
FILL = (124, 116, 104)
RESAMPLING = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
SIZES = [(37, 29), (64, 64), (3, 5), (2, 9), (1, 1), (224, 224)]
# Our operation, timm's function, arguments.
OPERATIONS = [
    ("auto_contrast", aa.auto_contrast, [None]),
    ("equalize", aa.equalize, [None]),
    ("invert", aa.invert, [None]),
    ("posterize", aa.posterize, [1, 2, 3, 4, 7, 8]),
    ("solarize", aa.solarize, [0, 1, 26, 128, 255, 256]),
    ("solarize_add", aa.solarize_add, [0, 11, 99, 110, 128]),
    ("color", aa.color, [0.0, 0.1, 0.19, 0.37, 0.9991, 1.0, 1.63, 1.81, 1.9]),
    ("contrast", aa.contrast, [0.0, 0.1, 0.19, 0.37, 0.9991, 1.0, 1.63, 1.81, 1.9]),
    ("brightness", aa.brightness, [0.0, 0.1, 0.19, 0.37, 0.9991, 1.0, 1.63, 1.81, 1.9]),
    ("sharpness", aa.sharpness, [0.0, 0.1, 0.19, 0.37, 0.9991, 1.0, 1.63, 1.81, 1.9]),
    ("gaussian_blur", aa.gaussian_blur, [0.0, 0.1, 0.33, 0.77, 1.0, 1.41, 1.99, 2.0, 5.3]),
]
GEOMETRIC = [
    ("rotate", aa.rotate, [0.0, 27.0, -27.0, 13.731, -3.1, 30.0]),
    ("shear_x", aa.shear_x, [0.27, -0.27, 0.3, 0.0113]),
    ("shear_y", aa.shear_y, [0.27, -0.27, 0.3, 0.0113]),
    ("translate_x", aa.translate_x_rel, [0.405, -0.405, 0.0117, 0.0]),
    ("translate_y", aa.translate_y_rel, [0.405, -0.405, 0.0117, 0.0]),
]
LEVELS = [name for name in aa.LEVEL_TO_ARG
          if aa.LEVEL_TO_ARG[name] and name not in ("PosterizeOriginal", "TranslateX", "TranslateY")]


def digest(array):
    """The first 64 bits are enough to tell pictures apart, and keep the table short."""
    return make_resize_expectations.digest(array)[:16]


def picture(kind, width, height):
    """Noise; noise squeezed into 60 ... 145; or one colour. The C++ test has the same formulas."""
    values = np.asarray(noise(width, height))
    if kind == "faded":
        values = (60 + values // 3).astype(np.uint8)
    if kind == "flat":
        values = np.full_like(values, (201, 77, 9))
    return Image.fromarray(values)


def pictures():
    for kind in ("noise", "faded", "flat"):
        for width, height in SIZES:
            yield kind, width, height, picture(kind, width, height)


def pixel_rows():
    for kind, width, height, image in pictures():
        for name, function, arguments in OPERATIONS:
            for argument in arguments:
                out = function(image) if argument is None else function(image, argument)
                yield ["pixels", name, kind, width, height, argument or 0, "-",
                       digest(np.asarray(out))]
        for name, function, arguments in GEOMETRIC:
            for argument in arguments:
                for filter_name, resample in RESAMPLING.items():
                    out = function(image, argument, fillcolor=FILL, resample=resample)
                    yield ["pixels", name, kind, width, height, argument, filter_name,
                           digest(np.asarray(out))]


def jitter_rows():
    adjustments = {"brightness": tv.adjust_brightness, "contrast": tv.adjust_contrast,
                   "color": tv.adjust_saturation, "hue": tv.adjust_hue}
    for kind, width, height, image in pictures():
        for name, function in adjustments.items():
            for factor in [-0.5, -0.1, 0.013, 0.25, 0.5] if name == "hue" else [0.6, 0.93, 1.4]:
                yield ["jitter", name, kind, width, height, factor, "-",
                       digest(np.asarray(function(image, factor)))]


def level_rows():
    for name in LEVELS:
        for magnitude in [0, 0.5, 3.7, 5, 8.1, 9, 9.37, 10]:
            arguments = []
            for draw in (0.0, 1.0):
                random.random = lambda draw=draw: draw
                arguments.append(aa.LEVEL_TO_ARG[name](magnitude, {})[0])
            if name != "GaussianBlurRand":  # which draws its radius inside
                yield ["level", name, magnitude, *map(repr, map(float, arguments))]


def main():
    rows = ["\t".join(map(str, row)) for row in [*pixel_rows(), *jitter_rows(), *level_rows()]]
    (HERE / "operation_expectations.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
