"""The operators in Python: registration, gradients, tracing, autocast, errors."""

import os
import pathlib

import pytest

torch = pytest.importorskip("torch")
from torch.library import opcheck  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = os.environ.get("NALA_OPS_LIBRARY", ROOT / "build/release/libnala_ops.so")
if not LIBRARY:
    pytest.skip("the operators of a sanitizer build cannot be loaded", allow_module_level=True)
torch.ops.load_library(str(LIBRARY))
nala = torch.ops.nala

MAPS = ["relu_split", "cosine", "elu", "relu", "focused"]
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor",
          "test_aot_dispatch_dynamic")
HEIGHT, WIDTH = 3, 4
TOKENS = HEIGHT * WIDTH


def drawn(*shape, seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def tables(d, dtype=torch.float32):
    angle = (10000 ** -torch.linspace(0, 1, d // 4)).repeat_interleave(2)
    rows = torch.arange(HEIGHT).repeat_interleave(WIDTH)[:, None] * angle
    columns = torch.arange(WIDTH).repeat(HEIGHT)[:, None] * angle
    both = torch.cat([rows, columns], 1).to(dtype)  # (N, d)
    return both.cos(), both.sin()


def operands(d=8, dtype=torch.float32, layout="packed", grad=True):
    """q, k, v (2, 2, N, d): slices of one packed projection, or tensors of their own."""
    packed = drawn(2, TOKENS, 3, 2, d, seed=d, dtype=dtype)
    if layout == "packed":
        packed.requires_grad_(grad)
        return [packed[:, :, i].transpose(1, 2) for i in range(3)]
    parts = [packed[:, :, i].transpose(1, 2).contiguous() for i in range(3)]
    if layout == "expanded":
        parts = [x[:1, :1].expand(2, 2, -1, -1) for x in parts]
    return [x.detach().requires_grad_(grad) for x in parts]


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("feature_map", ["relu_split", "cosine", "focused"])
def test_linear_attention_is_registered_whole(feature_map, dtype, rotated):
    cos, sin = tables(8) if rotated else (None, None)
    opcheck(nala.linear_attention.default, (*operands(dtype=dtype, layout="own"), cos, sin),
            {"feature_map": feature_map}, test_utils=CHECKS)


@pytest.mark.parametrize("layout", ["own", "expanded"])
def test_strides_are_traced(layout):
    opcheck(nala.linear_attention.default, (*operands(layout=layout), *tables(8)),
            {"norm_aware": False, "lambd": 2.0, "tau": 0.7}, test_utils=CHECKS)


SETTINGS = (True, 3.0, 0.5, 20.0, 1e-6)


@pytest.mark.parametrize("implementation", ["auto", "reference"])
@pytest.mark.parametrize("feature_map", MAPS)
def test_inner_operators(feature_map, implementation):
    q, k, v = operands(grad=False)
    cos, sin = tables(8)
    settings = (feature_map, *SETTINGS, implementation)
    y, saved = nala.linear_attention_forward(q, k, v, cos, sin, *settings)
    assert y.transpose(1, 2).is_contiguous()
    width = 16 if feature_map in ("relu_split", "cosine") else 8
    assert [tuple(x.shape) for x in saved] == [(2, 2, width, 8), (2, 2, width), (2, 2, TOKENS)]
    utils = ("test_schema", "test_faketensor")
    opcheck(nala.linear_attention_forward.default, (q, k, v, cos, sin, *settings),
            test_utils=utils)
    opcheck(nala.linear_attention_backward.default,
            (drawn(*y.shape, seed=5), q, k, v, cos, sin, saved, *settings), test_utils=utils)


@pytest.mark.parametrize("feature_map", MAPS)
def test_gradients_in_float64(feature_map):
    q, k, v = operands(d=4, dtype=torch.float64, layout="own")
    cos, sin = tables(4, torch.float64)

    def run(q, k, v):
        return nala.linear_attention(q, k, v, cos, sin, feature_map, alpha=1.5)

    assert torch.autograd.gradcheck(run, (q, k, v))


def test_softmax_attention():
    q, k, v = operands(layout="own")
    cos, sin = tables(8)
    opcheck(nala.softmax_attention.default, (q, k, v, cos, sin), test_utils=CHECKS)

    def rotated(x):
        pairs = x.unflatten(-1, (-1, 2))
        swapped = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
        return x * cos + swapped * sin

    expected = (rotated(q) @ rotated(k).mT / 8 ** 0.5).softmax(-1) @ v
    torch.testing.assert_close(nala.softmax_attention(q, k, v, cos, sin), expected)


def epilogue_operands(dtype=torch.float32, channels=24, grad=True):
    y, lepe = drawn(2, TOKENS, channels, seed=1, dtype=dtype), drawn(2, TOKENS, channels, seed=2)
    gate = drawn(2, TOKENS, channels, seed=3, dtype=dtype)
    weight, bias = drawn(channels, seed=4), drawn(channels, seed=5)
    if dtype == torch.float64:
        lepe, weight, bias = lepe.to(dtype), weight.to(dtype), bias.to(dtype)
    return [x.requires_grad_(grad) for x in (y, lepe, gate, weight, bias)]


@pytest.mark.parametrize("present", ["both", "lepe", "gate", "neither"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_epilogue_is_registered_whole(dtype, present):
    y, lepe, gate, weight, bias = epilogue_operands(dtype)
    lepe = lepe if present in ("both", "lepe") else None
    gate = gate if present in ("both", "gate") else None
    opcheck(nala.attention_epilogue.default, (y, lepe, gate, weight, bias), test_utils=CHECKS)
    out, mean, rstd = nala.attention_epilogue_forward(y, lepe, gate, weight, bias, 1e-5)
    detached = [x if x is None else x.detach() for x in (y, lepe, gate, weight, bias)]
    utils = ("test_schema", "test_faketensor")
    opcheck(nala.attention_epilogue_forward.default, (*detached, 1e-5), test_utils=utils)
    opcheck(nala.attention_epilogue_backward.default,
            (out.detach(), *detached, mean.detach(), rstd.detach()), test_utils=utils)


def test_epilogue_gradients_in_float64():
    arguments = epilogue_operands(torch.float64, channels=5)
    assert torch.autograd.gradcheck(nala.attention_epilogue, tuple(arguments))


def test_epilogue_equals_its_definition():
    y, lepe, gate, weight, bias = arguments = epilogue_operands()
    got = nala.attention_epilogue(*arguments)
    expected = torch.nn.functional.layer_norm(y + lepe, (24,), weight, bias)
    expected = expected * torch.nn.functional.silu(gate)
    torch.testing.assert_close(got, expected)
    dout = drawn(*y.shape, seed=9)
    for mine, right in zip(torch.autograd.grad(got, arguments, dout),
                           torch.autograd.grad(expected, arguments, dout)):
        torch.testing.assert_close(mine, right, rtol=1e-5, atol=1e-5)


class Small(torch.nn.Module):
    """A projection, the operators, a projection."""

    def __init__(self):
        super().__init__()
        self.qkvg = torch.nn.Linear(16, 64)
        self.norm = torch.nn.LayerNorm(16)
        self.out = torch.nn.Linear(16, 16)

    def forward(self, x, cos, sin):
        q, k, v, gate = self.qkvg(x).unflatten(-1, (4, 16)).unbind(2)
        q, k, v = (y.unflatten(-1, (2, 8)).transpose(1, 2) for y in (q, k, v))
        y = nala.linear_attention(q, k, v, cos, sin) + nala.softmax_attention(q, k, v, cos, sin)
        y = y.transpose(1, 2).flatten(2)
        y = nala.attention_epilogue(y, None, gate, self.norm.weight, self.norm.bias)
        return self.out(y)


# inductor compiles C++, a minute or more.
@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_module_equals_eager(backend):
    torch.manual_seed(0)
    module = Small()
    x = drawn(2, TOKENS, 16, seed=7)
    cos, sin = tables(8)
    module(x, cos, sin).square().sum().backward()
    expected = {name: p.grad.clone() for name, p in module.named_parameters()}
    torch._dynamo.reset()
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(x, cos, sin), module(x, cos, sin))
    module.zero_grad()
    compiled(x, cos, sin).square().sum().backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], msg=name, rtol=1e-4, atol=1e-5)


def test_autocast_keeps_the_arithmetic_in_float32():
    q, k, v = operands(grad=False)
    cos, sin = tables(8)
    plain = nala.linear_attention(q, k, v, cos, sin)
    half = [x.bfloat16() for x in (q, k, v)]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nala.linear_attention(q, k, v, cos, sin), plain)
        y = nala.linear_attention(*half, cos, sin)
        assert y.dtype == torch.bfloat16
        # Mixed dtypes become the widest one.
        mixed = nala.linear_attention(half[0], k, half[2], cos, sin)
        assert mixed.dtype == torch.float32
        assert nala.softmax_attention(half[0], k, v, cos, sin).dtype == torch.float32
    assert torch.equal(y, nala.linear_attention(*half, cos, sin))
    wide = nala.linear_attention(*(x.float() for x in half), cos, sin)
    assert torch.equal(y, wide.bfloat16())
    with pytest.raises(RuntimeError, match="k is"):
        nala.linear_attention(half[0], k, half[2], cos, sin)


def test_autocast_backward():
    q, k, v = operands(layout="own")
    with torch.autocast("cpu", torch.bfloat16):
        y = nala.linear_attention(q.bfloat16(), k, v, None, None)
        y.float().sum().backward()
    assert q.grad.dtype == k.grad.dtype == torch.float32


@pytest.mark.parametrize("change,message", [
    (dict(feature_map="relu6"), "known: relu_split cosine elu relu focused"),
    (dict(q=torch.zeros(2, 2, TOKENS)), r"\(B, h, N, d\)"),
    (dict(k=torch.zeros(2, 2, TOKENS, 4)), "k has shape"),
    (dict(cos=None), "both"),
    (dict(sin=torch.zeros(TOKENS + 1, 8)), "sin has shape"),
    (dict(v=torch.zeros(2, 2, TOKENS, 8, dtype=torch.long)), "v is"),
])
def test_errors_name_the_argument(change, message):
    q, k, v = operands(grad=False)
    cos, sin = tables(8)
    arguments = dict(q=q, k=k, v=v, cos=cos, sin=sin) | change
    with pytest.raises(RuntimeError, match=message):
        nala.linear_attention(**arguments)


def test_unknown_implementation_lists_the_known():
    q, k, v = operands(grad=False)
    with pytest.raises(RuntimeError, match="known: auto .*reference"):
        nala.linear_attention_forward(q, k, v, None, None, "relu", *SETTINGS, "refrence")


def test_second_derivatives_are_refused():
    q, k, v = operands(layout="own")
    dq, = torch.autograd.grad(nala.linear_attention(q, k, v, None, None).sum(), q,
                              create_graph=True)
    with pytest.raises(RuntimeError, match="double backward is not supported"):
        dq.sum().backward()
    y, *others = epilogue_operands()
    dy, = torch.autograd.grad(nala.attention_epilogue(y, *others).sum(), y, create_graph=True)
    with pytest.raises(RuntimeError, match="double backward is not supported"):
        dy.sum().backward()
