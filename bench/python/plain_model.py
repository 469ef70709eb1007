"""NaLaFormer classifiers in plain torch.nn, the other side of bench/python/model_against_torch.py.

Written for that comparison: no kernels, no packing, every step one PyTorch operation. Parameter names
are those of the authors' checkpoints, so that the program reads its weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

SIZES = {
    "nalaformer_xt": dict(dims=(32, 64, 128, 384), depths=(2, 2, 2, 2), heads=(1, 2, 4, 12), ratio=3.5),
    "nalaformer_t": dict(dims=(64, 128, 256, 512), depths=(2, 2, 6, 2), heads=(1, 2, 4, 8), ratio=4),
    "nalaformer_s": dict(dims=(64, 128, 320, 512), depths=(3, 5, 9, 3), heads=(1, 2, 5, 8), ratio=3.5),
}


def tables(angle, height, width):
    """cos and sin (N, d) of every token from the frequencies (d/2)."""
    rows = torch.arange(height, dtype=torch.float32)[:, None] * angle
    columns = torch.arange(width, dtype=torch.float32)[:, None] * angle
    both = torch.cat(
        [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], -1
    ).flatten(0, 1)
    return both.cos(), both.sin()


def rotate(x, cos, sin):
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cos + turned * sin


class Rope(nn.Module):
    def __init__(self, d):
        super().__init__()
        angle = 10000.0 ** -torch.linspace(0, 1, d // 4)
        self.register_buffer("angle", angle.repeat_interleave(2))


class Attention(nn.Module):
    def __init__(self, dim, heads, softmax):
        super().__init__()
        self.heads, self.softmax = heads, softmax
        self.qkvg = nn.Linear(dim, 4 * dim)
        self.lepe = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.out_proj = nn.Linear(dim, dim)
        self.ln = nn.LayerNorm(dim)

    def forward(self, x, height, width, cos, sin):
        b, n, c = x.shape
        q, k, v, g = self.qkvg(x).chunk(4, -1)
        lepe = self.lepe(v.transpose(1, 2).view(b, c, height, width)).flatten(2).transpose(1, 2)
        with torch.autocast("cpu", enabled=False):
            q, k, v = (t.float().view(b, n, self.heads, -1).transpose(1, 2) for t in (q, k, v))
            if self.softmax:
                y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
            else:
                y = self.linear(q, k, v, cos, sin)
        y = y.transpose(1, 2).reshape(b, n, c)
        return self.out_proj(self.ln(y + lepe) * F.silu(g))

    @staticmethod
    def linear(q, k, v, cos, sin):
        norm = q.norm(dim=-1, keepdim=True)
        power = 3 * (0.5 + norm.tanh())
        direction = q / norm
        queries = torch.cat([F.relu(direction) ** power, F.relu(-direction) ** power], -1)
        cubed = k**3
        keys = torch.cat([F.relu(cubed), F.relu(-cubed)], -1)
        z = 1 / (queries @ keys.mean(2, keepdim=True).transpose(-1, -2) + 1e-6)
        cos, sin = torch.cat([cos, cos], -1), torch.cat([sin, sin], -1)
        state = rotate(keys, cos, sin).transpose(-1, -2) @ (v / v.shape[2])
        return rotate(queries, cos, sin) @ state * z


class Norm(nn.Module):
    """LayerNorm over the channels of a map."""

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Ffn(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)

    def forward(self, x):
        u = F.gelu(self.fc1(x.permute(0, 2, 3, 1)))
        u = u + self.dwconv(u.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.fc2(u).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, softmax):
        super().__init__()
        self.gamma_1 = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.gamma_2 = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        self.attn = Attention(dim, heads, softmax)
        self.ffn = Ffn(dim, hidden)
        self.cpe1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.cpe2 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x, cos, sin):
        b, c, height, width = x.shape
        x = x + self.cpe1(x)
        tokens = self.norm1(x).flatten(2).transpose(1, 2)
        mixed = self.attn(tokens, height, width, cos, sin)
        x = x + self.gamma_1 * mixed.transpose(1, 2).reshape(b, c, height, width)
        x = x + self.cpe2(x)
        return x + self.gamma_2 * self.ffn(self.norm2(x))


class Downsample(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.reduction = nn.Conv2d(dim, out, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x):
        return self.norm(self.reduction(x))


class Stage(nn.Module):
    def __init__(self, dim, depth, heads, ratio, softmax, out):
        super().__init__()
        self.RoPE = Rope(dim // heads)
        self.blocks = nn.ModuleList(Block(dim, heads, int(ratio * dim), softmax) for _ in range(depth))
        self.downsample = Downsample(dim, out) if out else None

    def forward(self, x):
        cos, sin = tables(self.RoPE.angle, x.shape[2], x.shape[3])
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.downsample(x) if self.downsample else x


class Stem(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = dim // 2
        layers = []
        for i, (a, b, stride) in enumerate([(3, half, 2), (half, half, 1), (half, half, 1), (half, dim, 2)]):
            layers += [nn.Conv2d(a, b, 3, stride=stride, padding=1), nn.BatchNorm2d(b)]
            layers += [nn.GELU()] if i < 3 else []
        self.proj = nn.Sequential(*layers)

    def forward(self, x):
        return self.proj(x)


class NaLaFormer(nn.Module):
    def __init__(self, name, classes=1000):
        super().__init__()
        size = SIZES[name]
        dims = size["dims"]
        self.patch_embed = Stem(dims[0])
        self.layers = nn.ModuleList(
            Stage(
                dims[i], size["depths"][i], size["heads"][i], size["ratio"], i > 1,
                dims[i + 1] if i < 3 else None,
            )
            for i in range(4)
        )
        self.proj = nn.Linear(dims[3], 1024)
        self.norm = nn.BatchNorm2d(1024)
        self.head = nn.Conv2d(1024, classes, 1)

    def forward(self, x):
        x = self.patch_embed(x)
        for stage in self.layers:
            x = stage(x)
        x = self.proj(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = F.silu(self.norm(x)).mean((2, 3), keepdim=True)
        return self.head(x).flatten(1)


def stepper(model, forward, images, dtype, train):
    """A function that runs one step: inference, or forward, loss, backward and AdamW's update.

    `forward` is the model or a compiled form of it.
    """

    def infer():
        with torch.inference_mode(), torch.autocast("cpu", enabled=dtype == "bfloat16"):
            forward(images)

    if not train:
        return infer
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    labels = torch.zeros(len(images), dtype=torch.long)

    def step():
        with torch.autocast("cpu", enabled=dtype == "bfloat16"):
            outputs = forward(images)
        F.cross_entropy(outputs, labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
