"""Two processes, in short; tests/multi has the rest."""

import json
import os
import signal
import subprocess
import time

from conftest import PROGRAM, read_json, run


def lines_of(folder, kind):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_two_processes_do_what_one_does(tiny, tmp_path):
    # The pictures are large enough for rounding errors to stay what they are (docs/distributed.md).
    keys = ["data.image_size=96", "data.synthetic.size=96", "data.synthetic.val_images=13",
            "model.layer_scale=[0.1,0.1,0.1,0.1]", "data.mix_group=4", "optimizer.name=sgd", "optimizer.lr=0.02", "schedule.warmup_epochs=0",
            "schedule.lag_one_epoch=false", "train.epochs=1", "train.log_every=1"]
    for processes in (1, 2):
        result = run("train", tiny, *keys, f"data.batch_size={8 // processes}", "--nproc", processes,
                     f"output={tmp_path / str(processes)}")
        assert result.status == 0, result.err
    one, two = ([line["loss"] for line in lines_of(tmp_path / name, "train")] for name in "12")
    assert len(one) == 8 and max(abs(a - b) for a, b in zip(one, two)) < 1e-5
    assert [line["images"] for line in lines_of(tmp_path / "2", "eval")] == [13, 13]
    assert read_json(tmp_path / "2/checkpoints/latest/state.json")["world"] == 2
    # Every line says which rank it is from.
    lines = [line for line in result.err.splitlines() if " info " in line]
    assert lines and all("[rank 0]" in line for line in lines)


def test_two_processes_stop_together_and_go_on(tiny, tmp_path):
    keys = ["data.batch_size=4", "data.mix_group=4", "train.log_every=1"]
    assert run("train", tiny, *keys, "--nproc", 2, f"output={tmp_path / 'whole'}").status == 0
    process = subprocess.Popen([str(PROGRAM), "train", str(tiny), *keys, "--nproc", "2"],
                               stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size > 0) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode in (75, 0), err  # 0: it was done before the signal came
    result = run("train", tiny, *keys, "--nproc", 2)
    assert result.status == 0, result.err
    for name in ("model", "ema", "optimizer"):
        file = f"checkpoints/latest/{name}.safetensors"
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_an_error_of_one_process_is_reported_once_and_ends_all(tiny):
    result = run("train", tiny, "--nproc", 2, "data.synthetic.train_images=8", "data.batch_size=8")
    assert result.status == 2
    assert "rank 0 of 2: data.batch_size: 8 on 2 process(es)" in result.err


def test_wrong_numbers_of_processes(tiny):
    assert "--nproc" in run("train", tiny, "--nproc", 0).error_line()
    result = run("train", tiny, "--nproc", 2,
                 env={**os.environ, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
    assert result.status == 2 and "another launcher" in result.error_line()
    result = run("train", tiny, env={**os.environ, "RANK": "2", "WORLD_SIZE": "2"})
    assert result.status == 2 and "rank 2 of 2" in result.error_line()
