"""Everything a user can get wrong: one line, the right status, nothing half-written."""

import os
import subprocess

import pytest
from PIL import Image

from conftest import PROGRAM, run, settings


@pytest.fixture
def folders(tmp_path):
    """A good data set of class folders: cat and dog, training and validation."""
    root = tmp_path / "pictures"
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(6):
                Image.effect_noise((36, 36), 90).convert("RGB").save(folder / f"{i}.jpg")
    return root


def train(tmp_path, root, *words, **changes):
    (tmp_path / "c.yaml").write_text("")
    keys = {"data__name": "image_folder", "data__batch_size": 4, "train__epochs": 1, **changes}
    given = [word for word in settings(**keys) if "synthetic" not in word]
    return run("train", tmp_path / "c.yaml", *given, f"data.root={root}",
               f"output={tmp_path / 'out'}", *words)


def nothing_written(tmp_path):
    out = tmp_path / "out"
    return not out.exists() or not (out / "checkpoints").exists()


def test_the_good_set_is_good(tmp_path, folders):
    assert train(tmp_path, folders).status == 0


@pytest.mark.parametrize("fault, words", [
    ("missing", ["no such folder", "not found", "missing", "does not exist"]),
    ("empty", ["no class", "empty", "no picture"]),
    ("class_without_picture", ["dog"]),
    ("other_classes", ["dog", "cow"]),
])
def test_folders_that_are_no_data_set(tmp_path, folders, fault, words):
    if fault == "missing":
        folders = tmp_path / "nowhere"
    elif fault == "empty":
        folders = tmp_path / "empty"
        (folders / "train").mkdir(parents=True)
        (folders / "val").mkdir()
    elif fault == "class_without_picture":
        for file in (folders / "train/dog").iterdir():
            file.unlink()
    else:
        (folders / "val/dog").rename(folders / "val/cow")
    result = train(tmp_path, folders)
    assert result.status == 1, result.err
    assert any(word in result.error_line() for word in words), result.err
    assert nothing_written(tmp_path)


@pytest.mark.parametrize("content", ["truncated", "text", "empty", "header"])
def test_unreadable_pictures_stop_or_are_skipped_and_counted(tmp_path, folders, content):
    victim = folders / "val/cat/3.jpg"
    whole = victim.read_bytes()
    victim.write_bytes({"truncated": whole[: len(whole) * 2 // 3], "text": b"hello", "empty": b"",
                        "header": whole[:20]}[content])
    result = train(tmp_path, folders)
    assert result.status == 1 and "cat/3.jpg" in result.error_line()
    result = train(tmp_path, folders, "data.on_bad_file=skip", "--resume", "never")
    assert result.status == 0, result.err
    result = run("eval", "--checkpoint", tmp_path / "out", "data.on_bad_file=skip")
    assert result.status == 0 and "images 11" in result.out and "cat/3.jpg" in result.out
    result = run("data", "check", f"data.root={folders}")
    assert result.status == 1 and "cat/3.jpg" in result.out and "1 faulty" in result.out


@pytest.mark.parametrize("yaml, expected", [
    ("trian: {epochs: 3}", "c.yaml:1:1: trian: unknown key; did you mean 'train'"),
    ("train:\n  epoch: 3", "c.yaml:2:3: train.epoch: unknown key; did you mean 'epochs'"),
    ("seed: 1\nseed: 2", "c.yaml:2:1: seed: duplicate key"),
    ("seed: one", "c.yaml:1:1: seed: expected a whole number, found one"),
    ("train: {amp: fp8}", "train.amp: expected one of none bf16 fp16, found fp8"),
    ("model: {name: custom}", "model"),
    ("model: {embed_dims: [30, 64, 128, 384]}", "30 channels"),
    ("model: {heads: [5, 2, 4, 12]}", "heads"),
    ("model: {depths: [1, 2]}", "depths"),
    ("data: {batch_size: 0}", "data.batch_size: 0 is out of range"),
    ("data: {batch_size: 6, mix_group: 4}", "mix_group"),
    ("base: nowhere.yaml", "no such file"),
    ("seed: 1\n\tdata: 2", "c.yaml:2"),
])
def test_configurations_are_strict(tmp_path, yaml, expected):
    (tmp_path / "c.yaml").write_text(yaml)
    result = run("config", "check", tmp_path / "c.yaml")
    assert result.status == 2
    assert expected in result.error_line()
    assert run("train", tmp_path / "c.yaml").status == 2


def test_checkpoint_of_another_model_lists_all_differing_keys(trained, tmp_path):
    result = run("export", "--checkpoint", trained, "--output", tmp_path / "w.safetensors")
    assert result.status == 0
    result = run("predict", "x.jpg", "--checkpoint", tmp_path / "w.safetensors",
                 "model.name=nalaformer_xt")
    assert result.status == 1
    line = result.error_line()
    assert line.count("layers.") > 100 and "patch_embed.proj.0.weight" in line


def test_damaged_checkpoints_are_named_and_resume_falls_back(tiny, tmp_path):
    assert run("train", tiny, "checkpoint.every_steps=5").status == 0
    newest = tmp_path / "run/checkpoints/step-00000024"
    data = bytearray((newest / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 4
    (newest / "model.safetensors").write_bytes(data)
    result = run("eval", "--checkpoint", newest)
    assert result.status == 1 and "model.safetensors: checksum differs" in result.error_line()
    result = run("train", tiny)
    assert result.status == 0, result.err
    assert "NOT USABLE" in result.err and "step-00000024/model.safetensors" in result.err
    assert run("eval", "--checkpoint", newest).status == 0  # written anew


def test_nothing_can_be_written(tiny, tmp_path):
    (tmp_path / "file").write_text("x")
    result = run("train", tiny, f"output={tmp_path / 'file'}")
    assert result.status == 1 and "file" in result.error_line()
    if os.geteuid() == 0:
        result = run("train", tiny, "output=/proc/nowhere")
        assert result.status == 1 and "/proc/nowhere" in result.error_line()


def test_full_disk_stops_the_run_and_keeps_the_checkpoint(tiny, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)],
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        result = run("train", tiny, f"output={disk / 'run'}", "checkpoint.every_steps=1",
                     "checkpoint.keep=50")
        assert result.status == 1, result.err
        line = result.error_line()
        assert "space" in line.lower()
        folders = sorted(path.name for path in (disk / "run/checkpoints").iterdir()
                         if path.name.startswith("step-"))
        assert folders and not any(name.endswith(".unfinished") for name in folders)
        latest = disk / "run/checkpoints/latest"
        assert run("eval", "--checkpoint", latest).status == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_second_process_on_the_same_folder_is_refused(tiny, tmp_path):
    process = subprocess.Popen([str(PROGRAM), "train", str(tiny), "train.epochs=400"],
                               stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "run/metrics.jsonl").exists():
            assert process.poll() is None
        result = run("train", tiny, "train.epochs=400")
        assert result.status == 1
        assert f"in use by another run (process {process.pid})" in result.error_line()
    finally:
        process.kill()
        process.wait()


def test_diverging_run_stops_before_the_weights_are_touched(tiny, tmp_path):
    result = run("train", tiny, "optimizer.lr=1e30", "schedule.warmup_epochs=0", "optimizer.name=sgd")
    assert result.status == 1, result.err
    assert "is not finite; the weights are untouched" in result.error_line()
    assert "synthetic" in result.error_line(), "the samples are not named"
