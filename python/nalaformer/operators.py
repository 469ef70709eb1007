"""The operators of libnala_ops.so, loaded when this module is imported."""

import os
import pathlib

import torch

FEATURE_MAPS = ("relu_split", "cosine", "elu", "relu", "focused")


def _candidates(name):
    """Where a library may be, best first: named by the user, packaged, built in the clone."""
    package = pathlib.Path(__file__).resolve().parent
    return [package / name, package.parents[1] / "build" / "release" / name]


def library_path():
    """The libnala_ops.so to load; raises FileNotFoundError that lists the places looked at."""
    named = os.environ.get("NALA_OPS_LIBRARY")
    if named:
        if not os.path.isfile(named):
            raise FileNotFoundError(f"NALA_OPS_LIBRARY: {named}: no such file")
        return pathlib.Path(named)
    places = _candidates("libnala_ops.so")
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError("libnala_ops.so: not in " + ", ".join(map(str, places))
                            + "; build it (scripts/build.sh) or name it by NALA_OPS_LIBRARY")


def _load():
    path = library_path()
    torch.ops.load_library(str(path))
    # The CUDA kernels live in a library beside it; without them CUDA tensors are served by ATen.
    cuda = path.with_name("libnala_cuda.so")
    if cuda.is_file() and torch.cuda.is_available():
        torch.ops.load_library(str(cuda))


_load()


def linear_attention(q, k, v, cos=None, sin=None, feature_map="relu_split", *, norm_aware=True,
                     lambd=3.0, tau=0.5, alpha=20.0, eps=1e-6):
    """Norm-aware linear attention, with gradients for q, k and v.

    q, k, v: (B, h, N, d) of one floating dtype, any strides, d a multiple of 4. cos, sin: (N, d), or
    None for no rotation. feature_map: one of FEATURE_MAPS. Arithmetic in float32 (float64 for
    float64). Returns (B, h, N, d) of q's dtype in memory order (B, N, h, d).
    """
    return torch.ops.nala.linear_attention(q, k, v, cos, sin, feature_map, norm_aware, lambd, tau,
                                           alpha, eps)


def softmax_attention(q, k, v, cos=None, sin=None):
    """softmax(R(q) R(k)^T / sqrt(d)) v in float32; shapes as in linear_attention()."""
    return torch.ops.nala.softmax_attention(q, k, v, cos, sin)


def attention_epilogue(y, lepe, gate, weight, bias, eps=1e-5):
    """LayerNorm over C of y + lepe, affine, times SiLU(gate), in one pass.

    y, lepe, gate: (B, N, C), the latter two may be None; weight, bias: (C). Returns (B, N, C) of y's
    dtype, contiguous. With gradients for all five.
    """
    return torch.ops.nala.attention_epilogue(y, lepe, gate, weight, bias, eps)
