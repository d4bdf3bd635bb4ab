#!/usr/bin/env python3
"""Views a second that torchvision makes on a GPU from encoded JPEGs in memory, for 'augment': SimCLR's, by transforms.v2 on one picture after the other.

    python3 peer_augment.py FOLDER SIZE BATCH SECONDS

A batch is decoded in one call (nvJPEG); every picture gets two views, drawn anew, which are stacked as bfloat16 in channels-last memory. Prints one
line of JSON for the decoding alone, the views alone, and both.
"""
import json
import pathlib
import sys
import time

import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

folder, size, batch, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
torch.manual_seed(0)
files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))[:1024]
encoded = [torch.frombuffer(bytearray(p.read_bytes()), dtype=torch.uint8) for p in files]
transform = v2.Compose([
    v2.RandomResizedCrop(size, antialias=True),
    v2.RandomHorizontalFlip(),
    v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
    v2.RandomGrayscale(0.2),
    v2.RandomApply([v2.GaussianBlur(size // 10 | 1, (0.1, 2.0))], p=0.5),
    v2.ToDtype(torch.bfloat16, scale=True),
    v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
])


def decode(first):
    return decode_jpeg([encoded[(first + i) % len(encoded)] for i in range(batch)], mode=ImageReadMode.RGB, device="cuda")


def views(pictures):
    return [torch.stack([transform(p) for p in pictures]).contiguous(memory_format=torch.channels_last) for _ in range(2)]


def measure(stage, work):
    work(0)
    torch.cuda.synchronize()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        work(done * batch)
        done += 1
    torch.cuda.synchronize()
    rate = done * batch / (time.perf_counter() - begin)
    print(json.dumps({"stage": stage, "images_per_second": round(rate), "views_per_second": round(2 * rate)}), flush=True)


pictures = decode(0)
measure("decode", decode)
measure("views", lambda _: views(pictures))
measure("both", lambda first: views(decode(first)))
