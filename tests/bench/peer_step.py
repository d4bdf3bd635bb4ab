"""The update of step.cpp in PyTorch: the same network, batch, layout, loss and optimizer; takes turns with it through stdin."""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
steps, batch, temperature = 3, 64, 0.5
backbone = resnet18(num_classes=1)
backbone.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
backbone.maxpool = nn.Identity()
backbone.fc = nn.Identity()
head = nn.Sequential(nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 128, bias=False), nn.BatchNorm1d(128, affine=False))
network = nn.Sequential(backbone, head).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4, fused=True)
views = [torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last) for _ in range(2)]


def update():
    optimizer.zero_grad(set_to_none=True)
    z = F.normalize(network(torch.cat(views)))
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    n = len(z)
    loss = F.cross_entropy(logits, (torch.arange(n) + n // 2) % n)
    loss.backward()
    optimizer.step()
    return loss.item()


update()
for _ in sys.stdin:
    begin = time.perf_counter()
    for _ in range(steps):
        update()
    print('{"seconds": %.5f}' % ((time.perf_counter() - begin) / steps), flush=True)
