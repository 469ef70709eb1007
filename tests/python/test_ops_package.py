"""python/nalaformer: the module against the golden fixtures, and how it finds its library."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = pathlib.Path(os.environ.get("NALA_GOLDEN_DIR", ROOT / "tests/golden"))
if os.environ.get("NALA_OPS_LIBRARY") == "":
    pytest.skip("the operators of a sanitizer build cannot be loaded", allow_module_level=True)
sys.path.insert(0, str(ROOT / "python"))
import nalaformer  # noqa: E402

INDEX = json.loads((GOLDEN / "index.json").read_text())
ATTENTION = [name for name, entry in INDEX.items()
             if isinstance(entry, dict) and entry.get("module") == "attention"]


def check(name, got, entry, tensors):
    """Holds a tensor against the fixture's tolerance for it."""
    tolerance = entry["tolerance"][name]
    expected = tensors[name]
    error = (got - expected).abs()
    checked = 0
    for kind, bound in tolerance.items():
        if kind == "rel_to_max":
            assert error.max() <= bound * expected.abs().max(), name
        elif kind == "rel_to_row_max":
            assert (error.amax(-1) <= bound * expected.abs().amax(-1)).all(), name
        elif kind == "abs":
            assert error.max() <= bound, name
        elif kind == "mean_abs":
            assert error.mean() <= bound, name
        elif kind.startswith("measured") or kind in ("max_abs_ref", "note"):
            continue
        else:
            raise AssertionError(f"{name}: unknown tolerance {kind}")
        checked += 1
    assert checked, name


def test_there_are_fixtures():
    assert len(ATTENTION) >= 5


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ATTENTION)
def test_module_equals_the_released_one(name, memory_format):
    entry = INDEX[name]
    tensors = safetensors_torch.load_file(GOLDEN / name)
    settings = {key: entry["params"][key] for key in ("lambd", "tau", "alpha")
                if key in entry["params"]}
    module = nalaformer.NormAwareAttention(entry["dim"], entry["heads"], entry["feature_map"],
                                           **settings)
    state = {key[6:]: value for key, value in tensors.items() if key.startswith("state.")}
    assert list(module.state_dict()) and set(module.state_dict()) == set(state)
    module.load_state_dict(state)
    x = tensors["input.x"].contiguous(memory_format=memory_format).requires_grad_()
    y = module(x, tensors["input.sin"], tensors["input.cos"])
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.backward(tensors["input.dy"])
    check("output.y", y.detach(), entry, tensors)
    check("grad_input.x", x.grad, entry, tensors)
    for parameter, value in module.named_parameters():
        check(f"grad.{parameter}", value.grad, entry, tensors)


def test_autocast_keeps_float32_between_the_projections():
    torch.manual_seed(1)
    module = nalaformer.NormAwareAttention(16, 2)
    x = torch.randn(2, 16, 4, 5)
    plain = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x)
        half.float().sum().backward()
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).abs().max() < 0.03 * plain.abs().max()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in module.parameters())


def gradients_of(module, x, dy):
    x = x.detach().requires_grad_()
    y = module(x)
    y.backward(dy.to(y.dtype))
    return y.detach(), {"x": x.grad, **{name: p.grad for name, p in module.named_parameters()}}


@pytest.mark.parametrize("how", ["module.to", "autocast"])
@pytest.mark.parametrize("feature_map", ["relu_split", "cosine"])
def test_bfloat16_is_near_float32(how, feature_map):
    torch.manual_seed(2)
    plain = nalaformer.NormAwareAttention(32, 2, feature_map)
    # What both compute with can be told apart by rounding inside the module alone.
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.copy_(parameter.bfloat16())
    half = nalaformer.NormAwareAttention(32, 2, feature_map)
    half.load_state_dict(plain.state_dict())
    x, dy = (torch.randn(2, 32, 6, 5).bfloat16() for _ in range(2))
    y, gradients = gradients_of(plain, x.float(), dy.float())
    if how == "module.to":
        half.to(torch.bfloat16)
        half_y, half_gradients = gradients_of(half, x, dy)
        assert all(g.dtype == torch.bfloat16 for g in half_gradients.values())
    else:
        with torch.autocast("cpu", torch.bfloat16):
            half_y, half_gradients = gradients_of(half, x.float(), dy.float())
        assert all(g.dtype == torch.float32 for g in half_gradients.values())
    assert half_y.dtype == torch.bfloat16
    assert (half_y.float() - y).norm() < 0.02 * y.norm()
    for name, expected in gradients.items():
        error = (half_gradients[name].float() - expected).norm()
        assert error < 0.04 * expected.norm(), name


def test_dimension_is_checked():
    with pytest.raises(ValueError, match="multiple of 4"):
        nalaformer.NormAwareAttention(12, 2)


def imported(**environment):
    program = "import nalaformer; print(nalaformer.library_path())"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **environment})


def test_a_missing_library_is_named(tmp_path):
    result = imported(NALA_OPS_LIBRARY=str(tmp_path / "none.so"))
    assert result.returncode != 0
    assert "NALA_OPS_LIBRARY: " in result.stderr and "no such file" in result.stderr
