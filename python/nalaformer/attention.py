"""The attention module of NaLaFormer around the fused operators."""

import torch
from torch import nn

from .operators import attention_epilogue, linear_attention, softmax_attention


class NormAwareAttention(nn.Module):
    """Drop-in for both attention modules of the released code: its state dict, its forward.

    feature_map: that of linear_attention(), or "softmax" for the later stages' attention; `settings`
    (norm_aware, lambd, tau, alpha, eps) go to linear_attention(). Between the two projections
    everything is kept in float32, also under autocast.
    """

    def __init__(self, dim, num_heads, feature_map="relu_split", **settings):
        super().__init__()
        if dim % (4 * num_heads):
            raise ValueError(f"dim {dim} in {num_heads} heads: each needs a multiple of 4 channels")
        self.num_heads = num_heads
        self.feature_map = feature_map
        self.settings = settings
        self.qkvg = nn.Linear(dim, 4 * dim)
        self.lepe = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.out_proj = nn.Linear(dim, dim)
        self.ln = nn.LayerNorm(dim)

    def _attend(self, q, k, v, cos, sin):
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
        if self.feature_map == "softmax":
            y = softmax_attention(q, k, v, cos, sin)
        else:
            y = linear_attention(q, k, v, cos, sin, self.feature_map, **self.settings)
        return y.transpose(1, 2).flatten(2)  # (B, N, C), a view

    def forward(self, x, sin=None, cos=None):
        """x: (B, C, H, W), fastest in channels-last memory; sin, cos: (H W, C / heads), or None.

        The order sin, cos is that of the released code. Returns a channels-last (B, C, H, W).
        """
        height, width = x.shape[2:]
        packed = self.qkvg(x.permute(0, 2, 3, 1).flatten(1, 2))  # (B, N, 4 C)
        with torch.autocast(x.device.type, enabled=False):
            if packed.dtype != torch.float64:
                packed = packed.float()
            q, k, v, gate = packed.unflatten(-1, (4, -1)).unbind(2)  # (B, N, C) each
            # The parameters may be of a half type; what stands between the projections is not.
            lepe = self.lepe._conv_forward(
                v.unflatten(1, (height, width)).permute(0, 3, 1, 2),
                self.lepe.weight.to(v.dtype), self.lepe.bias.to(v.dtype))
            y = attention_epilogue(self._attend(q, k, v, cos, sin),
                                   lepe.permute(0, 2, 3, 1).flatten(1, 2), gate,
                                   self.ln.weight, self.ln.bias, self.ln.eps)
        return self.out_proj(y.to(self.out_proj.weight.dtype)).unflatten(1, (height, width)).permute(0, 3, 1, 2)

    def extra_repr(self):
        return ", ".join([f"heads={self.num_heads}", f"feature_map={self.feature_map}"]
                         + [f"{name}={value}" for name, value in self.settings.items()])
