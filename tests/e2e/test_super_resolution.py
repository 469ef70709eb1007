"""Super-resolution from pictures to larger pictures."""

import json

import pytest
from PIL import Image, ImageFilter

from conftest import read_json, run

SETTINGS = {
    "task": "super_resolution",
    "model.super_resolution.size": "custom",
    "model.super_resolution.channels": "8",
    "model.super_resolution.groups": "[1]",
    "model.super_resolution.heads": "1",
    "data.name": "super_resolution",
    "data.super_resolution.train_sets": "[Train]",
    "data.super_resolution.val_sets": "[TestA, TestB]",
    "data.image_size": "12",
    "data.batch_size": "2",
    "data.repeat": "4",
    "data.workers": "1",
    "train.max_steps": "12",
    "train.log_every": "4",
    "train.eval_every_steps": "6",
    "schedule.warmup_epochs": "0",
    "schedule.lag_one_epoch": "false",
    "optimizer.name": "adam",
    "optimizer.lr": "1e-3",
    "optimizer.weight_decay": "0",
    "ema.decay": "0.9",
    "checkpoint.every_steps": "6",
}


def photo(width, height, mode="RGB"):
    return Image.effect_noise((width, height), 90).filter(ImageFilter.GaussianBlur(2)).convert(mode)


