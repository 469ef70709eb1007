"""Pictures in, classes out, whatever the pictures are like."""

import json

import pytest
from PIL import Image

from conftest import read_json, run


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    photo = Image.effect_noise((50, 37), 60).convert("RGB")
    photo.save(folder / "a.jpg")
    photo.convert("L").save(folder / "grey.png")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.convert("P").save(folder / "palette.png")
    photo.convert("RGBA").save(folder / "alpha.png")
    photo.save(folder / "b.bmp")
    photo.save(folder / "c.webp", lossless=True)
    photo.save(folder / "d.tif")
    (folder / "notes.txt").write_text("not a picture, not asked for")
    return folder


def test_folder_gives_every_picture_in_order(trained, pictures, tmp_path):
    result = run("predict", pictures, "--checkpoint", trained, "--json", tmp_path / "p.json", "--top", 2)
    assert result.status == 0, result.err
    predictions = read_json(tmp_path / "p.json")["predictions"]
    assert [p["path"] for p in predictions] == sorted(
        str(path) for path in pictures.iterdir() if path.suffix != ".txt")
    for prediction in predictions:
        assert len(prediction["top"]) == 2
        assert prediction["top"][0]["probability"] >= prediction["top"][1]["probability"]
        assert prediction["top"][0]["label"]
    assert len(result.out.splitlines()) == len(predictions)


def test_bad_files_are_reported_and_the_rest_is_done(trained, pictures, tmp_path):
    whole = (pictures / "a.jpg").read_bytes()
    (pictures / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "text.jpg").write_text("no picture")
    result = run("predict", pictures, pictures / "missing.jpg", "--checkpoint", trained,
                 "--json", tmp_path / "p.json")
    assert result.status == 1
    report = read_json(tmp_path / "p.json")
    assert len(report["predictions"]) == 8
    assert sorted(entry["path"].split("/")[-1] for entry in report["skipped"]) == [
        "cut.jpg", "empty.png", "missing.jpg", "text.jpg"]
    assert all(entry["reason"] for entry in report["skipped"])


def test_lists_on_standard_input_and_lines_of_json(trained, pictures):
    names = [str(pictures / "a.jpg"), str(pictures / "b.bmp")]
    result = run("predict", "-", "--checkpoint", trained, "--jsonl", input="\n".join(names) + "\n")
    assert result.status == 0, result.err
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["path"] for line in lines] == names


def test_a_picture_alone_and_in_company_get_the_same_answer(trained, pictures, tmp_path):
    run("predict", pictures, "--checkpoint", trained, "--json", tmp_path / "all.json")
    run("predict", pictures / "d.tif", "--checkpoint", trained, "--json", tmp_path / "one.json")
    one = read_json(tmp_path / "one.json")["predictions"][0]
    same = [p for p in read_json(tmp_path / "all.json")["predictions"] if p["path"] == one["path"]][0]
    for left, right in zip(one["top"], same["top"]):
        assert left["label"] == right["label"]
        assert abs(left["probability"] - right["probability"]) < 1e-5
