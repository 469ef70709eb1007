"""The numbers that tests/unit/models/heads_test.cpp compares the C++ heads with.

Run as a program, writes them: weights, four feature maps, outputs, running statistics after one
training forward, and the gradient of every parameter and map. As a test, checks that the written
file still is what the PyTorch heads give.
"""

import pathlib
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
from safetensors.torch import load_file, save_file  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from segmentation_twin import SemanticFpn, UperNet  # noqa: E402

FIXTURE = pathlib.Path(__file__).resolve().parents[1] / "unit/models/heads.safetensors"
WIDTHS = (4, 6, 8, 10)
SIZES = ((9, 14), (5, 7), (3, 4), (2, 2))  # odd sides: enlarging by 2 does not fit exactly
CLASSES = 3


def heads():
    return {"semantic_fpn": SemanticFpn(WIDTHS, 7, 5, CLASSES),
            "upernet": UperNet(WIDTHS, 5, 6, CLASSES, (1, 2, 3, 6))}


def drawn(shape, generator, scale=1.0):
    return torch.randn(shape, generator=generator) * scale


def numbers():
    found = {}
    for name, model in heads().items():
        generator = torch.Generator().manual_seed(20261123)
        with torch.no_grad():
            for key, value in model.named_parameters():
                value.copy_(drawn(value.shape, generator, 0.4) + ("bn.weight" in key))
        maps = [drawn((2, c, h, w), generator).requires_grad_()
                for c, (h, w) in zip(WIDTHS, SIZES)]
        found |= {f"{name}/weights/{k}": v.clone() for k, v in model.state_dict().items()
                  if "num_batches" not in k}
        found |= {f"{name}/maps/{i}": m.detach() for i, m in enumerate(maps)}
        outputs = model.train()(maps)
        loss = 0
        for i, output in enumerate(outputs):
            found[f"{name}/outputs/{i}"] = output.detach()
            slope = drawn(output.shape, generator)
            found[f"{name}/slopes/{i}"] = slope
            loss = loss + (output * slope).sum()
        loss.backward()
        found |= {f"{name}/gradients/{k}": p.grad for k, p in model.named_parameters()}
        found |= {f"{name}/map_gradients/{i}": m.grad for i, m in enumerate(maps)}
        found |= {f"{name}/statistics/{k}": v for k, v in model.named_buffers()
                  if "running" in k}
        found[f"{name}/evaluated"] = model.eval()(maps)[0].detach()
    return {k: v.contiguous() for k, v in found.items()}


def test_the_fixture_holds_what_pytorch_gives():
    stored = load_file(FIXTURE)
    fresh = numbers()
    assert stored.keys() == fresh.keys()
    for name, value in fresh.items():
        torch.testing.assert_close(stored[name], value, rtol=2e-4, atol=2e-4, msg=name)


if __name__ == "__main__":
    save_file(numbers(), FIXTURE)
