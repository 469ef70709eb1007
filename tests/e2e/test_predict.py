"""Pictures in, classes out, whatever the pictures are like."""

import json
import subprocess

import pytest
from PIL import Image

from conftest import PROGRAM, read_json, run


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


def test_many_pictures_stay_in_order_with_bad_ones_among_them(trained, tmp_path):
    names = []
    for i in range(150):
        names.append(tmp_path / f"{149 - i:03d}.png")  # not the order of names
        if i % 10 == 3:
            names[-1].write_text("no picture")
        else:
            Image.new("RGB", (20 + i % 7, 33), (i, 255 - i, 90)).save(names[-1])
    listed = "\n".join(map(str, names)) + "\n"
    result = run("predict", "-", "--checkpoint", trained, "--jsonl", "--threads", 2,
                 "--json", tmp_path / "p.json", input=listed)
    assert result.status == 1
    good = [str(name) for i, name in enumerate(names) if i % 10 != 3]
    assert [json.loads(line)["path"] for line in result.out.splitlines()] == good
    report = read_json(tmp_path / "p.json")
    assert [entry["path"] for entry in report["skipped"]] == [
        str(name) for i, name in enumerate(names) if i % 10 == 3]
    speed = report["speed"]
    assert speed["pictures"] == 150 and speed["cores"] == 2
    spent = speed["core_seconds"]
    assert spent["decode"] > 0 and spent["model"] > 0
    assert abs(speed["share_of_possible"] - sum(spent.values()) / (2 * speed["wall_seconds"])) < 1e-9
    # One thread, another division into batches: the same answers.
    alone = run("predict", "-", "--checkpoint", trained, "--jsonl", "--threads", 1, input=listed)
    for left, right in zip(result.out.splitlines(), alone.out.splitlines()):
        left, right = json.loads(left), json.loads(right)
        assert left["path"] == right["path"]
        for one, other in zip(left["top"], right["top"]):
            assert abs(one["probability"] - other["probability"]) < 1e-5


def test_several_processes_on_one_checkpoint(trained, pictures):
    command = [PROGRAM, "predict", pictures, "--checkpoint", trained, "--jsonl", "--quiet"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for _ in range(4)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert all(process.returncode == 0 for process in processes), outputs
    assert len({out for out, _ in outputs}) == 1
