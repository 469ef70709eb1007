"""Several processes of which one is killed, stopped, or asked to leave."""

import os
import random
import re
import signal
import time

import pytest

from processes import PROGRAM, children, run, start, state_bytes, torchrun_words
from conftest import tiny  # noqa: F401  (a fixture)

ROUNDS = int(os.environ.get("NALA_KILL_ROUNDS", "3"))
KEYS = ["data.batch_size=4", "data.mix_group=4", "checkpoint.every_steps=2", "train.epochs=6",
        "train.log_every=1"]


def wait_for_steps(folder, process, count):
    """Until metrics.jsonl has so many lines."""
    path = folder / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError("the run did not get so far: " + process.communicate()[0])


def finish(process, timeout=120):
    try:
        return process.communicate(timeout=timeout)[0]
    except Exception:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def ranks_of(process):
    """The two ranks below a launcher, in order."""
    found = {}
    for pid in children(process.pid):
        try:
            words = open(f"/proc/{pid}/environ").read().split("\0")
            if b"nalaformer" in open(f"/proc/{pid}/cmdline", "rb").read():
                found[int(next(w for w in words if w.startswith("RANK=")).removeprefix("RANK="))] = pid
        except (OSError, StopIteration):
            pass
    return [found[rank] for rank in sorted(found)]


@pytest.fixture
def whole(tiny, tmp_path):
    result = run("train", tiny, *KEYS, f"output={tmp_path / 'whole'}", "--nproc", 2)
    assert result.status == 0, result.err
    return state_bytes(tmp_path / "whole")


def test_a_killed_rank_is_restarted_by_torchrun_and_nothing_is_lost(tiny, tmp_path, whole):
    moments = random.Random(6)
    kills = 0
    for number in range(ROUNDS):
        folder = tmp_path / f"round-{number}"
        process = start([*torchrun_words(2, "--max-restarts=3", "--monitor-interval=0.1"), PROGRAM,
                         "train", tiny, *KEYS, f"output={folder}"])
        wait_for_steps(folder, process, moments.randint(1, 30))
        time.sleep(moments.uniform(0, 0.05))
        ranks = ranks_of(process)
        if len(ranks) == 2:
            os.kill(moments.choice(ranks), signal.SIGKILL)
            kills += 1
        out = finish(process)
        assert process.returncode == 0, out
        assert state_bytes(folder) == whole, f"round {number} differs"
    print(f"{ROUNDS} rounds, {kills} ranks killed")
    assert kills > ROUNDS / 2


def test_a_killed_rank_brings_the_job_down_within_a_minute(tiny, tmp_path):
    folder = tmp_path / "run"
    process = start([PROGRAM, "train", tiny, *KEYS, "train.epochs=2000", f"output={folder}",
                     "--nproc", 2])
    wait_for_steps(folder, process, 3)
    begin = time.monotonic()
    os.kill(ranks_of(process)[1], signal.SIGKILL)
    out = finish(process)
    seconds = time.monotonic() - begin
    print(f"down after {seconds:.1f} s")
    assert seconds < 60
    assert process.returncode == 137
    assert "rank 1 died of signal 9" in out
    assert re.search(r"nalaformer: error: rank 0 of 2: .* failed", out), out


@pytest.mark.parametrize("launcher", ["own", "torchrun"])
def test_sigterm_saves_everywhere_and_resumes_to_equal_bytes(tiny, tmp_path, whole, launcher):
    folder = tmp_path / "run"
    words = [PROGRAM, "train", tiny, *KEYS, f"output={folder}"]
    process = start([*torchrun_words(2), *words] if launcher == "torchrun"
                    else [*words, "--nproc", 2])
    wait_for_steps(folder, process, 5)
    # torchrun is spared: one rank is asked, and both have to agree.
    os.kill(ranks_of(process)[1] if launcher == "torchrun" else process.pid, signal.SIGTERM)
    out = finish(process)
    assert "stopped by a signal; saved step" in out, out
    if launcher == "own":
        assert process.returncode == 75, out
    else:
        codes = re.findall(r"exitcode\s*: (-?\d+)", out)
        assert codes and set(codes) == {"75"}, out
    result = run("train", tiny, *KEYS, f"output={folder}", "--nproc", 2)
    assert result.status == 0 and "resumed from" in result.err, result.err
    assert state_bytes(folder) == whole


def test_a_second_signal_stops_at_once(tiny, tmp_path):
    folder = tmp_path / "run"
    # Steps of seconds: the second signal comes while the first one's step is still running.
    process = start([PROGRAM, "train", tiny, *KEYS, "data.image_size=320", "data.batch_size=32",
                     "checkpoint.every_steps=1", f"output={folder}", "--nproc", 2])
    wait_for_steps(folder, process, 1)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    out = finish(process)
    assert process.returncode == 128 + signal.SIGTERM and "saved step" not in out, out


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_stops_answering_is_named_within_the_time_out(tiny, tmp_path, rank):
    folder = tmp_path / "run"
    process = start([PROGRAM, "train", tiny, *KEYS, "train.epochs=2000", f"output={folder}",
                     "distributed.timeout_seconds=4", "--nproc", 2])
    wait_for_steps(folder, process, 3)
    begin = time.monotonic()
    os.kill(ranks_of(process)[rank], signal.SIGSTOP)
    out = finish(process)
    seconds = time.monotonic() - begin
    print(f"down after {seconds:.1f} s: {out.strip().splitlines()[-2:]}")
    assert process.returncode == 1 and seconds < 20
    line = next(line for line in out.splitlines() if "nalaformer: error:" in line)
    assert f"rank {1 - rank} of 2:" in line and "failed:" in line, line
    assert f"rank {rank}" in line.split("failed:")[1], line


def test_torchrun_names_the_root_cause(tiny, tmp_path):
    process = start([*torchrun_words(2), PROGRAM, "train", tiny, *KEYS, "optimizer.lr=1e30",
                     "optimizer.name=sgd", "schedule.warmup_epochs=0", f"output={tmp_path / 'run'}"])
    out = finish(process)
    assert process.returncode != 0
    assert "Root Cause" in out
    assert re.search(r"is not finite", out.split("Root Cause")[1]), out
    assert not (tmp_path / "run/checkpoints/latest").exists() or "step" in out
