"""Makes segmentation_expectations.tsv with cv2 and numpy: resizing, and photometric distortion as
mmsegmentation describes it, of keyed noise. The way back from 8-bit HSV differs by one between
versions of OpenCV: those rows hold the values, the others digests.

Usage: python make_segmentation_expectations.py        (needs numpy and cv2; writes beside itself)
"""
import hashlib
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).parent


def noise(width, height, channels=3):
    """The noise of make_resize_expectations.py, top bytes of mixed multiples of a constant."""
    i = np.arange(width * height * channels, dtype=np.uint64) + np.uint64(1)
    z = i * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return (z >> np.uint64(56)).astype(np.uint8).reshape(height, width, channels)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resize_rows():
    sizes = [(50, 37, 68, 51), (64, 48, 32, 24), (97, 123, 41, 52), (31, 33, 31, 33),
             (20, 20, 33, 33), (1, 1, 7, 5), (333, 250, 500, 375), (200, 150, 123, 92)]
    for name, kind in (("linear", cv2.INTER_LINEAR), ("nearest", cv2.INTER_NEAREST)):
        for width, height, to_width, to_height in sizes:
            out = cv2.resize(noise(width, height), (to_width, to_height), interpolation=kind)
            yield [name, width, height, to_width, to_height, digest(out)]


def converted(values, factor=1.0, offset=0.0):
    values = values.astype(np.float32) * np.float32(factor) + np.float32(offset)
    return np.clip(values, 0, 255).astype(np.uint8)


def distorted(image, brightness, contrast, first, saturation, hue):
    if brightness is not None:
        image = converted(image, offset=brightness)
    if contrast is not None and first:
        image = converted(image, contrast)
    if saturation is not None:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[:, :, 1] = converted(hsv[:, :, 1], saturation)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if hue is not None:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[:, :, 0] = (hsv[:, :, 0].astype(int) + hue) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if contrast is not None and not first:
        image = converted(image, contrast)
    return image


def photometric_rows():
    for change in [(None, None, 0, None, None), (17.3, None, 0, None, None),
                   (-31.9, 1.37, 0, None, None), (None, 0.53, 1, 1.49, None),
                   (None, 1.49, 1, 1.21, None), (None, 1.49, 0, 1.21, None),
                   (None, None, 0, 0.5, 17), (None, None, 0, None, -18), (5.5, 0.9, 0, 1.3, -7)]:
        shown = ["-" if value is None else value for value in change]
        yield ["photometric", *shown, distorted(noise(23, 17), *change).tobytes().hex()]


def main():
    rows = ["\t".join(map(str, row)) for row in [*resize_rows(), *photometric_rows()]]
    (HERE / "segmentation_expectations.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
