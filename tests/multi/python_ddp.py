"""What ddp_peer.cpp does, by Python's DistributedDataParallel."""

import os

import torch
import torch.distributed
from torch import nn

torch.distributed.init_process_group("gloo")
rank = int(os.environ["RANK"])
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
parallel = nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(5):
    torch.manual_seed(100 + step * 10 + rank)
    x = torch.randn(4, 8)
    parallel(x).pow(2).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
checksum = sum(p.detach().double().abs().sum().item() for p in model.parameters())
print(f"rank {rank} checksum {checksum:.12f}")
torch.distributed.destroy_process_group()
