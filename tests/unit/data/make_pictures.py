"""Makes pictures/ and decode_expectations.tsv: small pictures of every kind, and Pillow's pixels.

Usage: python make_pictures.py [SHARED]          (needs numpy and Pillow; writes beside itself)

With SHARED, a folder that holds data/cls, shared_expectations.tsv is made too, of real pictures.
"""
import hashlib
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 37, 29


def gradient():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), (x * y * 7) % 256], axis=-1)
    return rgb.astype(np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed_rows(samples, depth):
    """samples (H, W, C) -> PNG scan lines, filter 0."""
    lines = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            body = flat.astype(">u2").tobytes()
        elif depth == 8:
            body = flat.astype(np.uint8).tobytes()
        else:
            bits = np.unpackbits(flat.astype(np.uint8)[:, None], axis=1)[:, -depth:]
            body = np.packbits(bits.reshape(-1)).tobytes()
        lines += b"\0" + body
    return lines


def png(samples, depth, colour, before_data=(), interlaced=False):
    """A PNG of any kind, of which Pillow writes only some."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    if interlaced:
        adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                 (0, 1, 1, 2)]
        data = b"".join(packed_rows(samples[y::dy, x::dx], depth) for x, y, dx, dy in adam7)
    else:
        data = packed_rows(samples, depth)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(before_data) +
            chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def png_files():
    rgb = gradient()
    grey = rgb[:, :, 2:]
    alpha = 255 - rgb[:, :, :1]
    palette = chunk(b"PLTE", bytes((i * 37 + c * 91) % 256 for i in range(16) for c in range(3)))
    yield "grey1.png", png(grey >> 7, 1, 0)
    yield "grey2.png", png(grey >> 6, 2, 0)
    yield "grey4.png", png(grey >> 4, 4, 0)
    yield "grey8.png", png(grey, 8, 0)
    yield "grey16.png", png(grey.astype(np.uint16) * 211 + 97, 16, 0)
    yield "rgb8.png", png(rgb, 8, 2)
    yield "rgb16.png", png(rgb.astype(np.uint16) * 211 + 97, 16, 2)
    yield "rgb8_transparent.png", png(rgb, 8, 2, [chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0))])
    yield "palette4.png", png(grey >> 4, 4, 3, [palette])
    yield "palette4_transparent.png", png(grey >> 4, 4, 3, [palette, chunk(b"tRNS", bytes(16))])
    two = chunk(b"PLTE", bytes([200, 10, 30, 5, 90, 250]))
    yield "palette1.png", png(grey >> 7, 1, 3, [two])
    yield "grey_alpha8.png", png(np.concatenate([grey, alpha], 2), 8, 4)
    yield "rgba8.png", png(np.concatenate([rgb, alpha], 2), 8, 6)
    yield "rgba16.png", png(np.concatenate([rgb, alpha], 2).astype(np.uint16) * 257, 16, 6)
    yield "rgb8_interlaced.png", png(rgb, 8, 2, interlaced=True)
    yield "rgb8_gamma.png", png(rgb, 8, 2, [chunk(b"gAMA", struct.pack(">I", 100000))])


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg_files():
    image = Image.fromarray(gradient())
    plain = saved(image, "JPEG", quality=85)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by a quarter
    yield "rgb420.jpg", plain
    yield "rgb422.jpg", saved(image, "JPEG", quality=85, subsampling=1)
    yield "rgb444.jpg", saved(image, "JPEG", quality=85, subsampling=0)
    yield "progressive.jpg", saved(image, "JPEG", quality=85, progressive=True)
    yield "grey.jpg", saved(image.convert("L"), "JPEG", quality=85)
    yield "cmyk.jpg", saved(image.convert("CMYK"), "JPEG", quality=95)
    yield "turned.jpg", saved(image, "JPEG", quality=85, exif=exif)
    yield "restarts.jpg", saved(image, "JPEG", quality=85, restart_marker_blocks=2)
    yield "kept_rgb.jpg", saved(image, "JPEG", quality=85, keep_rgb=True)
    yield "stray_bytes.jpg", plain[:-2] + b"\x12\x34\x56" + plain[-2:]
    yield "bytes_after_end.jpg", plain + b"more"


def other_files():
    image = Image.fromarray(gradient())
    yield "rgb.bmp", saved(image, "BMP")
    yield "rgb.tiff", saved(image, "TIFF")
    yield "deflate.tiff", saved(image, "TIFF", compression="tiff_adobe_deflate")
    yield "rgb.ppm", saved(image, "PPM")
    yield "grey.pgm", saved(image.convert("L"), "PPM")
    yield "lossless.webp", saved(image, "WEBP", lossless=True)


def expectation(name, data):
    image = Image.open(io.BytesIO(data))
    pixels = np.asarray(image.convert("RGB"))
    if name == "grey16.png":  # Pillow clips at 255; here the high byte is the grey
        pixels = np.repeat((np.asarray(image) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    return "\t".join([name, str(image.width), str(image.height),
                      hashlib.sha256(pixels.tobytes()).hexdigest()])


def shared_names(shared):
    """A few real JPEGs of each encoding."""
    chosen = []
    for pattern, count in [("data/cls/imagenet_sample/val/*/*", 135), ("data/cls/cifar10/val/*/*", 20),
                           ("data/cls/clothing10/val/*/*", 10)]:
        files = sorted(shared.glob(pattern))
        chosen += files[:: max(1, len(files) // count)][:count]
    return chosen


def main():
    rows = []
    for name, data in [*png_files(), *jpeg_files(), *other_files()]:
        (HERE / "pictures" / name).write_bytes(data)
        rows.append(expectation(name, data))
    (HERE / "decode_expectations.tsv").write_text("\n".join(rows) + "\n")
    if len(sys.argv) > 1:
        shared = pathlib.Path(sys.argv[1])
        rows = [expectation(str(f.relative_to(shared)), f.read_bytes()) for f in shared_names(shared)]
        (HERE / "shared_expectations.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
