"""Segmentation as a user runs it, its metrics against numpy."""

import csv
import json
import struct

import pytest
from conftest import read_json, run, settings

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

NAMES = ["sky", "road, wet", "tree", "nowhere"]


def write_set(root):
    """Stripes of three colours whose labels follow them; 0 is no class, one class never occurs."""
    random = np.random.default_rng(5)
    for split, count in (("training", 8), ("validation", 3)):
        for i in range(count):
            height, width = 40 + 7 * i, 64 - 5 * i
            edge = random.integers(10, height - 10)
            labels = np.ones((height, width), np.uint8)
            labels[edge:] = 2
            labels[:, : width // 4] = 3
            picture = np.zeros((height, width, 3), np.uint8)
            picture[np.arange(height)[:, None], np.arange(width), labels - 1] = 200
            labels[0] = 0
            labels[:, -1] = 255
            for folder, array, suffix in (("images", picture, "jpg"),
                                          ("annotations", labels, "png")):
                path = root / folder / split / f"{i}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    rows = ["label\tname\tr\tg\tb"]
    rows += [f"{i + 1}\t{name}\t{10 * i}\t{20 * i}\t255" for i, name in enumerate(NAMES)]
    (root / "classes.tsv").write_text("\n".join(rows) + "\n")


def words(root, **changes):
    keys = dict(task="segmentation", data__name="ade20k", data__root=root, data__image_size="32",
                data__batch_size="4", data__augment__cutmix="0", data__augment__mixup="0",
                data__segmentation__scale="[64, 48]", data__repeat="2",
                model__segmentation__neck_channels="8", model__segmentation__channels="8",
                model__segmentation__auxiliary_channels="8", train__epochs="2",
                optimizer__lr="3e-3")
    keys.update(changes)
    return settings(**keys)


def trained_on(tmp_path, **changes):
    (tmp_path / "empty.yaml").write_text("seed: 1\n")
    write_set(tmp_path / "set")
    result = run("train", tmp_path / "empty.yaml", *words(tmp_path / "set", **changes),
                 f"output={tmp_path / 'run'}")
    assert result.status == 0, result.err
    return tmp_path / "run"


@pytest.mark.parametrize("head", ["semantic_fpn", "upernet"])
def test_metrics_are_those_of_numpy(tmp_path, head):
    folder = trained_on(tmp_path, model__segmentation__head=head)
    found = tmp_path / "eval.json"
    result = run("eval", "--checkpoint", folder, "--weights", "raw", "--json", found, "--output",
                 tmp_path / "details")
    assert result.status == 0, result.err
    metrics = read_json(found)["metrics"]["raw"]
    result = run("predict", tmp_path / "set/images/validation", "--checkpoint", folder,
                 "--weights", "raw", "--output", tmp_path / "out", "--jsonl")
    assert result.status == 0, result.err

    matrix = np.zeros((4, 4), np.int64)
    for truth in sorted((tmp_path / "set/annotations/validation").iterdir()):
        labels = np.asarray(Image.open(truth)).astype(int)
        said = np.asarray(Image.open(tmp_path / "out/labels" / truth.name)).astype(int)
        assert said.shape == labels.shape and said.min() >= 1 and said.max() <= 4
        valid = (labels >= 1) & (labels <= 4)
        np.add.at(matrix, (labels[valid] - 1, said[valid] - 1), 1)
    both, labelled, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    with np.errstate(invalid="ignore"):
        iou, acc = 100 * both / (labelled + predicted - both), 100 * both / labelled
    assert metrics["miou"] == pytest.approx(np.nanmean(iou), abs=1e-9)
    assert metrics["macc"] == pytest.approx(np.nanmean(acc), abs=1e-9)
    assert metrics["aacc"] == pytest.approx(100 * both.sum() / matrix.sum(), abs=1e-9)
    assert metrics["images"] == 3
    for row, value in zip(metrics["per_class"], iou):
        assert row["iou"] == (None if np.isnan(value) else pytest.approx(value, abs=1e-9))

    details = tmp_path / "details/raw"
    assert json.loads((details / "confusion.json").read_text())["matrix"] == matrix.tolist()
    with open(details / "confusion.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["truth", *NAMES] and rows[2] == [NAMES[1], *map(str, matrix[1])]
    Image.open(details / "confusion.png").verify()

    first = json.loads(result.out.splitlines()[0])
    assert sum(entry["share"] for entry in first["shares"]) == pytest.approx(1)
    mask = np.asarray(Image.open(tmp_path / "out/masks/0.png"))
    said = np.asarray(Image.open(tmp_path / "out/labels/0.png")).astype(int)
    assert (mask[..., 1] == 20 * (said - 1)).all() and (mask[..., 2] == 255).all()
    overlay = Image.open(tmp_path / "out/overlays/0.png")
    assert overlay.height == said.shape[0] and overlay.width > said.shape[1]


def test_a_window_over_everything_is_the_whole_picture(tmp_path):
    folder = trained_on(tmp_path)
    results = []
    for extra in ([], ["data.segmentation.eval.mode=slide", "data.segmentation.eval.window=512"]):
        found = tmp_path / "eval.json"
        assert run("eval", "--checkpoint", folder, "--json", found, *extra).status == 0
        results.append(read_json(found)["metrics"])
    assert results[0] == results[1]
    several = ["data.segmentation.eval.ratios=[0.5, 1, 1.5]", "data.segmentation.eval.flip=true"]
    assert run("eval", "--checkpoint", folder, *several).status == 0


def test_a_label_beyond_the_classes_names_its_file(tmp_path):
    (tmp_path / "empty.yaml").write_text("seed: 1\n")
    write_set(tmp_path / "set")
    path = tmp_path / "set/annotations/training/3.png"
    Image.fromarray(np.full_like(np.asarray(Image.open(path)), 9)).save(path)
    result = run("data", "check", tmp_path / "empty.yaml", *words(tmp_path / "set"),
                 "data.on_bad_file=skip")
    assert result.status == 1
    assert "3.png: label 9" in result.error_line() and "reduce_zero_label" in result.error_line()


def test_starts_from_a_classifier(tmp_path, trained):
    write_set(tmp_path / "set")
    result = run("train", tmp_path / "tiny.yaml", *words(tmp_path / "set"), "--dry-run",
                 f"init.checkpoint={trained}", f"output={tmp_path / 'other'}")
    assert result.status == 0, result.err
    lines = result.err.splitlines()
    assert "missing" in next(line for line in lines if "init.checkpoint" in line)
    beginnings = {line.split()[0]: line for line in lines}
    assert "'backbone.*'" in beginnings["loaded"]
    left = next(line for line in lines if line.startswith("not in the file"))
    assert "'neck.*' (16), 'decode_head.*' (" in left and "backbone." not in left
    unused = next(line for line in lines if line.startswith("not in the model"))
    assert "'head.*' (2)" in unused and "'proj.*' (2)" in unused


def without_recipe(source, target):
    """The same .safetensors with nothing but tensors in it."""
    content = source.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length:])


