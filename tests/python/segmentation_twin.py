"""The segmentation heads once more, in plain torch.nn: what the C++ heads are compared with.

Parameter names follow mmsegmentation's FPN, FPNHead, UPerHead and FCNHead.
"""

import torch
import torch.nn.functional as F
from torch import nn


def conv_module(inputs, outputs, kernel, normed=True):
    module = nn.Module()
    module.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not normed)
    if normed:
        module.bn = nn.BatchNorm2d(outputs)
    return module


def run(module, x):
    x = module.conv(x)
    return F.relu(module.bn(x)) if hasattr(module, "bn") else x


def enlarge(x, like):
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Neck(nn.Module):
    def __init__(self, inputs, channels):
        super().__init__()
        self.lateral_convs = nn.ModuleList(conv_module(i, channels, 1, False) for i in inputs)
        self.fpn_convs = nn.ModuleList(conv_module(channels, channels, 3, False) for _ in inputs)

    def forward(self, maps):
        laterals = [run(m, x) for m, x in zip(self.lateral_convs, maps)]
        for i in range(len(maps) - 1, 0, -1):
            size = laterals[i - 1].shape[2:]
            laterals[i - 1] = laterals[i - 1] + F.interpolate(laterals[i], size=size,
                                                              mode="nearest")
        return [run(m, x) for m, x in zip(self.fpn_convs, laterals)]


class FpnHead(nn.Module):
    def __init__(self, inputs, channels, classes):
        super().__init__()
        self.conv_seg = nn.Conv2d(channels, classes, 1)
        self.scale_heads = nn.ModuleList()
        for stage in range(4):
            steps = []
            for j in range(max(1, stage)):
                steps.append(conv_module(inputs if j == 0 else channels, channels, 3))
                if stage > 0:
                    steps.append(nn.Upsample(scale_factor=2, mode="bilinear"))
            self.scale_heads.append(nn.ModuleList(steps))

    def forward(self, maps):
        total = None
        for steps, x in zip(self.scale_heads, maps):
            for step in steps:
                x = step(x) if isinstance(step, nn.Upsample) else run(step, x)
            total = x if total is None else total + enlarge(x, total)
        return self.conv_seg(total)


class SemanticFpn(nn.Module):
    def __init__(self, inputs, neck_channels, channels, classes):
        super().__init__()
        self.neck = Neck(inputs, neck_channels)
        self.decode_head = FpnHead(neck_channels, channels, classes)

    def forward(self, maps):
        return (self.decode_head(self.neck(maps)),)


class UperHead(nn.Module):
    def __init__(self, inputs, channels, classes, scales):
        super().__init__()
        self.conv_seg = nn.Conv2d(channels, classes, 1)
        self.psp_modules = nn.ModuleList(
            nn.ModuleList([nn.AdaptiveAvgPool2d(s), conv_module(inputs[-1], channels, 1)])
            for s in scales)
        self.bottleneck = conv_module(inputs[-1] + len(scales) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(conv_module(i, channels, 1) for i in inputs[:-1])
        self.fpn_convs = nn.ModuleList(conv_module(channels, channels, 3) for _ in inputs[:-1])
        self.fpn_bottleneck = conv_module(len(inputs) * channels, channels, 3)

    def forward(self, maps):
        last = maps[-1]
        pools = [enlarge(run(conv, pool(last)), last) for pool, conv in self.psp_modules]
        laterals = [run(m, x) for m, x in zip(self.lateral_convs, maps)]
        laterals.append(run(self.bottleneck, torch.cat([last] + pools, 1)))
        for i in range(len(maps) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + enlarge(laterals[i], laterals[i - 1])
        outs = [run(m, x) for m, x in zip(self.fpn_convs, laterals)] + [laterals[-1]]
        outs = [enlarge(x, outs[0]) for x in outs]
        return self.conv_seg(run(self.fpn_bottleneck, torch.cat(outs, 1)))


class FcnHead(nn.Module):
    def __init__(self, inputs, channels, classes):
        super().__init__()
        self.conv_seg = nn.Conv2d(channels, classes, 1)
        self.convs = nn.ModuleList([conv_module(inputs, channels, 3)])

    def forward(self, x):
        return self.conv_seg(run(self.convs[0], x))


class UperNet(nn.Module):
    def __init__(self, inputs, channels, auxiliary_channels, classes, scales):
        super().__init__()
        self.decode_head = UperHead(inputs, channels, classes, scales)
        self.auxiliary_head = FcnHead(inputs[2], auxiliary_channels, classes)

    def forward(self, maps):
        return self.decode_head(maps), self.auxiliary_head(maps[2])
