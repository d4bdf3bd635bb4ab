"""SimCLR on CIFAR-10's binary batches with lightly, as its own CIFAR-10 benchmark does it. Prints images a second after a warm-up.

python peer_pretrain.py CIFAR_DIR ARCH STEPS    ARCH: resnet18 (CIFAR stem) or resnet10-quarter (width 16 to 128, stem of stride 2)
"""
import pathlib
import sys
import time

import numpy
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

folder, arch, steps = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
batch, warmup, workers = 64, 5, 2


class Cifar(torch.utils.data.Dataset):
    def __init__(self):
        raw = numpy.concatenate([numpy.fromfile(f, numpy.uint8).reshape(-1, 3073) for f in sorted(folder.glob("data_batch_*.bin"))])
        self.images = raw[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
        self.transform = SimCLRTransform(input_size=32, gaussian_blur=0.0)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index]))


def network():
    if arch == "resnet18":
        net = ResNet(BasicBlock, [2, 2, 2, 2])
        net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        features = 512
    else:
        net = ResNet(BasicBlock, [1, 1, 1, 1])
        net.conv1, net.bn1, net.inplanes = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), 16
        net.layer1, net.layer2 = net._make_layer(BasicBlock, 16, 1), net._make_layer(BasicBlock, 32, 1, stride=2)
        net.layer3, net.layer4 = net._make_layer(BasicBlock, 64, 1, stride=2), net._make_layer(BasicBlock, 128, 1, stride=2)
        features = 128
    net.maxpool, net.fc = nn.Identity(), nn.Identity()
    return nn.Sequential(net, SimCLRProjectionHead(features, features, 128))


def main():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(Cifar(), batch_size=batch, shuffle=True, drop_last=True, num_workers=workers)
    model, criterion = network(), NTXentLoss(temperature=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=5e-4)
    done, begin = 0, 0.0
    for views in loader:
        if done == warmup:
            begin = time.perf_counter()
        loss = criterion(model(views[0]), model(views[1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
        if done == steps + warmup:
            break
    print("%.1f" % (batch * steps / (time.perf_counter() - begin)), flush=True)
    loader._iterator = None


if __name__ == "__main__":
    main()
