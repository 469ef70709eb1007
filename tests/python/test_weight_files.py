"""Files that go between this program and Python: safetensors and the authors' .pth."""

import argparse
import collections
import pathlib
import sys

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
from safetensors.torch import load_file, save_file  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from conftest import ROOT, run, tiny, trained  # noqa: E402, F401  (fixtures)

GOLDEN = ROOT / "tests/golden"


def test_python_reads_what_export_wrote(trained, tmp_path):
    file = tmp_path / "w.safetensors"
    assert run("export", "--checkpoint", trained, "--output", file).status == 0
    exported = load_file(file)
    saved = load_file(trained / "checkpoints/best/ema.safetensors")
    assert exported.keys() == saved.keys()
    assert all(torch.equal(exported[name], saved[name]) for name in saved)
    with safetensors.safe_open(file, "pt") as opened:
        assert opened.metadata()["nalaformer.classes"].startswith("[")


def test_we_read_what_python_wrote(trained, tmp_path):
    tensors = load_file(trained / "checkpoints/latest/model.safetensors")
    save_file(tensors, tmp_path / "p.safetensors")
    again = tmp_path / "again.safetensors"
    result = run("export", "--checkpoint", tmp_path / "p.safetensors", "--output", again)
    assert result.status == 0, result.err
    assert all(torch.equal(load_file(again)[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_authors_files_of_any_pickle_protocol(trained, tmp_path, protocol):
    model = collections.OrderedDict(load_file(trained / "checkpoints/latest/model.safetensors"))
    average = collections.OrderedDict(load_file(trained / "checkpoints/latest/ema.safetensors"))
    file = tmp_path / "authors.pth"
    torch.save({"model": model, "model_ema": average, "epoch": 7, "max_accuracy": 81.5,
                "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []},
                "lr_scheduler": {}, "scaler": {},
                "args": argparse.Namespace(lr=1e-3, model="x")}, file, pickle_protocol=protocol)
    for weights, expected in (("raw", model), ("ema", average)):
        out = tmp_path / f"{weights}.safetensors"
        result = run("export", "--checkpoint", file, "--weights", weights, "--output", out)
        assert result.status == 0, result.err
        found = load_file(out)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_authors_own_file(tmp_path):
    for weights, name in (("raw", "model"), ("ema", "model_ema")):
        out = tmp_path / f"{weights}.safetensors"
        result = run("export", "--checkpoint", GOLDEN / "checkpoint_official.pth", "--weights",
                     weights, "--output", out)
        assert result.status == 0, result.err
        expected = load_file(GOLDEN / f"checkpoint_official_{name}.safetensors")
        found = load_file(out)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_code_inside_a_file_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (pathlib.Path.touch, (tmp_path / "executed",))

    torch.save({"model": {"w": torch.ones(2)}, "args": Evil()}, tmp_path / "evil.pth")
    result = run("predict", "x.jpg", "--checkpoint", tmp_path / "evil.pth")
    assert result.status == 1 and "cannot tell the model" in result.error_line()
    assert not (tmp_path / "executed").exists()


def test_torch_load_reads_what_export_wrote(trained, tmp_path):
    file = tmp_path / "w.pth"
    result = run("export", "--checkpoint", trained, "--format", "pth", "--output", file)
    assert result.status == 0, result.err
    found = torch.load(file, weights_only=True)["model"]
    saved = load_file(trained / "checkpoints/best/ema.safetensors")
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[name], saved[name]) for name in saved)


def test_the_authors_file_there_and_back(tmp_path):
    source = GOLDEN / "checkpoint_official.pth"
    file = tmp_path / "again.pth"
    result = run("export", "--checkpoint", source, "--weights", "raw", "--format", "pth",
                 "--output", file)
    assert result.status == 0, result.err
    expected = torch.load(source, weights_only=False)["model"]
    found = torch.load(file, weights_only=True)["model"]
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
