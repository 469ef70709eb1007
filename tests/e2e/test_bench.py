"""`nalaformer bench model` and `bench train`: profile, threads, memory, and what they refuse."""

import re
import xml.etree.ElementTree

import pytest

from conftest import read_json, run

WHOLE = "model.name=nalaformer_xt"


def rows_of(path):
    return read_json(path)["rows"]


def kinds_of(row):
    return {kind["kind"]: kind for kind in row["profile"]["kinds"]}


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """The rows of one inference and one training step of XT at 64 x 64, with their pictures."""
    folder = tmp_path_factory.mktemp("profile")
    found = {}
    for subject in ("model", "train"):
        result = run("bench", subject, WHOLE, "data.image_size=64", "--batch", "2", "--seconds", "0",
                     "--profile", folder / f"{subject}.svg", "--json", folder / "b.json")
        assert result.status == 0, result.err
        (row,) = rows_of(folder / "b.json")
        found[subject] = (row, result.out, (folder / f"{subject}.svg").read_text())
    return found


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """What `info` counts for the same network and size."""
    file = tmp_path_factory.mktemp("info") / "i.json"
    result = run("info", WHOLE, "data.image_size=64", "--json", file)
    assert result.status == 0, result.err
    return read_json(file)


def test_kinds_add_up_to_the_step(profiles):
    for row, text, _ in profiles.values():
        profile = row["profile"]
        kinds = kinds_of(row)
        assert sum(kind["ms"] for kind in kinds.values()) == pytest.approx(profile["step_ms"])
        assert sum(kind["share"] for kind in kinds.values()) == pytest.approx(1)
        # The machine may be busy, the step is what was timed before all the same.
        assert profile["plain_step_ms"] / 3 < profile["step_ms"] < 3 * profile["plain_step_ms"]
        assert {
            "matrix product",
            "depthwise 3x3",
            "depthwise 5x5",
            "attention",
            "attention epilogue",
            "other convolution",
            "normalisation",
            "other",
        } <= set(kinds)
        for name, kind in kinds.items():
            assert re.search(rf"^{name}  +", text, re.M), name
            assert kind["ms"] > 0
            if kind["share_of_roof"] is not None:
                assert kind["share_of_roof"] == pytest.approx(kind["least_ms"] / kind["ms"])
        assert kinds["matrix product"]["bound_by"] in ("arithmetic", "memory")
        assert min(profile[key] for key in ("copy_gb_per_s", "float32_gflop_per_s")) > 0


def test_the_picture_shows_every_kind(profiles):
    for row, _, svg in profiles.values():
        root = xml.etree.ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        texts = {element.text for element in root.iter() if element.tag.endswith("text")}
        assert set(kinds_of(row)) <= texts


def test_products_are_those_that_info_counts(profiles, layers):
    kinds = kinds_of(profiles["model"][0])
    counted = sum(kinds[name]["gflop"] for name in ("matrix product", "other convolution"))
    expected = 2 * 2 * sum(
        layer["multiply_adds"] for layer in layers["layers"]
        if layer["operation"] in ("conv", "linear")
        and not re.search(r"cpe|lepe|dwconv", layer["name"])) / 1e9
    assert counted == pytest.approx(expected, rel=1e-3)


def test_a_training_step_has_three_times_the_products_and_an_optimizer(profiles, layers):
    forward, step = (kinds_of(profiles[subject][0]) for subject in ("model", "train"))
    products = step["matrix product"]["gflop"] / forward["matrix product"]["gflop"]
    assert products == pytest.approx(3, rel=1e-3)
    # Parameters, gradients and two moments are read, all but the gradients written.
    assert step["optimizer"]["gigabytes"] == pytest.approx(
        7 * 4 * layers["parameters"] / 1e9, rel=0.01)
    assert "optimizer" not in forward


def test_profile_refuses_what_it_cannot_see():
    fused = run("bench", "model", WHOLE, "--fused", "--profile")
    assert fused.status == 2 and "plain form" in fused.error_line()
    several = run("bench", "model", WHOLE, "--batch", "1,2", "--profile=out.svg")
    assert several.status == 2 and "2 rows" in several.error_line()
    trained = run("bench", "train", WHOLE, "--fused")
    assert trained.status == 2 and "bench model --fused" in trained.error_line()


def test_threads_are_a_list(tiny, tmp_path):
    result = run("bench", "model", tiny, "--batch", "2", "--threads", "1,2", "--seconds", "0",
                 "--json", tmp_path / "b.json")
    assert result.status == 0, result.err
    assert [row["threads"] for row in rows_of(tmp_path / "b.json")] == [1, 2]
    assert "speed-up" in result.out
    for wrong in ("0", "1,x", "5000"):
        refused = run("bench", "model", tiny, "--threads", wrong)
        assert refused.status == 2 and "--threads" in refused.error_line()


def test_resident_memory_holds_weights_and_more(tmp_path, layers):
    peaks = {}
    for subject in ("model", "train"):
        result = run("bench", subject, WHOLE, "data.image_size=64", "--batch", "2", "--seconds", "0",
                     "--memory", "--json", tmp_path / "b.json")
        assert result.status == 0, result.err
        (row,) = rows_of(tmp_path / "b.json")
        peaks[subject] = row["peak_resident_bytes"]
    weights = 4 * layers["parameters"]
    assert weights < peaks["model"] < 8 * weights
    # Weights, gradients and two moments.
    assert peaks["train"] > 4 * weights
    several = run("bench", "model", WHOLE, "--batch", "1,2", "--memory")
    assert several.status == 2 and "one row" in several.error_line()
