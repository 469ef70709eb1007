"""Kill -9 at random moments; the resumed run ends with the bytes of an undisturbed one."""

import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from conftest import PROGRAM, run, tiny  # noqa: E402, F401  (tiny is a fixture)

RUNS = 10
FILES = ["metrics.jsonl", "config.yaml"] + [
    f"checkpoints/latest/{name}"
    for name in ("model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json")]


def bytes_of(folder):
    found = {name: (folder / name).read_bytes() for name in FILES}
    # The only line that says which folder it was.
    found["config.yaml"] = b"\n".join(
        line for line in found["config.yaml"].splitlines() if not line.startswith(b"output"))
    return found


def share_left(folder, total):
    """The part of the run that its newest checkpoint leaves to do."""
    latest = folder / "checkpoints/latest"
    done = int(os.readlink(latest).removeprefix("step-")) if latest.is_symlink() else 0
    return 1 - done / total


def test_killed_runs_resume_bit_for_bit(tiny, tmp_path):
    keys = ["checkpoint.every_steps=2", "train.epochs=12"]
    begin = time.monotonic()
    assert run("train", tiny, *keys, "--dry-run").status == 0
    start_up = time.monotonic() - begin
    begin = time.monotonic()
    assert run("train", tiny, *keys, f"output={tmp_path / 'whole'}").status == 0
    length = time.monotonic() - begin - start_up
    total = int(os.readlink(tmp_path / "whole/checkpoints/latest").removeprefix("step-"))
    expected = bytes_of(tmp_path / "whole")
    moments = random.Random(20)
    kills = kills_while_saving = 0
    for number in range(RUNS):
        folder = tmp_path / f"killed-{number}"
        command = [str(PROGRAM), "train", str(tiny), *keys, f"output={folder}"]
        wanted = 3
        while True:
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            if wanted == 0:
                assert process.wait(timeout=600) == 0, process.stderr.read()
                break
            deadline = time.monotonic() + start_up + (
                moments.uniform(0, 0.7) * length * share_left(folder, total))
            # Every other kill waits for the moment a checkpoint is being written.
            saving = wanted % 2 == 1
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.0005 if saving else 0.01)
            while saving and process.poll() is None and not list(
                    (folder / "checkpoints").glob("*.unfinished")):
                pass
            if process.poll() is not None:
                assert process.returncode == 0, process.stderr.read()
                break
            process.kill()
            process.wait()
            kills += 1
            kills_while_saving += bool(list((folder / "checkpoints").glob("*.unfinished")))
            wanted -= 1
        assert bytes_of(folder) == expected, f"run {number} differs"
    print(f"{RUNS} runs, {kills} kills, {kills_while_saving} of them while a checkpoint was written")
    assert kills >= RUNS and kills_while_saving >= 1
