"""The paper's observations: figures, numbers, and a page that computes in the reader's browser."""

import base64
import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from conftest import read_json, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
POINT = (0.8, 0.3)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "waves.png"
    y, x = np.mgrid[0:48, 0:64]
    colours = np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)], -1)
    Image.fromarray((127 + 120 * colours).astype(np.uint8)).save(path)
    return path


def of(rows, source, kernel):
    found = [row for row in rows if row["source"] == source and row["kernel"] == kernel]
    assert len(found) == 1, (source, kernel)
    return found[0]


def test_entropy_on_made_data_is_what_the_paper_says(tmp_path):
    result = run("analyze", "entropy", "--output", tmp_path / "out", "--json", tmp_path / "e.json",
                 timeout=120)
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "e.json")["made"]
    for pattern in ("spikes", "isotropic"):
        for kernel in ("softmax", "relu_split", "cosine"):
            assert of(rows, pattern, kernel)["spearman_query"] <= -0.7, (pattern, kernel)
        for kernel in ("relu", "focused", "relu_split (not norm-aware)", "cosine (not norm-aware)"):
            assert abs(of(rows, pattern, kernel)["spearman_query"]) <= 0.1, (pattern, kernel)
        assert all(row["empty_rows"] == 0 for row in rows)
    with open(tmp_path / "out/entropy.csv") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows) == 16
    assert float(of(table, "spikes", "softmax")["spearman_query"]) == pytest.approx(
        of(rows, "spikes", "softmax")["spearman_query"], abs=1e-4)
    page = (tmp_path / "out/entropy.html").read_text()
    assert page.count('class="plot"') == 32
    assert "http://" not in page and "https://" not in page
    assert read_json(tmp_path / "out/entropy.json")["made"] == rows


def test_entropy_of_a_checkpoint_has_every_head(trained, picture, tmp_path):
    result = run("analyze", "entropy", picture, picture, "--checkpoint", trained, "--queries", "64",
                 "--keys", "64", "--rows", "20", "--json", tmp_path / "e.json")
    assert result.status == 0, result.err
    rows = read_json(tmp_path / "e.json")["layers"]
    heads = {(row["source"], row["head"]) for row in rows}
    assert heads == {("layers.0.blocks.0", 0), ("layers.1.blocks.0", 0), ("layers.2.blocks.0", 0),
                     ("layers.2.blocks.0", 1), ("layers.3.blocks.0", 0), ("layers.3.blocks.0", 1)}
    own = {row["source"]: row["kernel"] for row in rows if row["own"]}
    assert own["layers.0.blocks.0"] == "relu_split" and own["layers.3.blocks.0"] == "softmax"
    assert len(rows) == 6 * 8
    assert of([row for row in rows if row["head"] == 0], "layers.0.blocks.0", "relu")["rows"] == 40


