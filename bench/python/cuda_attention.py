"""Times linear attention on a GPU: the CUDA kernels, plain ATen, and ATen under torch.compile.

usage: cuda_attention.py OUTPUT.md    libraries: NALA_OPS_LIBRARY, NALA_CUDA_LIBRARY
"""

import os
import statistics
import sys

import torch

torch.ops.load_library(os.environ["NALA_OPS_LIBRARY"])
torch.ops.load_library(os.environ["NALA_CUDA_LIBRARY"])
nala = torch.ops.nala

# (B, h, N, d)
SHAPES = [(16, 1, 196, 32), (16, 1, 784, 32), (16, 1, 1024, 32), (16, 1, 3136, 32),
          (1, 1, 10240, 32), (1, 1, 16384, 32), (1, 1, 73984, 32), (16, 2, 784, 64),
          (4, 1, 3136, 96), (4, 1, 3136, 128)]
REPEATS = 30


def rotated(x, cos, sin):
    pairs = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cos + pairs * sin


def plain(q, k, v, cos, sin):
    """The relu_split map as the public code composes it, with the rule for rows of norm 0."""
    q, k, v = q.float(), k.float(), v.float()
    norm = q.norm(dim=-1, keepdim=True)
    u = torch.where(norm > 0, q / norm, 0)
    power = 3 * (0.5 + norm.tanh())
    cube = k ** 3
    fq = torch.cat([u.relu() ** power, (-u).relu() ** power], -1)
    fk = torch.cat([cube.relu(), (-cube).relu()], -1)
    both_cos, both_sin = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
    z = 1 / (fq @ fk.mean(-2, keepdim=True).mT + 1e-6)
    state = rotated(fk, both_cos, both_sin).mT @ v / q.shape[-2]
    return rotated(fq, both_cos, both_sin) @ state * z


def ours(q, k, v, cos, sin):
    return nala.linear_attention(q, k, v, cos, sin)


def milliseconds(work):
    """Median, smallest and largest of single runs."""
    for _ in range(5):
        work()
    times = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times), min(times), max(times)


def operands(shape, dtype):
    b, h, n, d = shape
    generator = torch.Generator("cuda").manual_seed(n)
    packed = torch.randn(b, n, 4, h, d, device="cuda", generator=generator).to(dtype)
    angle = torch.rand(n, d, device="cuda", generator=generator)
    q, k, v, dy = (packed[:, :, i].transpose(1, 2) for i in range(4))
    return [q, k, v, angle.cos(), angle.sin()], dy


def extra_bytes(function, tensors):
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    y = function(*tensors)
    peak = torch.cuda.max_memory_allocated() - before
    return peak - y.numel() * y.element_size()


def row(name, function, shape, dtype):
    tensors, dy = operands(shape, dtype)
    with torch.no_grad():
        forward = milliseconds(lambda: function(*tensors))
        extra = extra_bytes(function, tensors)
    leaves = [x.detach().requires_grad_() for x in tensors[:3]] + tensors[3:]
    y = function(*leaves)
    dy = dy.to(y.dtype)
    backward = milliseconds(
        lambda: torch.autograd.grad(y, leaves[:3], dy, retain_graph=True))
    b, h, n, d = shape
    gigabytes = (4 * b * h * n * d * tensors[0].element_size() + 16 * n * d) / 1e9
    flops = 2 * 2 * 2 * b * h * n * d * d / 1e9
    return (f"| {name} | {b} | {h} | {n} | {d} | {str(dtype)[6:]} | "
            f"{forward[0]:.4f} ({forward[1]:.4f}-{forward[2]:.4f}) | "
            f"{backward[0]:.4f} ({backward[1]:.4f}-{backward[2]:.4f}) | "
            f"{gigabytes / forward[0] * 1e3:.0f} | {flops / forward[0] * 1e3:.0f} | {extra} |")


def copy_bandwidth():
    x = torch.empty(1 << 28, device="cuda")
    y = torch.empty_like(x)
    return 2 * x.numel() * 4 / 1e9 / milliseconds(lambda: y.copy_(x))[0] * 1e3


def gemm_rate():
    x = torch.randn(8192, 8192, device="cuda")
    return 2 * 8192**3 / 1e9 / milliseconds(lambda: x @ x)[0] * 1e3


def main(output):
    torch.backends.cuda.matmul.allow_tf32 = False
    functions = {"cuda": ours, "plain ATen": plain, "torch.compile": torch.compile(plain)}
    lines = [f"# Linear attention on {torch.cuda.get_device_name()}", "",
             f"torch {torch.__version__}, CUDA {torch.version.cuda}; copy {copy_bandwidth():.0f} GB/s, "
             f"float32 GEMM without TF32 {gemm_rate():.0f} GFLOP/s. Median (smallest-largest) of "
             f"{REPEATS} runs.", "",
             "| implementation | B | h | N | d | dtype | forward ms | backward ms | GB/s | GFLOP/s | "
             "extra bytes |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for name, function in functions.items():
                lines.append(row(name, function, shape, dtype))
                print(lines[-1], flush=True)
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
