"""Writes backbones.json: what torchvision's ResNets and timm's ViTs give for weights and an input made by a formula, and what the
references of position embeddings give. tests/unit/nn repeats the formula in C++.
Run with torch, torchvision, timm and numpy: python make_backbones.py > backbones.json
"""
import hashlib
import json
import sys

import numpy as np
import timm
import torch
import torchvision
from formula import noise, sample


def fill(module):
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = noise(name, tensor.numel())
        if tensor.dim() == 3:  # class token and positions
            u = 0.4 * u
        elif tensor.dim() > 1:
            u = u * 3.5 / np.sqrt(tensor.numel() / tensor.shape[0])
        elif name.endswith("running_var") or name.endswith("weight"):
            u = 1.0 + 0.5 * u
        else:
            u = 0.5 * u
        tensor.copy_(torch.from_numpy(u.reshape(tensor.shape)).float())


def entry(module, head, image, features, options):
    fill(module)
    state = {k: v for k, v in module.state_dict().items() if not k.startswith(head)}
    lines = "".join(f"{k} {list(v.shape)}\n" for k, v in sorted(state.items()))
    x = torch.from_numpy(noise("input", 2 * 3 * image * image).reshape(2, 3, image, image) * 4).float()
    pooled, spatial = features(module, x)
    return dict(options=options, input=image, keys="sha256:" + hashlib.sha256(lines.encode()).hexdigest(), count=len(state),
                pooled=sample(pooled), map=sample(spatial))


def resnet(module, x):
    x = module.maxpool(module.relu(module.bn1(module.conv1(x))))
    x = module.layer4(module.layer3(module.layer2(module.layer1(x))))
    return x.mean((2, 3)), x


def vit(module, x):
    tokens = module.forward_features(x)
    side = int((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 0], tokens[:, 1:].transpose(1, 2).reshape(x.shape[0], -1, side, side)


def sincos(dim, rows, columns):
    """Restatement, value by value, of MAE's util/pos_embed.py: column first, then row, each sin then cos."""
    out = np.zeros((rows * columns, dim))
    quarter = dim // 4
    for r in range(rows):
        for c in range(columns):
            for i in range(quarter):
                w = 1.0 / 10000 ** (i / quarter)
                out[r * columns + c, [i, quarter + i, 2 * quarter + i, 3 * quarter + i]] = np.sin(c * w), np.cos(c * w), np.sin(r * w), np.cos(r * w)
    return torch.from_numpy(out)


def positions(size, offset):
    grid = torch.from_numpy(noise("positions", 14 * 14 * 8).reshape(1, 14, 14, 8)).float().permute(0, 3, 1, 2)
    if offset:
        out = torch.nn.functional.interpolate(grid, scale_factor=((size[0] + offset) / 14, (size[1] + offset) / 14), mode="bicubic")
    else:
        out = torch.nn.functional.interpolate(grid, size=size, mode="bicubic")
    assert out.shape[-2:] == size
    return sample(out.permute(0, 2, 3, 1).reshape(1, -1, 8))


def main():
    torch.set_grad_enabled(False)
    out = {"made_with": {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__}, "backbones": []}
    for name in ("resnet18", "resnet34", "resnet50"):
        module = torchvision.models.get_model(name, weights=None).eval()
        out["backbones"].append(entry(module, "fc.", 64, resnet, {"name": name}))
    for name, model, image, patch in (("vit-tiny", "vit_tiny_patch16_224", 224, 16), ("vit-small", "vit_small_patch16_224", 224, 16),
                                      ("vit-tiny", "vit_tiny_patch16_224", 32, 4)):
        module = timm.create_model(model, pretrained=False, num_classes=0, img_size=image, patch_size=patch).eval()
        out["backbones"].append(entry(module, "head.", image, vit, {"name": name, "image": image, "patch": patch}))
    out["sincos"] = [dict(dim=d, rows=r, columns=c, values=sample(sincos(d, r, c))) for d, r, c in ((64, 7, 7), (16, 3, 5))]
    out["interpolation"] = [dict(size=list(s), offset=o, values=positions(s, o)) for s, o in (((6, 6), 0.0), ((6, 6), 0.1), ((20, 9), 0.0), ((20, 9), 0.1))]
    json.dump(out, sys.stdout, indent=1)
    print()


main()
