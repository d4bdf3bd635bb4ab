#!/usr/bin/env python3
"""Views a second of processor time that lightly's transforms (torchvision's operations on PIL images) make on one thread, for 'views'.

    python3 peer_views.py simclr|swav SIZE SECONDS FOLDER_OR_TAR_GZ

Encoded files are in memory; the time has decoding, every operation, and the conversion to a normalised tensor. Prints views/s and ms an image.
"""
import glob
import io
import random
import sys
import tarfile
import time

import torch
from lightly.transforms import SimCLRTransform, SwaVTransform
from PIL import Image

torch.set_num_threads(1)
kind, size, seconds, source = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
random.seed(0)
torch.manual_seed(0)
if source.endswith(".gz"):
    with tarfile.open(source) as archive:
        files = [archive.extractfile(m).read() for m, _ in zip((m for m in archive if m.isfile()), range(512))]
else:
    paths = sorted(glob.glob(f"{source}/**/*.[jJ]*[gG]", recursive=True))
    files = [open(path, "rb").read() for path in random.sample(paths, min(512, len(paths)))]
transform = SimCLRTransform(input_size=size) if kind == "simclr" else SwaVTransform(crop_sizes=(size, 96))
count = done = 0
begin = time.process_time()
while time.process_time() - begin < seconds:
    count += len(transform(Image.open(io.BytesIO(files[done % len(files)])).convert("RGB")))
    done += 1
spent = time.process_time() - begin
print(f"{count / spent:.1f} {spent / done * 1000:.4f}")
