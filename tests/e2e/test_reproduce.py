"""`nalaformer reproduce`: the ablation grid and the tables of networks."""

import csv
import json
import re
import statistics

import pytest

from conftest import ROOT, read_json, run, settings

GRID = """recipe: recipe.yaml
cells:
  - {group: map, name: relu, set: [model.attention.feature_map=relu]}
  - {group: map, name: pola, set: [model.attention.feature_map=pola]}
  - {group: parts, name: plain, set: []}
only: [relu, pola]
"""


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A grid of two cells, run with two seeds."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "recipe.yaml").write_text("{}\n")
    (folder / "grid.yaml").write_text(GRID)
    result = ablation(folder)
    assert result.status == 0, result.err
    assert "4 runs trained, 0 were there, 0 failed" in result.out
    return folder


def ablation(folder, *more):
    return run("reproduce", "ablation", "--grid", folder / "grid.yaml", "--output", folder / "out",
               "--seeds", "0,1", "--quiet",
               *settings(train__epochs=1, model__drop_path=0), *more)


def last_evaluation(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "eval" and line["weights"] == "raw"][-1]


def test_numbers_are_those_of_the_runs(grid):
    rows = {row["cell"]: row for row in csv.DictReader(open(grid / "out/ablation.csv"))}
    assert set(rows) == {"relu", "pola"}
    for cell, row in rows.items():
        losses = [last_evaluation(grid / f"out/{cell}/seed-{seed}")["loss"] for seed in (0, 1)]
        assert row["loss, mean ± sd"] == (
            f"{statistics.mean(losses):.4f} ± {statistics.stdev(losses):.4f}")
        assert row["runs"] == "2"
        assert re.fullmatch("[0-9a-f]{12}", row["configuration"])
        assert row["folder"] == str(grid / "out" / cell)
    assert rows["relu"]["configuration"] != rows["pola"]["configuration"]
    runs = list(csv.DictReader(open(grid / "out/runs.csv")))
    assert len(runs) == 4 and all(row["machine"] for row in runs)
    one = next(row for row in runs if row["folder"].endswith("pola/seed-1"))
    assert float(one["top1"]) == last_evaluation(grid / "out/pola/seed-1")["top1"]
    assert "| **map** |" in (grid / "out/ablation.md").read_text()
    assert "<td>pola</td>" in (grid / "out/ablation.html").read_text()


def test_pola_is_a_network_like_others_but_no_graph(grid, tmp_path):
    trained = grid / "out/pola/seed-0"
    weights = tmp_path / "pola.safetensors"
    result = run("export", "--checkpoint", trained, "--output", weights)
    assert result.status == 0, result.err
    result = run("eval", "--checkpoint", trained, "--json", tmp_path / "e.json")
    assert result.status == 0, result.err
    result = run("export", "--checkpoint", trained, "--format", "torchscript", "--output",
                 tmp_path / "pola.pt")
    assert result.status == 2 and "pola has no plain form to export" in result.error_line()
    assert not (tmp_path / "pola.pt").exists()


def test_a_second_call_trains_what_is_missing_alone(grid):
    before = (grid / "out/relu/seed-0/train.log").read_bytes()
    result = ablation(grid)
    assert result.status == 0 and "0 runs trained, 4 were there" in result.out
    assert (grid / "out/relu/seed-0/train.log").read_bytes() == before
    (grid / "out/pola/seed-1/result.json").unlink()
    result = ablation(grid)
    assert result.status == 0 and "1 runs trained, 3 were there" in result.out


def test_a_changed_recipe_is_not_taken_for_the_old_one(grid):
    result = ablation(grid, "optimizer.lr=1e-2")
    assert result.status == 1
    assert "0 runs trained, 0 were there, 4 failed" in result.out
    assert "cannot resume" in result.err
    assert ablation(grid).status == 0


@pytest.mark.parametrize("text, complaint", [
    ("recipe: recipe.yaml\n", "cells"),
    ("recipe: recipe.yaml\ncells: [{name: ../up}]\n", "letters"),
    ("recipe: recipe.yaml\ncells: [{name: a}, {name: a}]\n", "two cells"),
    ("recipe: recipe.yaml\ncells: [{name: a}]\nonly: [b]\n", "no cell is called b"),
    ("recipe: recipe.yaml\ncells: [{name: a, set: [model.nam=x]}]\n", "model.nam"),
])
def test_wrong_grids_are_refused(tmp_path, text, complaint):
    (tmp_path / "recipe.yaml").write_text("{}\n")
    (tmp_path / "grid.yaml").write_text(text)
    result = ablation(tmp_path)
    assert result.status == 2
    assert complaint in result.error_line()




@pytest.mark.parametrize("name, cells", [("digits", 19), ("cifar10", 12)])
def test_the_projects_grids_resolve(tmp_path, name, cells):
    result = run("reproduce", "ablation", "--grid", ROOT / f"configs/ablations/{name}.yaml",
                 "--collect", "--output", tmp_path / "out")
    assert result.status == 0, result.err
    rows = list(csv.DictReader(open(tmp_path / "out/ablation.csv")))
    assert len(rows) == len({row["configuration"] for row in rows}) == cells


def test_imagenet_puts_published_rows_beside(tmp_path):
    result = run("reproduce", "imagenet", "--seconds", "0", "--output", tmp_path, "--json",
                 tmp_path / "t.json")
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "t.json")["rows"]
    ours = next(row for row in rows if row["network"] == "nalaformer_t")
    theirs = next(row for row in rows if row["network"] == "NaLaFormer-T")
    assert ours["parameters, M"] == "15.91" and ours["multiply-adds, G"] == "2.875"
    assert theirs["top-1, published"] == "82.6" and ours["group"] == theirs["group"] == "T"
    assert (tmp_path / "imagenet.md").read_text() == result.out


def test_a_checkpoint_is_evaluated(tmp_path, trained):
    result = run("reproduce", "kernels", "--seconds", "0", "--checkpoints", f"cosine={trained}",
                 "--json", tmp_path / "t.json")
    assert result.status == 0, result.err
    rows = [row for row in read_json(tmp_path / "t.json")["rows"] if row["cell"] == "cosine"]
    result = run("eval", "--checkpoint", trained, "--json", tmp_path / "e.json")
    top1 = read_json(tmp_path / "e.json")["metrics"]["raw"]["top1"]
    assert len(rows) == 2 and {row["top-1, here"] for row in rows} == {f"{top1:.2f}"}
    result = run("reproduce", "kernels", "--seconds", "0", "--checkpoints", "cosin=x")
    assert result.status == 2 and "rows:" in result.error_line()


@pytest.mark.parametrize("table, network, multiply_adds", [
    ("ade20k", "upernet_160k_nalaformer_s", "multiply-adds at 512 × 512, G"),
    ("sr", "light_x2", "multiply-adds, G"),
])
def test_the_other_tables(tmp_path, table, network, multiply_adds):
    result = run("reproduce", table, "--json", tmp_path / "t.json")
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "t.json")["rows"]
    assert any("NaLaFormer-S" in row["network"] or "SwinIR" in row["network"] for row in rows)
    assert float(next(row for row in rows if row["network"] == network)[multiply_adds]) > 1


def test_sizes_of_the_memory_table_ascend():
    result = run("reproduce", "memory", "--sides", "16,8x8")
    assert result.status == 2 and "ascending" in result.error_line()


def test_an_unknown_table_names_those_there_are():
    result = run("reproduce", "imagenets")
    assert result.status == 2 and "ablation imagenet ade20k" in result.error_line()
