"""Starting the program as several processes; shared by the tests of this folder."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from conftest import PROGRAM, ROOT, run  # noqa: E402

FILES = ("model.safetensors", "ema.safetensors", "optimizer.safetensors")


def torchrun():
    """The launcher of the PyTorch that the tests' Python has."""
    beside = pathlib.Path(sys.executable).parent / "torchrun"
    found = str(beside) if beside.exists() else shutil.which("torchrun")
    if found is None:
        pytest.skip("no torchrun (scripts/setup.sh --full)")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def torchrun_words(count, *options):
    return [torchrun(), "--no-python", f"--nproc-per-node={count}", "--master-addr=127.0.0.1",
            f"--master-port={free_port()}", *options]


def start(words, **options):
    """A running command in a process group of its own, its output in one pipe."""
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, start_new_session=True, **options)


def children(pid):
    """The processes that a process has started."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            pass
    return found


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "train"]


def evaluations(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "eval"]


def weights(folder, name="model"):
    from safetensors.numpy import load_file
    return load_file(folder / f"checkpoints/latest/{name}.safetensors")


def state_bytes(folder):
    return {name: (folder / "checkpoints/latest" / name).read_bytes() for name in FILES}