def words(root, **changes):
    keys = dict(SETTINGS, **{"data.root": root})
    keys.update({name.replace("__", "."): value for name, value in changes.items()})
    return [f"{key}={value}" for key, value in keys.items()]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sr")
    for name, size in {"Train/HR/a.png": (60, 48), "Train/HR/b.png": (20, 50),
                       "Train/HR/c.png": (49, 37), "TestA/HR/one.png": (45, 39),
                       "TestA/HR/grey.png": (36, 36), "TestB_HR/two.png": (50, 31)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photo(*size, mode="L" if "grey" in name else "RGB").save(folder / name)
    return folder


@pytest.fixture(scope="module")
def upscaler(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "x2"
    (output.parent / "empty.yaml").write_text("{}\n")
    result = run("train", output.parent / "empty.yaml", *words(root, output=output))
    assert result.status == 0, result.err
    return output


def test_training_leaves_a_run_with_sets_and_pictures(upscaler):
    lines = [json.loads(line) for line in (upscaler / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["kind"] == "eval"][-1]
    assert last["step"] == 12
    assert set(last["sets"]) == {"TestA", "TestB"}
    assert last["psnr_y"] == last["sets"]["TestA"]["psnr_y"]
    page = (upscaler / "report.html").read_text()
    assert "high resolution" in page and "network" in page


@pytest.mark.parametrize("protocol", ["A", "C"])
def test_evaluation_names_protocol_and_puts_bicubic_beside(upscaler, tmp_path, protocol):
    result = run("eval", "--checkpoint", upscaler, "--json", tmp_path / "e.json", "--output",
                 tmp_path / "details", f"data.super_resolution.protocol={protocol}")
    assert result.status == 0, result.err
    metrics = read_json(tmp_path / "e.json")["metrics"]
    assert set(metrics) == {"raw", "ema", "bicubic"}
    for row in metrics.values():
        assert row["protocol"] == protocol
        assert set(row["sets"]["TestB"]) == {"images", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"}
    lines = (tmp_path / "details" / "raw" / "pictures.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["TestA", "grey"], ["TestA", "one"], ["TestB", "two"]]
    mean = sum(float(line.split(",")[2]) for line in lines[1:3]) / 2
    assert mean == pytest.approx(metrics["raw"]["sets"]["TestA"]["psnr_y"], abs=1e-3)


def test_self_ensemble_and_tiles_change_little(upscaler, tmp_path):
    def psnr(*more):
        result = run("eval", "--checkpoint", upscaler, "--weights", "raw", "--json",
                     tmp_path / "e.json", *more)
        assert result.status == 0, result.err
        return read_json(tmp_path / "e.json")["metrics"]["raw"]["sets"]["TestA"]["psnr_y"]

    plain = psnr()
    for more in (["super_resolution.self_ensemble=true"],
                 ["super_resolution.tile=16", "super_resolution.overlap=8"]):
        other = psnr(*more)
        assert other != plain
        assert other == pytest.approx(plain, abs=0.5)


def test_pictures_keep_their_kind(upscaler, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    photo(21, 13).save(folder / "colour.png")
    photo(21, 13).save(folder / "colours.jpg")
    photo(21, 13, "L").save(folder / "grey.png")
    photo(21, 13, "LA").save(folder / "grey_alpha.png")
    photo(21, 13, "RGBA").save(folder / "alpha.png")
    photo(21, 13, "L").convert("I;16").point(lambda v: v * 257).save(folder / "deep.png")
    result = run("predict", folder, "--checkpoint", upscaler, "--output", tmp_path / "out",
                 "--compare", "--json", tmp_path / "p.json")
    assert result.status == 0, result.err
    kinds = {}
    for path in sorted((tmp_path / "out").glob("*_x2.png")):
        with Image.open(path) as picture:
            assert picture.size == (42, 26)
            kinds[path.stem] = picture.mode
    assert kinds == {"colour_x2": "RGB", "colours_x2": "RGB", "grey_x2": "L",
                     "grey_alpha_x2": "LA", "alpha_x2": "RGBA", "deep_x2": "I;16"}
    outputs = {p["path"].split("/")[-1]: p["outputs"]
               for p in read_json(tmp_path / "p.json")["predictions"]}
    assert [name.split("/")[-1] for name in outputs["grey.png"]] == ["grey_x2.png",
                                                                     "grey_x2_compare.png"]
    with Image.open(tmp_path / "out" / "deep_x2_compare.png") as both:
        assert both.size == (2 * 42 + 8, 26) and both.mode == "RGB"
    # Close to bicubic after so few steps: the values are where they belong.
    with Image.open(tmp_path / "out" / "grey_x2.png") as larger, Image.open(
            folder / "grey.png") as small:
        expected = small.resize((42, 26), Image.BICUBIC)
        off = [abs(a - b) for a, b in zip(larger.tobytes(), expected.tobytes())]
        assert sum(off) / len(off) < 20


def test_little_memory_means_tiles_of_nearly_the_same(upscaler, tmp_path):
    photo(150, 90).save(tmp_path / "large.png")
    for name, more in {"whole": [], "tiles": ["--tile", "48"], "memory": ["--memory", "1.2"]}.items():
        result = run("predict", tmp_path / "large.png", "--checkpoint", upscaler, "--output",
                     tmp_path / name, *more)
        assert result.status == 0, result.err
        picture = read_json(tmp_path / name / "predictions.json")["predictions"][0]
        assert ("tile" in picture) == (name != "whole") == ("in tiles of" in result.err)
        assert name != "tiles" or picture["tile"] == 48
    whole, tiles, memory = (Image.open(tmp_path / name / "large_x2.png").tobytes()
                            for name in ("whole", "tiles", "memory"))
    assert whole != tiles and memory not in (whole, tiles)
    for other in (tiles, memory):
        off = [abs(a - b) for a, b in zip(whole, other)]
        assert sum(off) / len(off) < 2
    result = run("predict", tmp_path / "large.png", "--checkpoint", upscaler, "--output",
                 tmp_path / "none", "--memory", "0.01")
    assert result.status == 2 and "--memory" in result.error_line()
    result = run("predict", tmp_path / "large.png", "--checkpoint", upscaler)
    assert result.status == 2 and "--output" in result.error_line()


def test_large_pictures_take_little_more_than_three_maps(tmp_path):
    def peak(side):
        result = run("bench", "model", "task=super_resolution", "model.super_resolution.size=custom",
                     "model.super_resolution.channels=16", "model.super_resolution.groups=[1,1]",
                     "model.super_resolution.heads=2", "model.super_resolution.scale=2",
                     f"data.image_size={side}", "--batch", "1", "--threads", "1", "--fused",
                     "--json", tmp_path / "b.json")
        if "AVX2" in result.err:
            pytest.skip(result.error_line())
        assert result.status == 0, result.err
        return read_json(tmp_path / "b.json")["rows"][0]["peak_bytes"]

    pixels = 320 * 320 - 160 * 160
    grown = peak(320) - peak(160)
    # Three maps of 16 channels, the picture twice, the result and its first half, in float32; a
    # tenth on top, and what bands of whole rows are unequal by.
    assert grown < pixels * (3 * 16 + 3 * (2 + 2 + 4)) * 4 * 1.1 + 2e6


def test_a_cache_that_is_too_small_is_named(root, tmp_path):
    folder = tmp_path / "sets" / "Train" / "HR"
    folder.mkdir(parents=True)
    photo(900, 700).save(folder / "large.png")
    (tmp_path / "empty.yaml").write_text("{}\n")
    for megabytes, named in ((1, True), (3, False), (0, False)):
        result = run("train", tmp_path / "empty.yaml", "--dry-run",
                     *words(tmp_path / "sets", output=tmp_path / f"c{megabytes}",
                            data__super_resolution__val_sets="[Train]",
                            data__super_resolution__cache_mb=megabytes))
        assert result.status == 0, result.err
        assert ("cache_mb" in result.err) == named, result.err


def test_x3_starts_from_x2_without_its_reconstruction(root, upscaler, tmp_path):
    (tmp_path / "empty.yaml").write_text("{}\n")
    result = run("train", tmp_path / "empty.yaml",
                 *words(root, output=tmp_path / "x3", train__max_steps=2, init__checkpoint=upscaler,
                        data__super_resolution__scale=3))
    assert result.status == 0, result.err
    assert "upsample.0.weight" in result.err and "conv_body.weight" not in result.err
    assert run("eval", "--checkpoint", tmp_path / "x3").status == 0


def test_scales_that_disagree_are_refused(root, tmp_path):
    (tmp_path / "empty.yaml").write_text("{}\n")
    result = run("train", tmp_path / "empty.yaml",
                 *words(root, output=tmp_path / "no", model__super_resolution__scale=4))
    assert result.status == 2
    assert "model.super_resolution.scale" in result.error_line()


def test_subimages_are_a_set_of_their_own(root, tmp_path):
    result = run("data", "subimages", "--output", tmp_path / "parts", "--size", "24", "--step", "12",
                 *words(root))
    assert result.status == 0, result.err
    with Image.open(tmp_path / "parts/Train/LR_bicubic/X2/a_s001x2.png") as part:
        assert part.size == (12, 12)
    result = run("data", "check", *words(tmp_path / "parts", data__super_resolution__val_sets="[Train]"))
    assert result.status == 0, result.err


def test_memory_table(tmp_path):
    result = run("reproduce", "memory", "--sides", "8,8x18,16", "--output", tmp_path, "--json",
                 tmp_path / "m.json", "model.super_resolution.size=custom",
                 "model.super_resolution.channels=8", "model.super_resolution.groups=[1]",
                 "model.super_resolution.heads=1")
    assert result.status == 0, result.err
    table = read_json(tmp_path / "m.json")
    assert len(table["rows"]) == 2 * 3 * 3
    assert all(row["peak_bytes"] > 0 for row in table["rows"])
    assert {row["tokens"] for row in table["rows"]} == {64, 144, 256}
    growth = {(row["subject"], row["kind"]): row["memory"] for row in table["growth"]}
    assert growth["attention", "nala"] < 1.2
    assert growth["attention", "softmax, materialised"] > 1.4
    assert "softmax, fused" in (tmp_path / "memory.html").read_text()
    assert len((tmp_path / "memory.csv").read_text().splitlines()) == 19
    assert run("reproduce", "nothing").status == 2
