"""Runs the built program as a user would; shared by the end-to-end and crash tests."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Networks this small gain nothing from a second thread, and lose much of it on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
PROGRAM = pathlib.Path(os.environ.get("NALA_PROGRAM", ROOT / "build/release/nalaformer"))

# A network and a set so small that a step takes milliseconds.
TINY = {
    "model.name": "custom",
    "model.embed_dims": "[8, 8, 16, 16]",
    "model.depths": "[1, 1, 1, 1]",
    "model.heads": "[1, 1, 2, 2]",
    "model.mlp_ratio": "2",
    "model.stage_kinds": "[linear, linear, softmax, softmax]",
    "model.layer_scale": "[1, 1, 1, 1]",
    "model.projection": "16",
    "model.drop_path": "0.2",
    "data.name": "synthetic",
    "data.image_size": "32",
    "data.batch_size": "8",
    "data.synthetic.classes": "4",
    "data.synthetic.train_images": "64",
    "data.synthetic.val_images": "16",
    "data.synthetic.size": "32",
    "data.augment.cutmix": "1.0",
    "data.augment.mixup": "0.8",
    "train.epochs": "3",
    "train.log_every": "3",
    "schedule.warmup_epochs": "1",
    "ema.decay": "0.9",
}


class Result:
    """What a finished program left behind."""

    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def error_line(self):
        """The one line that reports the error."""
        lines = [line for line in self.err.splitlines() if line.startswith("nalaformer: error:")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0]), "the error is not the last word"
        return lines[0]


def run(*arguments, timeout=300, **options):
    process = subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, **options)
    return Result(process)


def settings(**changes):
    """The tiny run's key=value words; keyword names use __ for the dot."""
    keys = dict(TINY)
    keys.update({name.replace("__", "."): str(value) for name, value in changes.items()})
    return [f"{key}={value}" for key, value in keys.items()]


@pytest.fixture
def tiny(tmp_path):
    """A configuration file of the tiny run; its output goes to tmp_path/run."""
    lines = []
    for word in settings():
        key, value = word.split("=", 1)
        lines.append((key.split("."), value))
    tree = {}
    for path, value in lines:
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = value

    def dump(node, indent=""):
        text = ""
        for key, value in node.items():
            if isinstance(value, dict):
                text += f"{indent}{key}:\n" + dump(value, indent + "  ")
            else:
                text += f"{indent}{key}: {value}\n"
        return text

    path = tmp_path / "tiny.yaml"
    path.write_text(dump(tree) + f"output: {tmp_path / 'run'}\n")
    return path


@pytest.fixture
def trained(tiny):
    """The output folder of a finished tiny run."""
    result = run("train", tiny)
    assert result.status == 0, result.err
    return tiny.parent / "run"


def read_json(path):
    return json.loads(pathlib.Path(path).read_text())