def test_kernels_are_measured_and_swept(trained, picture, tmp_path):
    result = run("analyze", "kernels", picture, "--checkpoint", trained, "--tokens", "96",
                 "--output", tmp_path / "out", "--json", tmp_path / "k.json")
    assert result.status == 0, result.err
    report = read_json(tmp_path / "k.json")
    made = {row["kernel"]: row for row in report["rows"] if row["set"] == "isotropic"}
    assert made["softmax"]["information_kept"] == pytest.approx(1)
    assert made["relu"]["nullified_channels_percent"] == pytest.approx(75, abs=2)
    assert made["relu_split"]["nullified_channels_percent"] == pytest.approx(50, abs=2)
    assert all(row["smallest_over_largest"] > -1e-9 for row in report["rows"])
    assert {row["set"] for row in report["rows"]} >= {"isotropic", "spikes", "layers.1.blocks.0"}
    assert {point["parameter"] for point in report["sweeps"]} == {"lambda", "tau", "alpha"}
    for name in ("kernels.html", "kernels.csv", "kernels_sweeps.csv", "kernels.json"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


@pytest.mark.parametrize("words, expected", [
    (["analyze"], "expected entropy, attention or kernels"),
    (["analyze", "colours"], "colours"),
    (["analyze", "entropy", "a.png"], "--checkpoint"),
    (["analyze", "entropy", "--spikes", "65"], "--spikes"),
    (["analyze", "attention", "a.png", "--output", "out", "--points", "2,2"], "--points"),
    (["analyze", "attention", "a.png"], "--output"),
])
def test_wrong_words_are_named(words, expected, tmp_path):
    result = run(*words, cwd=tmp_path)
    assert result.status == 2
    assert expected in result.error_line()


def test_a_checkpoint_wants_pictures_that_can_be_read(trained, tmp_path):
    result = run("analyze", "kernels", "--checkpoint", trained)
    assert result.status == 2
    assert "expected pictures" in result.error_line()
    (tmp_path / "bad.png").write_text("no picture")
    result = run("analyze", "entropy", tmp_path / "bad.png", "--checkpoint", trained)
    assert result.status == 1
    assert "bad.png" in result.error_line()


@pytest.fixture(params=["relu_split", "cosine"])
def studied(request, tiny, picture, tmp_path):
    result = run("train", tiny, f"model.attention.feature_map={request.param}", "train.epochs=1",
                 "schedule.warmup_epochs=0")
    assert result.status == 0, result.err
    result = run("analyze", "attention", picture, "--checkpoint", tmp_path / "run", "--points",
                 "{},{}".format(*POINT), "--output", tmp_path / "out")
    assert result.status == 0, result.err
    return tmp_path / "out"


def test_attention_maps_and_receptive_field(studied):
    picture = read_json(studied / "attention.json")["pictures"][0]
    maps = picture["maps"]
    assert len(maps) == 2 * 6  # heads, with and without rotation
    for one in maps:
        assert one["token"] == int(POINT[1] * one["height"]) * one["width"] + int(
            POINT[0] * one["width"])
        if not one["rotated"] or one["kernel"] == "softmax":
            # The normaliser's eps takes a little of rows with small similarities.
            assert 0.9 < one["sum"] < 1.0001
            assert one["smallest"] >= 0
        assert 0 <= one["entropy"] <= np.log(one["height"] * one["width"]) + 1e-6
    assert 0 < picture["receptive_field"]["half_area"] < picture["receptive_field"]["most_area"] <= 1
    page = (studied / "attention.html").read_text()
    assert page.count("<figure>") == 1 + len(maps)
    assert "http://" not in page and "https://" not in page


def stored(page):
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(data.group(1))


def softmax_row(layer, head, token, rotated):
    """Softmax attention of the stored q and k, as the specification of the rotation has it."""
    d, count = layer["channels"], layer["height"] * layer["width"]
    q, k = (np.frombuffer(base64.b64decode(head[name]), "<f2").astype(float).reshape(count, d)
            for name in ("q", "k"))
    if rotated:
        angle = np.repeat(1 / 10000 ** np.linspace(0, 1, d // 4), 2)
        place = np.arange(count)
        turns = np.concatenate([(place // layer["width"])[:, None] * angle,
                                (place % layer["width"])[:, None] * angle], 1)

        def turned(x):
            pairs = x.reshape(count, -1, 2)
            swapped = np.stack([-pairs[..., 1], pairs[..., 0]], -1).reshape(count, d)
            return x * np.cos(turns) + swapped * np.sin(turns)

        q, k = turned(q), turned(k)
    powers = np.exp(q[token] @ k.T / np.sqrt(d))
    return powers / powers.sum()


def said(text):
    """The largest weight and the entropy that the page tells."""
    found = re.fullmatch(
        r"strongest: row \d+, column \d+, (\S+) %\nentropy (\S+) of at most \S+", text)
    assert found, text
    return float(found[1]) / 100, float(found[2])


# Moves the pointer over the picture in every layer and head and notes what the page says.
VISITOR = """
<script>
const visit = () => {
  if (!document.body.dataset.ready) { setTimeout(visit, 20); return; }
  const seen = [];
  data.layers.forEach((layer, l) => layer.heads.forEach((_, h) => [true, false].forEach(rotated => {
    choose({layer: l, head: h, rotated, token: 0});
    const box = element('picture').getBoundingClientRect();
    element('picture').dispatchEvent(new PointerEvent('pointermove', {
      clientX: box.left + X * box.width, clientY: box.top + Y * box.height, bubbles: true}));
    seen.push({layer: layer.name, head: h, rotated, token: state.token,
      own: element('own-text').textContent, other: element('other-text').textContent});
  })));
  const note = document.body.appendChild(document.createElement('pre'));
  note.id = 'seen';
  note.textContent = btoa(JSON.stringify(seen));
};
visit();
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: chromium)")
def test_explorer_in_a_browser_computes_the_same_rows(studied, tmp_path):
    page = (studied / "explorer.html").read_text()
    assert "http://" not in page and "https://" not in page
    visitor = VISITOR.replace("X *", f"{POINT[0]} *").replace("Y *", f"{POINT[1]} *")
    (tmp_path / "visited.html").write_text(page.replace("</body>", visitor + "</body>"))
    browser = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", "--dump-dom",
         (tmp_path / "visited.html").as_uri()],
        capture_output=True, text=True, timeout=120)
    note = re.search(r'<pre id="seen">(.*?)</pre>', browser.stdout)
    assert note, browser.stderr[-2000:]
    seen = json.loads(base64.b64decode(note[1]))
    expected = {(m["layer"], m["head"], m["rotated"]): m
                for m in read_json(studied / "attention.json")["pictures"][0]["maps"]}
    assert len(seen) == len(expected) == 12
    layers = {layer["name"]: layer for layer in stored(page)["layers"]}
    for entry in seen:
        one = expected[entry["layer"], entry["head"], entry["rotated"]]
        assert entry["token"] == one["token"]
        weight, entropy = said(entry["own"])
        # Features are stored in half precision.
        assert weight == pytest.approx(one["strongest"]["weight"], rel=1e-2)
        assert entropy == pytest.approx(one["entropy"], abs=1e-2)
        layer = layers[entry["layer"]]
        if not layer["softmax"]:
            beside = softmax_row(layer, layer["heads"][entry["head"]], entry["token"],
                                 entry["rotated"])
            weight, entropy = said(entry["other"])
            assert weight == pytest.approx(beside.max(), rel=1e-2)
            assert entropy == pytest.approx(-(beside * np.log(beside)).sum(), abs=1e-3)
