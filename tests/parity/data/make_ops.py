#!/usr/bin/env python3
"""Makes ops.json and ops.bin.gz: what torchvision's transforms make of a few real images, for tests/unit/data/ops_parity.cpp.

    python3 make_ops.py FASHION_MNIST_FOLDER CIFAR10_TRAIN_TAR_GZ

Everything is torchvision.transforms on PIL images; the Gaussian blur, too, is torchvision's (it works on tensors inside).
"""
import gzip
import json
import sys
import tarfile

import numpy
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode as Mode

fashion, cifar = sys.argv[1:]
with gzip.open(f"{fashion}/t10k-images-idx3-ubyte.gz") as file:
    file.seek(16 + 784 * 2)
    grey = Image.fromarray(numpy.frombuffer(file.read(784), numpy.uint8).reshape(28, 28))
with tarfile.open(cifar) as archive:
    photos = {}
    for member in archive:
        if member.name in ("train/frog/0002.jpg", "train/truck/0005.jpg", "train/bird/0001.jpg", "train/ship/0003.jpg"):
            photos[member.name] = Image.open(archive.extractfile(member)).convert("RGB")
photos = [photos[name] for name in sorted(photos)]
assert len(photos) == 4
# A larger picture with edges: four photographs side by side and above each other, each enlarged by a different amount.
mosaic = Image.new("RGB", (106, 90))
for photo, box in zip(photos, ((0, 0, 60, 40), (60, 0, 106, 40), (0, 40, 60, 90), (60, 40, 106, 90))):
    mosaic.paste(photo.resize((box[2] - box[0], box[3] - box[1]), Image.BILINEAR), box[:2])

images = {"grey": grey, "frog": photos[1], "truck": photos[3], "mosaic": mosaic}
blob, entries, sources = bytearray(), [], {}


def put(image):
    array = numpy.asarray(image)
    place = {"offset": len(blob), "shape": list(array.shape) + [1] * (3 - array.ndim)}
    blob.extend(array.tobytes())
    return place


for name, image in images.items():
    sources[name] = put(image)


def case(op, source, out, **parameters):
    entries.append({"op": op, "image": source, **parameters, **put(out)})


modes = {"bilinear": Mode.BILINEAR, "bicubic": Mode.BICUBIC}
crops = [
    ("grey", (3, 5, 19, 21), (28, 28)), ("grey", (10, 2, 7, 9), (28, 28)),
    ("frog", (4, 7, 20, 17), (32, 32)), ("frog", (1, 0, 31, 9), (24, 24)),
    ("mosaic", (0, 0, 90, 106), (32, 32)), ("mosaic", (11, 23, 57, 71), (32, 32)), ("mosaic", (40, 50, 32, 40), (32, 24)),
    ("mosaic", (2, 3, 80, 32), (16, 32)),
]
for source, (top, left, height, width), size in crops:
    for name, mode in modes.items():
        for flip in (False, True)[: 2 if source == "frog" else 1]:
            out = F.resized_crop(images[source], top, left, height, width, list(size), mode, antialias=True)
            case("crop_resize", source, F.hflip(out) if flip else out, box=[left, top, width, height], size=list(size), filter=name, flip=flip)
# Evaluation: resize the short side, cut the middle.
for name, mode in modes.items():
    case("centre", "mosaic", F.center_crop(F.resize(mosaic, 37, mode), [32, 32]), size=[32, 32], filter=name)
for factor in (0.0, 0.37, 1.63):
    for source in ("grey", "frog"):
        case("brightness", source, F.adjust_brightness(images[source], factor), factor=factor)
        case("contrast", source, F.adjust_contrast(images[source], factor), factor=factor)
    case("saturation", "frog", F.adjust_saturation(images["frog"], factor), factor=factor)
for shift in (-0.5, -0.013, 0.1, 0.33):
    case("hue", "frog" if shift < 0.1 else "truck", F.adjust_hue(images["frog" if shift < 0.1 else "truck"], shift), factor=shift)
for source in ("frog", "truck"):
    case("grey", source, F.rgb_to_grayscale(images[source], 3))
for kernel, sigma in ((3, 0.1), (5, 0.7), (23, 1.4)):
    case("blur", "frog", F.gaussian_blur(images["frog"], [kernel, kernel], [sigma, sigma]), kernel=kernel, sigma=sigma)
case("blur", "grey", F.gaussian_blur(images["grey"], [3, 3], [0.9, 0.9]), kernel=3, sigma=0.9)
for threshold in (128,):
    case("solarize", "truck", F.solarize(images["truck"], threshold), threshold=threshold)
case("solarize", "grey", F.solarize(images["grey"], 128), threshold=128)

made_by = f"torchvision {torchvision.__version__.split('+')[0]}, Pillow {PIL.__version__}"
with open("ops.json", "w") as file:
    lines = ",\n".join("    " + json.dumps(entry) for entry in entries)
    file.write(f'{{\n  "made_by": "{made_by}",\n  "images": {json.dumps(sources)},\n  "cases": [\n{lines}\n  ]\n}}\n')
with open("ops.bin.gz", "wb") as file:
    file.write(gzip.compress(bytes(blob), 9, mtime=0))
