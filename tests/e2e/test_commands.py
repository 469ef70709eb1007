"""The commands that need no training, and how the program speaks."""

import json
import re
import subprocess
import time

from conftest import PROGRAM, ROOT, read_json, run


def test_version_is_quick():
    times = []
    for _ in range(5):
        begin = time.monotonic()
        result = run("--version")
        times.append(time.monotonic() - begin)
    assert result.status == 0 and re.match(r"nalaformer \d+\.\d+\.\d+ \(", result.out)
    # The machine may be busy: the bound of 0.3 s is for a quiet one, this only catches a wrong design.
    assert min(times) < 1.5


def test_help_of_everything():
    result = run("--help")
    assert result.status == 0
    commands = re.findall(r"^  (\w+) +\w", result.out.split("Commands:")[1].split("Example")[0], re.M)
    commands = [name for name in commands if name != "nalaformer"]
    assert {"train", "eval", "predict", "export", "info", "bench", "config", "data",
            "doctor"} <= set(commands)
    parts = {"bench": ("attention", "model", "train", "loader"),
             "reproduce": ("imagenet", "ade20k", "kernels", "sr", "memory", "ablation")}
    assert "bench <subject> --help" in run("bench", "--help").out
    assert "reproduce <table> --help" in run("reproduce", "--help").out
    for words in [[name] for name in commands if name not in parts] + [
            [name, part] for name, list_of_parts in parts.items() for part in list_of_parts]:
        text = run(*words, "--help")
        assert text.status == 0 and "Example:" in text.out and "--device" in text.out


def test_wrong_usage_is_status_2_and_one_line():
    for words in (["nonsense"], ["train"], ["train", "a", "b"], ["train", "x.yaml", "--nonsense"],
                  ["eval"], ["predict"], ["export", "--checkpoint", "x"], ["data", "nonsense"],
                  ["config", "nonsense"], ["info", "--device", "tpu", "a", "b"],
                  ["doctor", "--device", "cuda:x"], ["doctor", "--threads", "0"]):
        result = run(*words)
        assert result.status == 2, (words, result.err)
        assert result.error_line()


def test_config_print_reads_back_equal(tmp_path):
    first = run("config", "print", ROOT / "configs/demo/digits.yaml")
    assert first.status == 0, first.err
    (tmp_path / "printed.yaml").write_text(first.out)
    assert run("config", "print", tmp_path / "printed.yaml").out == first.out
    assert run("config", "check", tmp_path / "printed.yaml").status == 0


def test_every_shipped_configuration_is_valid():
    files = sorted((ROOT / "configs").rglob("*.yaml"))
    recipes = [file for file in files if not is_grid(file)]
    assert recipes
    for file in recipes:
        result = run("config", "check", file)
        assert result.status == 0, result.err


def is_grid(file):
    """Whether a file of configs/ablations says what to train in place of how."""
    return re.search(r"^(cells|recipe):", file.read_text(), re.M) is not None


def test_every_cell_of_the_shipped_grids_is_valid():
    folder = ROOT / "configs/ablations"
    cells = re.findall(r"\bset: \[(.*?)\]", (folder / "cells.yaml").read_text())
    assert len(cells) == 19
    for cell in cells:
        changes = [change.strip() for change in cell.split(",") if change.strip()]
        result = run("config", "check", folder / "digits_recipe.yaml", *changes)
        assert result.status == 0, result.err


def test_config_help_names_every_key(tmp_path):
    text = run("config", "help").out
    result = run("config", "print", "--json", tmp_path / "c.json")
    assert result.status == 0

    def keys(node, prefix=""):
        for key, value in node.items():
            if isinstance(value, dict):
                yield from keys(value, prefix + key + ".")
            else:
                yield prefix + key

    for key in keys(read_json(tmp_path / "c.json")["config"]):
        assert f"{key} = " in text, key


def test_info_counts_what_the_authors_code_counts(tmp_path):
    result = run("info", "model.name=nalaformer_xt", "--json", tmp_path / "i.json")
    assert result.status == 0, result.err
    report = read_json(tmp_path / "i.json")
    golden = json.loads((ROOT / "tests/golden/variant_XT.json").read_text())
    assert report["parameters"] == 6142248
    assert str(report["multiply_adds"]) in json.dumps(golden)
    assert sum(layer["multiply_adds"] for layer in report["layers"]) == report["multiply_adds"]
    listed = run("info", "--list").out
    assert "nalaformer_t_r35" in listed and "relu_split" in listed


def test_doctor_says_what_can_be_used(tmp_path):
    result = run("doctor", "--json", tmp_path / "d.json")
    assert result.status == 0, result.err
    assert "reference" in result.out and "libtorch" in result.out
    assert read_json(tmp_path / "d.json")["picture formats"]["bmp tiff webp pnm"] == "OpenCV"


def test_results_go_to_standard_output_and_talk_to_standard_error(trained):
    result = run("eval", "--checkpoint", trained, "--quiet")
    assert result.status == 0 and result.err == "" and result.out.startswith("raw")


def test_other_commands_die_by_their_signal(trained):
    process = subprocess.Popen([str(PROGRAM), "predict", "--checkpoint", str(trained), "-"],
                               stdin=subprocess.PIPE)
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=30) == -15


def test_bench_attention_lists_what_it_measured(tmp_path):
    result = run("bench", "attention", "--tokens", "35", "--head-dim", "16", "--dtype",
                 "float32,bfloat16", "--seconds", "0", "--json", tmp_path / "b.json")
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "b.json")["rows"]
    assert {row["implementation"] for row in rows} >= {"reference", "softmax"}
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    assert all(row["forward_ms"] > 0 and row["backward_ms"] > 0 for row in rows)
    wrong = run("bench", "attention", "--tokens", "12,x")
    assert wrong.status == 2 and "--tokens" in wrong.error_line()


def test_bench_of_networks(tiny, tmp_path):
    for subject in ("model", "train"):
        result = run("bench", subject, tiny, "--batch", "2", "--seconds", "0", "--json",
                     tmp_path / "b.json")
        assert result.status == 0, result.err
        (row,) = read_json(tmp_path / "b.json")["rows"]
        assert row["images_per_second"] > 0 and row["peak_bytes"] > 0 and row["batch"] == 2
