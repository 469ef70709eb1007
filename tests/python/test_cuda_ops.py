"""The CUDA operators against the reference; needs a GPU and libnala_cuda.so, else skipped with the reason."""

import itertools
import os
import pathlib

import pytest

torch = pytest.importorskip("torch")
from torch.library import opcheck  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPS = os.environ.get("NALA_OPS_LIBRARY", ROOT / "build/release/libnala_ops.so")
CUDA = pathlib.Path(os.environ.get("NALA_CUDA_LIBRARY", ROOT / "build/release/libnala_cuda.so"))

if not torch.cuda.is_available():
    pytest.skip("no GPU that torch can use", allow_module_level=True)
if not CUDA.exists():
    pytest.skip(f"{CUDA} is not there (no nvcc when it was configured?)", allow_module_level=True)
torch.ops.load_library(str(OPS))
torch.ops.load_library(str(CUDA))
nala = torch.ops.nala

MAPS = ["relu_split", "cosine", "elu", "relu", "focused"]
SIZES = [(1, 32), (5, 16), (35, 48), (49, 64), (197, 32), (197, 96), (197, 128), (1025, 64),
         (3136, 32), (3136, 96)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
LAYOUTS = ["packed", "own", "expanded"]


def drawn(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def tables(tokens, d):
    angle = (10000 ** -torch.linspace(0, 1, d // 4, dtype=torch.float64)).repeat_interleave(2)
    place = torch.arange(tokens, dtype=torch.float64)[:, None]
    both = torch.cat([place // 14 * angle, place % 14 * angle], 1)  # (N, d)
    return both.cos().float(), both.sin().float()


def operands(tokens, d, dtype, layout="packed", heads=2):
    """q, k, v, dy (2, h, N, d) on the CPU, of values that the dtype holds."""
    if layout == "packed":
        packed = drawn(2, tokens, 4, heads, d, seed=tokens + d).to(dtype)
        return [packed[:, :, i].transpose(1, 2) for i in range(4)]
    parts = [drawn(2, heads, tokens, d, seed=i).to(dtype) for i in range(4)]
    return [x[:1, :1].expand(2, heads, -1, -1) for x in parts] if layout == "expanded" else parts


def run(tensors, cos, sin, implementation, feature_map, norm_aware=True):
    """y, dq, dk, dv."""
    q, k, v, dy = tensors
    settings = (feature_map, norm_aware, 3.0, 0.5, 20.0, 1e-6, implementation)
    y, saved = nala.linear_attention_forward(q, k, v, cos, sin, *settings)
    return y, *nala.linear_attention_backward(dy, q, k, v, cos, sin, saved, *settings)


def error(got, want, least=1e-30):
    return ((got.cpu().double() - want).abs().max() / want.abs().max().clamp_min(least)).item()


def expect_as_good_as_aten(tensors, cos, sin, **options):
    exact = run([x.double() for x in tensors], cos.double(), sin.double(), "reference", **options)
    on_gpu = [x.cuda() for x in tensors]
    aten = run(on_gpu, cos.cuda(), sin.cuda(), "reference", **options)
    ours = run(on_gpu, cos.cuda(), sin.cuda(), "cuda", **options)
    # With one token y is v but for eps: what is left of dq and dk has cancelled.
    least, floor = (1.0, 2e-5) if tensors[0].shape[2] == 1 else (1e-30, 2e-6)
    for name, a, b, want in zip(("y", "dq", "dk", "dv"), ours, aten, exact):
        assert a.dtype == tensors[0].dtype and a.shape == want.shape
        assert a.transpose(1, 2).is_contiguous(), name
        assert error(a, want, least) <= 2 * error(b, want, least) + floor, name


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sizes(size, dtype):
    expect_as_good_as_aten(operands(*size, dtype), *tables(*size), feature_map="relu_split")


@pytest.mark.parametrize("feature_map,norm_aware", list(itertools.product(MAPS, [True, False])))
@pytest.mark.parametrize("d", [32, 96])
def test_maps(feature_map, norm_aware, d):
    expect_as_good_as_aten(operands(197, d, torch.float32), *tables(197, d),
                           feature_map=feature_map, norm_aware=norm_aware)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    expect_as_good_as_aten(operands(49, 32, torch.float32, layout), *tables(49, 32),
                           feature_map="cosine")


@pytest.mark.parametrize("scale", [0.0, 1e-23, 1e19])
@pytest.mark.parametrize("feature_map", ["relu_split", "cosine"])
def test_rows_of_norm_zero_or_infinity(feature_map, scale):
    q, k, v, dy = operands(35, 32, torch.float32, "own")
    q[0, 0, 3] = q[0, 0, 3].clamp(-2, 2) * scale
    cos, sin = tables(35, 32)
    y, dq, dk, dv = run([x.cuda() for x in (q, k, v, dy)], cos.cuda(), sin.cuda(), "cuda",
                        feature_map)
    assert (y[0, 0, 3] == 0).all() and (dq[0, 0, 3] == 0).all()
    assert all(x.isfinite().all() for x in (y, dq, dk, dv))


def test_nan_stays():
    q, k, v, dy = operands(35, 32, torch.float32, "own")
    q[0, 0, 3, 5] = float("nan")
    cos, sin = tables(35, 32)
    y = run([x.cuda() for x in (q, k, v, dy)], cos.cuda(), sin.cuda(), "cuda", "relu_split")[0]
    assert y[0, 0, 3].isnan().all() and y.isnan().sum() == 32


def test_results_repeat_and_nothing_waits():
    tensors = [x.cuda() for x in operands(3136, 64, torch.float32)]
    cos, sin = (x.cuda() for x in tables(3136, 64))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        first = run(tensors, cos, sin, "cuda", "relu_split")
        second = run(tensors, cos, sin, "cuda", "relu_split")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.equal(a, b) for a, b in zip(first, second))


def test_graph_capture():
    tensors = [x.cuda() for x in operands(197, 32, torch.float32)]
    cos, sin = (x.cuda() for x in tables(197, 32))
    wanted = run(tensors, cos, sin, "cuda", "cosine")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run(tensors, cos, sin, "cuda", "cosine")
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(a, b) for a, b in zip(captured, wanted))


def test_registration():
    q, k, v, _ = (x.cuda() for x in operands(12, 8, torch.float32, "own"))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    cos, sin = (x.cuda() for x in tables(12, 8))
    opcheck(nala.linear_attention.default, (*leaves, cos, sin))


def test_float64_goes_to_the_reference():
    q, k, v, _ = (x.cuda() for x in operands(12, 8, torch.float64, "own"))
    assert nala.linear_attention(q, k, v, None, None).dtype == torch.float64
    with pytest.raises(RuntimeError, match="implementation cuda cannot be used"):
        nala.linear_attention_forward(q, k, v, None, None, "relu_split", True, 3.0, 0.5, 20.0,
                                      1e-6, "cuda")


@pytest.mark.parametrize("lepe,gate", list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels", [36, 640])
def test_epilogue(channels, dtype, lepe, gate):
    y = drawn(2, 35, channels, seed=1)
    optional = [drawn(2, 35, channels, seed=2) if lepe else None,
                drawn(2, 35, channels, seed=3) if gate else None]
    parameters = [drawn(channels, seed=4), drawn(channels, seed=5)]
    dout = drawn(2, 35, channels, seed=6)
    narrow = [x if x is None else x.to(dtype) for x in (y.float(), *optional)]
    narrow[0] = y.float()  # y stays float32 under autocast
    parameters = [x.float() for x in parameters]

    def both(tensors, weights, gradient):
        out, mean, rstd = nala.attention_epilogue_forward(*tensors, *weights, 1e-5)
        return out, *nala.attention_epilogue_backward(gradient, *tensors, *weights, mean, rstd)

    wide = [x if x is None else x.double() for x in narrow]
    wanted = both(wide, [x.double() for x in parameters], dout.float().double())
    got = both([x if x is None else x.cuda() for x in narrow], [x.cuda() for x in parameters],
               dout.float().cuda())
    for name, a, want in zip(("out", "dx", "dgate", "dweight", "dbias"), got, wanted):
        if want.numel() > 0:
            rounding = 0 if a.dtype == torch.float32 else torch.finfo(a.dtype).eps
            assert error(a, want) <= 1e-5 + rounding, name
