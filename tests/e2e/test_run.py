"""Train, evaluate, predict, export: the whole way, and what it leaves on disk."""

import hashlib
import os
import signal
import subprocess
import time

from conftest import PROGRAM, read_json, run, settings


def test_a_run_leaves_what_the_documentation_lists(trained):
    names = {path.name for path in trained.iterdir()}
    assert {"config.yaml", "train.log", "metrics.jsonl", "report.html", "checkpoints"} <= names
    latest = trained / "checkpoints" / "latest"
    assert os.readlink(latest) == "step-00000024"
    assert os.readlink(trained / "checkpoints" / "best").startswith("step-")
    manifest = read_json(latest / "manifest.json")
    assert manifest["format"] == 1
    for name, entry in manifest["files"].items():
        data = (latest / name).read_bytes()
        assert len(data) == entry["bytes"]
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert set(manifest["files"]) == {
        "config.yaml", "classes.tsv", "model.safetensors", "ema.safetensors",
        "optimizer.safetensors", "state.json"}


def test_report_is_self_contained(trained):
    page = (trained / "report.html").read_text()
    assert page.count("<svg") >= 3 and "data:image/" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_eval_of_a_run_repeats_its_last_metrics(trained, tmp_path):
    lines = [line for line in (trained / "metrics.jsonl").read_text().splitlines()
             if '"kind":"eval"' in line]
    result = run("eval", "--checkpoint", trained / "checkpoints/latest", "--json", tmp_path / "e.json")
    assert result.status == 0, result.err
    report = read_json(tmp_path / "e.json")
    assert report["command"] == "eval" and report["device"] == "cpu" and report["version"]
    assert report["config"]["data"]["batch_size"] == 8
    assert report["speed"]["images_per_second"] > 0 and report["skipped"] == []
    for weights in ("raw", "ema"):
        metrics = report["metrics"][weights]
        assert metrics["images"] == 16
        assert f'"top1":{metrics["top1"]}' in lines[-2 if weights == "raw" else -1]


def test_a_finished_run_is_already_done(tiny, trained):
    before = (trained / "metrics.jsonl").read_bytes()
    result = run("train", tiny)
    assert result.status == 0 and "already done" in result.err
    assert (trained / "metrics.jsonl").read_bytes() == before


def test_resuming_with_another_recipe_lists_the_keys(tiny, trained):
    result = run("train", tiny, "optimizer.lr=0.5", "seed=3")
    assert result.status == 2
    line = result.error_line()
    assert "optimizer.lr: 5e-04 -> 0.5" in line or "optimizer.lr: 0.0005 -> 0.5" in line
    assert "seed: 0 -> 3" in line


def test_resume_never_sets_the_old_run_aside(tiny, trained):
    result = run("train", tiny, "--resume", "never", "seed=3")
    assert result.status == 0, result.err
    assert (trained / "previous-1" / "checkpoints" / "latest" / "manifest.json").exists()


def test_dry_run_writes_nothing(tiny, tmp_path):
    result = run("train", tiny, "--dry-run")
    assert result.status == 0 and "24 steps" in result.out
    assert not (tmp_path / "run").exists()


def test_terminated_run_saves_leaves_with_75_and_resumes_to_equal_bytes(tiny, tmp_path):
    assert run("train", tiny, f"output={tmp_path / 'whole'}").status == 0
    process = subprocess.Popen([str(PROGRAM), "train", str(tiny)], stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size > 0) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode in (75, 0), err  # 0: it was done before the signal came
    result = run("train", tiny)
    assert result.status == 0, result.err
    assert metrics.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for name in ("model", "ema", "optimizer"):
        file = f"checkpoints/latest/{name}.safetensors"
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_workers_do_not_matter(tiny, tmp_path):
    for workers in (0, 3):
        assert run("train", tiny, f"data.workers={workers}", f"output={tmp_path / str(workers)}",
                   "train.epochs=1").status == 0
    for name in ("metrics.jsonl", "checkpoints/latest/model.safetensors"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_accumulation_and_bf16_train(tiny, tmp_path):
    result = run("train", tiny, "train.accumulate=2", "train.amp=bf16", "train.clip_norm=1",
                 f"output={tmp_path / 'amp'}")
    assert result.status == 0, result.err
    assert os.readlink(tmp_path / "amp/checkpoints/latest") == "step-00000012"


def test_export_carries_everything(trained, tmp_path):
    file = tmp_path / "weights.safetensors"
    result = run("export", "--checkpoint", trained, "--output", file, "--json", tmp_path / "x.json")
    assert result.status == 0, result.err
    report = read_json(tmp_path / "x.json")
    assert report["executed"] and report["max_relative_error"] == 0
    assert str(tmp_path) not in file.read_bytes().decode("latin1"), "a folder of this machine got in"
    first = run("eval", "--checkpoint", trained, "--weights", "ema")
    second = run("eval", "--checkpoint", file, "--weights", "raw")
    assert first.out.split()[1:] == second.out.split()[1:]


def test_weights_start_another_run(trained, tiny, tmp_path):
    result = run("train", tiny, f"init.checkpoint={trained}", f"output={tmp_path / 'next'}",
                 "data.synthetic.classes=6", "train.epochs=1")
    assert result.status == 0, result.err
    assert "init.checkpoint" in result.err
    other = next(line for line in result.err.splitlines() if line.startswith("of another shape"))
    assert "head.weight [4, " in other and "instead of [6, " in other and "head.bias" in other


def test_a_config_and_its_run_evaluate_without_naming_the_checkpoint(trained, tiny):
    assert run("eval", tiny).status == 0


def test_own_pictures_train_with_key_value_words_alone(tmp_path):
    from PIL import Image
    for split, count in (("train", 8), ("val", 4)):
        for name, colour in (("blue", (10, 20, 200)), ("red", (200, 30, 20))):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (40 + i, 33), colour).save(folder / f"{i}.{'png' if i % 2 else 'jpg'}")
    words = [word for word in settings(data__name="image_folder", data__batch_size=4,
                                       data__augment__cutmix=0, data__augment__mixup=0,
                                       train__epochs=8, ema__enabled="false")
             if "synthetic" not in word]
    (tmp_path / "empty.yaml").write_text("")
    result = run("train", tmp_path / "empty.yaml", *words, f"data.root={tmp_path / 'pictures'}",
                 f"output={tmp_path / 'run'}")
    assert result.status == 0, result.err
    result = run("predict", tmp_path / "pictures/val", "--checkpoint", tmp_path / "run", "--top", 1)
    assert result.status == 0 and len(result.out.splitlines()) == 8
    assert "blue" in result.out or "red" in result.out