@pytest.mark.parametrize("head", ["semantic_fpn", "upernet"])
def test_a_bare_file_is_recognised(tmp_path, head):
    folder = trained_on(tmp_path, model__segmentation__head=head, train__max_steps="2",
                        data__mean="[0.485, 0.456, 0.406]", data__std="[0.229, 0.224, 0.225]")
    whole, bare = tmp_path / "whole.safetensors", tmp_path / "bare.safetensors"
    assert run("export", "--checkpoint", folder, "--output", whole).status == 0
    without_recipe(whole, bare)
    pictures = tmp_path / "set/images/validation"
    seen = ["data.segmentation.scale=[64, 48]"]
    names = ["data.class_list=" + str(tmp_path / "set/classes.tsv")]
    for name, checkpoint, extra in (("a", whole, []), ("b", bare, seen), ("c", bare, seen + names)):
        result = run("predict", pictures, "--checkpoint", checkpoint, "--output", tmp_path / name,
                     "--json", tmp_path / f"{name}.json", *extra)
        assert result.status == 0, result.err
    for path in sorted((tmp_path / "a/labels").iterdir()):
        assert path.read_bytes() == (tmp_path / "b/labels" / path.name).read_bytes()
        assert ((tmp_path / "a/overlays" / path.name).read_bytes()
                == (tmp_path / "c/overlays" / path.name).read_bytes())
    shares = {name: read_json(tmp_path / f"{name}.json")["predictions"][0]["shares"]
              for name in "abc"}
    assert shares["a"] == shares["c"]
    assert [entry["label"] for entry in shares["b"]] == [
        str(entry["index"]) for entry in shares["a"]]

    metrics = []
    for checkpoint, extra in ((whole, []), (bare, seen)):
        result = run("eval", "--checkpoint", checkpoint, f"data.root={tmp_path / 'set'}", "--json",
                     tmp_path / "eval.json", *extra)
        assert result.status == 0, result.err
        metrics.append(read_json(tmp_path / "eval.json")["metrics"]["raw"])
    assert metrics[0] == metrics[1]
    result = run("export", "--checkpoint", bare, "--output", tmp_path / "again.safetensors")
    assert result.status == 0, result.err


def test_predict_sees_as_it_is_told(tmp_path):
    folder = trained_on(tmp_path)
    pictures = tmp_path / "set/images/validation"
    maps = {}
    for name, extra in (("own", []), ("window", ["data.segmentation.eval.mode=slide"]),
                        ("small", ["data.segmentation.scale=[24, 16]", "model.depths=[9, 9, 9, 9]"])):
        result = run("predict", pictures, "--checkpoint", folder, "--output", tmp_path / name, *extra)
        assert result.status == 0, result.err
        maps[name] = [path.read_bytes() for path in sorted((tmp_path / name / "labels").iterdir())]
    assert maps["own"] == maps["window"], "one window holds each of these pictures"
    assert maps["own"] != maps["small"]

    def refused(word):
        result = run("predict", pictures, "--checkpoint", folder, "--output", tmp_path / "x", word)
        assert result.status == 2
        return result.error_line()

    assert "train.epochs=3: changes nothing here" in refused("train.epochs=3")
    assert "data.segmentation.eval.mod" in refused("data.segmentation.eval.mod=slide")
    (tmp_path / "two.tsv").write_text("label\tname\n1\ta\n2\tb\n")
    result = run("predict", pictures, "--checkpoint", folder, "--output", tmp_path / "x",
                 f"data.class_list={tmp_path / 'two.tsv'}")
    assert result.status != 0 and "2 classes, but" in result.error_line()


def test_predict_needs_a_folder(tmp_path):
    folder = trained_on(tmp_path)
    result = run("predict", tmp_path / "set/images/validation/0.jpg", "--checkpoint", folder)
    assert result.status == 2 and "--output" in result.error_line()


def test_info_counts_the_heads(tmp_path):
    found = tmp_path / "info.json"
    (tmp_path / "empty.yaml").write_text("task: segmentation\n")
    result = run("info", tmp_path / "empty.yaml", "model.num_classes=150", "data.image_size=512",
                 "model.segmentation.head=upernet", "--json", found)
    assert result.status == 0, result.err
    info = read_json(found)
    assert info["task"] == "segmentation"
    assert any(layer["name"] == "decode_head.fpn_bottleneck.conv" for layer in info["layers"])
