"""The update of step.cpp in PyTorch: the same network, batch, layout, loss and optimizer; takes turns with it through stdin.

    python3 peer_step.py THREADS [DEVICE=cpu] [BATCH=64] [PRECISION=fp32] [eager|compiled|reduce-overhead]

On a GPU it reads the loss once a round, not at every step. "compiled" is torch.compile of network and loss; "reduce-overhead" with CUDA graphs.
"""
import contextlib
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

threads, device, batch, precision, how = (sys.argv[1:] + ["cpu", "64", "fp32", "eager"][len(sys.argv) - 2:])[:5]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
cuda = device.startswith("cuda")
batch, steps, temperature = int(batch), 50 if cuda else 3, 0.5
torch.backends.cudnn.benchmark = True
backbone = resnet18(num_classes=1)
backbone.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
backbone.maxpool = nn.Identity()
backbone.fc = nn.Identity()
head = nn.Sequential(nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 128, bias=False), nn.BatchNorm1d(128, affine=False))
network = nn.Sequential(backbone, head).to(device, memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4, fused=True)
views = [torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last).to(device) for _ in range(2)]


def loss_of(a, b):
    z = F.normalize(network(torch.cat([a, b])).float())
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    n = len(z)
    return F.cross_entropy(logits, (torch.arange(n, device=z.device) + n // 2) % n)


if how != "eager":
    loss_of = torch.compile(loss_of, dynamic=False, mode=None if how == "compiled" else how)
half = torch.autocast(device.split(":")[0], torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def update():
    optimizer.zero_grad(set_to_none=True)
    with half:
        loss = loss_of(*views)
    loss.backward()
    optimizer.step()
    return loss if cuda else loss.item()


def finished():
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


for _ in range(10 if cuda else 1):
    update()
finished()
for _ in sys.stdin:
    begin = time.perf_counter()
    for _ in range(steps):
        update()
    print('{"seconds": %.6f}' % ((finished() - begin) / steps), flush=True)
