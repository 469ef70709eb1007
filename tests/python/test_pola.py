"""The numbers that tests/unit/models/pola_test.cpp compares the C++ module with.

PolaFormer's attention (arXiv 2501.15061, section 4) written out with whole attention matrices, the
rotation on the numerator. Run as a program, writes them: inputs, parameters, outputs and gradients.
As a test, checks that the written file still is what PyTorch gives.
"""

import pathlib

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
from safetensors.torch import load_file, save_file  # noqa: E402

FIXTURE = pathlib.Path(__file__).resolve().parents[1] / "unit/models/pola.safetensors"
BATCH, HEADS, ROWS, COLUMNS, WIDTH = 2, 3, 3, 5, 8


def rotation():
    """cos and sin (N, d): the first half of the channels turns by the row, the last by the column."""
    angle = (10000.0 ** -torch.linspace(0, 1, WIDTH // 4)).repeat_interleave(2)
    row, column = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    angles = torch.cat([row.flatten()[:, None] * angle, column.flatten()[:, None] * angle], -1)
    return angles.cos(), angles.sin()


def rotate(x, tables):
    if tables is None:
        return x
    cos, sin = tables
    pairs = torch.stack([-x[..., 1::2], x[..., 0::2]], -1).flatten(-2)
    return x * cos + pairs * sin


def pola(q, k, v, power, scale, tables):
    divisor = torch.log1p(torch.exp(scale)).reshape(HEADS, 1, WIDTH)
    exponent = 1 + 4 / (1 + torch.exp(-power))

    def signs(x):
        x = x / divisor
        return x.clamp(min=0) ** exponent, (-x).clamp(min=0) ** exponent

    def scores(pairs, turned):
        turn = (lambda x: rotate(x, tables)) if turned else (lambda x: x)
        return sum(turn(a) @ turn(b).mT for a, b in pairs)  # (B, h, N, N)

    (q_plus, q_minus), (k_plus, k_minus) = signs(q), signs(k)
    halves = []
    for pairs, values in ((((q_plus, k_plus), (q_minus, k_minus)), v[..., :WIDTH // 2]),
                          (((q_minus, k_plus), (q_plus, k_minus)), v[..., WIDTH // 2:])):
        normaliser = scores(pairs, False).mean(-1, keepdim=True) + 1e-6
        halves.append(scores(pairs, True) @ values / (ROWS * COLUMNS) / normaliser)
    return torch.cat(halves, -1)


def numbers():
    generator = torch.Generator().manual_seed(2501)
    shape = (BATCH, HEADS, ROWS * COLUMNS, WIDTH)
    inputs = {name: torch.randn(shape, generator=generator) for name in "qkv"}
    inputs["q"][0, 1, 3] = 0  # a query of nothing is mixed to nothing
    inputs["power"] = torch.randn((1, HEADS, 1, WIDTH), generator=generator)
    inputs["scale"] = torch.randn((1, 1, HEADS * WIDTH), generator=generator)
    slope = torch.randn(shape, generator=generator)
    found = {f"inputs/{name}": value for name, value in inputs.items()} | {"slope": slope}
    for kind, tables in {"plain": None, "rotated": rotation()}.items():
        leaves = {name: value.double().requires_grad_() for name, value in inputs.items()}
        wide = None if tables is None else [table.double() for table in tables]
        y = pola(**leaves, tables=wide)
        (y * slope.double()).sum().backward()
        found[f"{kind}/y"] = y.detach()
        found |= {f"{kind}/gradients/{name}": leaf.grad for name, leaf in leaves.items()}
        if tables is not None:
            found |= {f"{kind}/cos": tables[0], f"{kind}/sin": tables[1]}
    return {name: value.float().contiguous() for name, value in found.items()}


def test_the_fixture_holds_what_pytorch_gives():
    stored = load_file(FIXTURE)
    fresh = numbers()
    assert stored.keys() == fresh.keys()
    for name, value in fresh.items():
        torch.testing.assert_close(stored[name], value, rtol=1e-5, atol=1e-5, msg=name)


def test_same_signs_alone_reach_the_first_half():
    """Positive queries see the values of positive keys in the first half, of negative in the last."""
    values = torch.arange(ROWS * COLUMNS * WIDTH).reshape(1, 1, ROWS * COLUMNS, WIDTH).double()
    key = torch.ones(1, HEADS, ROWS * COLUMNS, WIDTH).double()
    key[:, :, 1:] = -1
    y = pola(torch.ones_like(key), key, values.expand_as(key), torch.zeros(1, HEADS, 1, WIDTH),
             torch.zeros(1, 1, HEADS * WIDTH), None)
    half = WIDTH // 2
    torch.testing.assert_close(y[..., :half], values[:, :, :1, :half].expand_as(y[..., :half]),
                               rtol=1e-4, atol=1e-4)
    rest = values[:, :, 1:, half:].mean(2, keepdim=True)
    torch.testing.assert_close(y[..., half:], rest.expand_as(y[..., half:]), rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    save_file(numbers(), FIXTURE)
