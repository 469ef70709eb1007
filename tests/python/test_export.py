"""What export writes as graphs, in the hands of Python."""

import json
import os
import pathlib
import sys

import pytest

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import test_segmentation  # noqa: E402
import test_super_resolution  # noqa: E402
from conftest import ROOT, run, tiny  # noqa: E402, F401  (tiny is a fixture)

TRAINED = ROOT / "models/digits.safetensors"
SHAPES = [(1, 3, 32, 32), (3, 3, 20, 44), (2, 3, 65, 7)]
# The program looks for onnxruntime in the python3 of PATH: this one.
PYTHON_FIRST = {"PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}


def noise(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def export(checkpoint, kind, file, *words, **variables):
    return run("export", "--checkpoint", checkpoint, "--format", kind, "--output", file,
               "--json", file.with_suffix(".json"), *words, env=os.environ | PYTHON_FIRST | variables)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    file = tmp_path_factory.mktemp("scripted") / "m.pt"
    result = export(TRAINED, "torchscript", file)
    assert result.status == 0, result.err
    return torch.jit.load(file)


def expect_graphs(checkpoint, folder):
    for kind in ("torchscript", "onnx"):
        file = folder / f"m.{kind}"
        result = export(checkpoint, kind, file)
        assert result.status == 0, result.err
        report = json.loads(file.with_suffix(".json").read_text())
        if report["executed"]:
            assert report["max_relative_error"] <= 1e-4
        assert report["executed"] or kind == "onnx"


def onnx_session(file):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def test_torchscript_has_nothing_of_ours(scripted):
    operators = {node.kind() for node in scripted.inlined_graph.nodes()}
    assert operators and all(kind.startswith(("aten::", "prim::")) for kind in operators)


@pytest.mark.parametrize("feature_map", ["relu_split", "cosine", "elu", "relu", "focused"])
def test_graphs_agree_with_the_program_for_every_map(tiny, tmp_path, feature_map):
    folder = tmp_path / "run"
    words = [f"model.attention.feature_map={feature_map}", "train.epochs=1", f"output={folder}"]
    assert run("train", tiny, *words).status == 0
    expect_graphs(folder, tmp_path)


@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_agrees_with_torchscript(scripted, tmp_path, shape):
    file = tmp_path / "m.onnx"
    result = export(TRAINED, "onnx", file)
    assert result.status == 0, result.err
    session = onnx_session(file)
    images = noise(shape)
    with torch.no_grad():
        expected = scripted(images).numpy()
    found = session.run(None, {"images": images.numpy()})[0]
    assert numpy.abs(found - expected).max() <= 1e-4 * numpy.abs(expected).max()


@pytest.mark.parametrize("normed", ["false", "true"])
def test_segmentation_graphs(tmp_path, normed):
    folder = test_segmentation.trained_on(
        tmp_path, model__segmentation__out_norm=normed, train__epochs="1")
    expect_graphs(folder, tmp_path)


def test_upernet_graphs(tmp_path):
    folder = test_segmentation.trained_on(
        tmp_path, model__segmentation__head="upernet", train__epochs="1")
    expect_graphs(folder, tmp_path)
    # The pooling of every size: that of a picture whose last map is 1 x 3 among them.
    session = onnx_session(tmp_path / "m.onnx")
    scripted = torch.jit.load(tmp_path / "m.torchscript")
    for shape in [(1, 3, 32, 96), (2, 3, 224, 160), (1, 3, 71, 250)]:
        images = noise(shape)
        with torch.no_grad():
            expected = scripted(images).numpy()
        found = session.run(None, {"images": images.numpy()})[0]
        assert numpy.abs(found - expected).max() <= 1e-4 * numpy.abs(expected).max(), shape


def trained_upscaler(tmp_path, scale, reconstruction):
    for name in ("Train/HR/a.png", "TestA/HR/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        test_super_resolution.photo(60, 52).save(tmp_path / name)
    (tmp_path / "empty.yaml").write_text("{}\n")
    words = test_super_resolution.words(
        tmp_path, data__super_resolution__val_sets="[TestA]",
        data__super_resolution__scale=str(scale), train__max_steps="2",
        model__super_resolution__reconstruction=reconstruction)
    result = run("train", tmp_path / "empty.yaml", *words, f"output={tmp_path / 'run'}")
    assert result.status == 0, result.err
    return tmp_path / "run"


@pytest.mark.parametrize("scale,reconstruction", [(2, "direct"), (3, "deep"), (4, "deep")])
def test_super_resolution_graphs(tmp_path, scale, reconstruction):
    expect_graphs(trained_upscaler(tmp_path, scale, reconstruction), tmp_path)


def test_super_resolution_weights_are_read_again(tmp_path):
    folder = trained_upscaler(tmp_path, 2, "direct")
    result = export(folder, "safetensors", tmp_path / "m.safetensors")
    assert result.status == 0, result.err
    result = run("predict", tmp_path / "TestA/HR/b.png", "--checkpoint", tmp_path / "m.safetensors",
                 "--output", tmp_path / "out")
    assert result.status == 0, result.err
    assert (tmp_path / "out/b_x2.png").exists()


def operators_of(file):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    return [node.op_type for node in model.graph.node]


def test_folded_norms_are_gone_and_the_result_is_the_same(tmp_path, scripted):
    plain, folded = tmp_path / "plain.onnx", tmp_path / "folded.onnx"
    assert export(TRAINED, "onnx", plain).status == 0
    result = export(TRAINED, "onnx", folded, "--fold")
    assert result.status == 0, result.err
    # 4 in the stem, 3 between stages, 1 before the pooling.
    assert operators_of(plain).count("BatchNormalization") == 8
    assert "BatchNormalization" not in operators_of(folded)
    images = noise(SHAPES[1])
    found = onnx_session(folded).run(None, {"images": images.numpy()})[0]
    with torch.no_grad():
        expected = scripted(images).numpy()
    assert numpy.abs(found - expected).max() <= 1e-4 * numpy.abs(expected).max()
    result = export(TRAINED, "torchscript", tmp_path / "m.pt", "--fold")
    assert result.status == 0, result.err
    assert "batch_norm" not in str(torch.jit.load(tmp_path / "m.pt").inlined_graph)


def byte_noise(*shape):
    return numpy.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=numpy.uint8)


def outputs_of(checkpoint, folder, images, *words):
    """Of the same bytes: the TorchScript file's and the ONNX file's."""
    outputs = []
    for kind in ("torchscript", "onnx"):
        result = export(checkpoint, kind, folder / f"p.{kind}", "--processing", *words)
        assert result.status == 0, result.err
    with torch.no_grad():
        outputs.append(torch.jit.load(folder / "p.torchscript")(torch.from_numpy(images)).numpy())
    outputs.append(onnx_session(folder / "p.onnx").run(None, {"images": images})[0])
    return outputs


def test_processing_of_a_classifier(tmp_path, scripted):
    images = byte_noise(3, 20, 44, 3)
    # The digits network: data.mean and data.std of its configuration.
    from safetensors import safe_open
    with safe_open(TRAINED, "pt") as file:
        config = file.metadata()["nalaformer.config"]
    numbers = {}
    for name in ("mean", "std"):
        line = next(text for text in config.splitlines() if text.strip().startswith(f"{name}:"))
        numbers[name] = json.loads(line.split(":", 1)[1])
    pictures = (images / 255 - numbers["mean"]) / numbers["std"]
    with torch.no_grad():
        logits = scripted(torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(numpy.float32)))
    expected = torch.softmax(logits, 1).numpy()
    for found in outputs_of(TRAINED, tmp_path, images, "--fold"):
        assert found.dtype == numpy.float32 and found.shape == expected.shape
        assert numpy.abs(found - expected).max() <= 1e-4


def test_processing_of_a_segmenter(tmp_path):
    folder = test_segmentation.trained_on(tmp_path, train__epochs="1")
    assert export(folder, "torchscript", tmp_path / "m.pt").status == 0
    images = byte_noise(2, 37, 50, 3)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pictures = ((images / 255 - mean) / std).transpose(0, 3, 1, 2).astype(numpy.float32)
    with torch.no_grad():
        logits = torch.jit.load(tmp_path / "m.pt")(torch.from_numpy(pictures))
    expected = torch.nn.functional.interpolate(
        logits, (37, 50), mode="bilinear", align_corners=False).argmax(1).numpy()
    for found in outputs_of(folder, tmp_path, images):
        assert found.dtype == numpy.uint8 and found.shape == (2, 37, 50)
        assert (found == expected).mean() > 0.995


def test_processing_of_a_super_resolution_network(tmp_path):
    folder = trained_upscaler(tmp_path, 2, "direct")
    assert export(folder, "torchscript", tmp_path / "m.pt").status == 0
    images = byte_noise(2, 13, 22, 3)
    with torch.no_grad():
        result = torch.jit.load(tmp_path / "m.pt")(
            torch.from_numpy(images.transpose(0, 3, 1, 2).astype(numpy.float32)) / 255)
    expected = numpy.clip(numpy.floor(result.numpy() * 255 + 0.5), 0, 255).transpose(0, 2, 3, 1)
    for found in outputs_of(folder, tmp_path, images):
        assert found.dtype == numpy.uint8 and found.shape == (2, 26, 44, 3)
        assert numpy.abs(found - expected).max() <= 1
        assert (found == expected).mean() > 0.99


def test_half_weights_are_half_the_file(tmp_path):
    sizes = {}
    for words in ((), ("--half",)):
        file = tmp_path / f"m{len(words)}.onnx"
        result = export(TRAINED, "onnx", file, *words)
        assert result.status == 0, result.err
        sizes[len(words)] = file.stat().st_size
    assert sizes[1] < 0.75 * sizes[0]
    session = onnx_session(tmp_path / "m1.onnx")
    assert session.run(None, {"images": noise(SHAPES[0]).numpy()})[0].dtype == numpy.float32


def test_half_weights_are_rounded_as_numpy_rounds(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    weights = {}
    for words in ((), ("--half",)):
        file = tmp_path / "m.onnx"
        assert export(TRAINED, "onnx", file, *words).status == 0
        for weight in onnx.load(file).graph.initializer:
            weights[weight.name] = onnx.numpy_helper.to_array(weight)
    halves = [name for name in weights if name.endswith(".half")]
    assert len(halves) > 100
    for name in halves:
        exact = weights[name.removesuffix(".half")]
        assert numpy.array_equal(weights[name], exact.astype(numpy.float16)), name


def test_a_changed_weight_in_the_file_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    pytest.importorskip("onnx", reason="needs onnx")
    # A python3 that changes a weight of the file before it lets the check run on it.
    shim = tmp_path / "python3"
    shim.write_text(f"""#!{sys.executable}
import os, sys
import numpy, onnx
from onnx import numpy_helper
for word in sys.argv:
    if word.endswith(".onnx"):
        model = onnx.load(word)
        weight = next(w for w in model.graph.initializer if w.name == "head.bias")
        values = numpy_helper.to_array(weight).copy()
        values[0] += 0.5
        weight.CopyFrom(numpy_helper.from_array(values, "head.bias"))
        onnx.save(model, word)
os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
""")
    shim.chmod(0o755)
    file = tmp_path / "m.onnx"
    result = export(TRAINED, "onnx", file, PATH=f"{tmp_path}:{PYTHON_FIRST['PATH']}")
    assert result.status == 1
    assert "other results" in result.error_line()
    assert not file.exists()


def test_without_onnxruntime_the_file_is_written_and_said_to_be_unrun(tmp_path):
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\nexit 1\n")
    shim.chmod(0o755)
    file = tmp_path / "m.onnx"
    result = export(TRAINED, "onnx", file, PATH=f"{tmp_path}:{PYTHON_FIRST['PATH']}")
    assert result.status == 0, result.err
    assert "not executed" in result.out
    report = json.loads(file.with_suffix(".json").read_text())
    assert report["executed"] is False and report["max_relative_error"] is None


def test_unknown_formats_are_named(tmp_path):
    result = export(TRAINED, "tflite", tmp_path / "m")
    assert result.status == 2 and "torchscript" in result.error_line()
    for option in ("--half", "--fold", "--processing"):
        result = export(TRAINED, "pth", tmp_path / "m", option)
        assert result.status == 2 and option in result.error_line()
