"""Shards, previews, the loader's benchmark and the event file, through the program."""

import pathlib
import random
import signal
import struct
import subprocess
import time

import pytest
from conftest import PROGRAM, read_json, run, settings


def png(path, colour, side=32):
    """A picture of one colour with a diagonal, written with nothing but the standard library."""
    import zlib

    rows = b"".join(
        b"\0" + b"".join(bytes(255 - c for c in colour) if x == y else bytes(colour)
                         for x in range(side)) for y in range(side))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0,
                                                                      0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.fixture
def pictures(tmp_path):
    for split, count in (("train", 24), ("val", 8)):
        for i in range(count):
            png(tmp_path / "set" / split / "abcd"[i % 4] / f"{i}.png", (40 * (i % 4), 9 * i, 100))
    return tmp_path / "set"


RECIPE = {
    "data__name": "image_folder",
    "data__augment__policy": "rand-m9-mstd0.5-inc1",
    "data__augment__erasing__probability": 0.25,
    "data__augment__repeats": 3,
    "checkpoint__every_steps": 1,
}


def test_preview_is_the_same_batch_every_time(pictures, tmp_path):
    words = settings(**RECIPE, data__root=pictures)
    for name in ("a.png", "b.png"):
        result = run("data", "preview", "--output", tmp_path / name, "--epoch", 1, *words)
        assert result.status == 0, result.err
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    width, height = struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24])
    assert (width, height) == (8 * 34 - 2, 32)


def test_shards_train_like_folders(pictures, tiny, tmp_path):
    result = run("data", "shards", "--output", tmp_path / "tar", "--per-shard", 10,
                 *settings(data__name="image_folder", data__root=pictures))
    assert result.status == 0, result.err
    assert len(list((tmp_path / "tar/train").glob("*.tar"))) == 3
    check = run("data", "check", "data.name=shards", f"data.root={tmp_path / 'tar'}")
    assert check.status == 0 and "24 pictures of 4 classes" in check.out, check.err
    result = run("train", tiny, *settings(data__name="shards", data__root=tmp_path / "tar",
                                          train__epochs=1, output=tmp_path / "run"))
    assert result.status == 0, result.err
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_bench_loader_reports_rows(pictures, tmp_path):
    result = run("bench", "loader", "--seconds", "0.05", "--rounds", "1", "--workers", "1", "--json",
                 tmp_path / "l.json", *settings(data__name="image_folder", data__root=pictures))
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "l.json")["rows"]
    assert {(row["split"], row["fast_decode"]) for row in rows} == {
        ("train", False), ("train", True), ("val", False), ("val", True)}
    assert all(row["images_per_second"] > 0 and row["workers"] == 1 for row in rows)


def test_killed_with_the_whole_recipe_ends_bit_equal(pictures, tiny, tmp_path):
    words = settings(**RECIPE, data__root=pictures, train__epochs=12)
    straight = run("train", tiny, *words, f"output={tmp_path / 'straight'}")
    assert straight.status == 0, straight.err
    command = [str(PROGRAM), "train", str(tiny), *words, f"output={tmp_path / 'killed'}", "--quiet"]
    draw = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen(command)
        time.sleep(draw.uniform(0.3, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, check=False).returncode == 0
    for name in ("model.safetensors", "ema.safetensors", "optimizer.safetensors"):
        one, other = (pathlib.Path(tmp_path / folder / "checkpoints/latest" / name).read_bytes()
                      for folder in ("straight", "killed"))
        assert one == other, name
