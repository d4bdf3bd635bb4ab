"""Writes rotnet.json: what RotNet's released networks give for weights and an input made by formula.py (with our names).
Run with torch and numpy on two files of github.com/gidariss/FeatureLearningRotNet (edafaba), whose Python 2 division is made an integer's:
  python make_rotnet.py architectures/NetworkInNetwork.py architectures/AlexNet.py > rotnet.json
"""
import json
import re
import sys

import numpy as np
import torch
from formula import noise, sample


def released(path, options):
    with open(path) as file:
        source = file.read().expandtabs(8).replace("(kernel_size-1)/2", "(kernel_size-1)//2")
    scope = {"__name__": "released"}
    exec(compile(source, path, "exec"), scope)
    return scope["create_model"](options).eval()


def nin_name(key):
    block, conv, part, rest = re.fullmatch(r"_feature_blocks\.\d+\.Block(\d)_ConvB(\d)\.layers\.(Conv|BatchNorm)\.(\w+)", key).groups()
    return f"block{block}.{'conv' if part == 'Conv' else 'bn'}{conv}.{rest}"


def alexnet_name(key):
    block, part, rest = re.fullmatch(r"_feature_blocks\.(\d+)\.(\d)\.(\w+)", key).groups()
    if block == "8":
        return f"fc{1 if part in '12' else 2}{'' if part in '14' else '_bn'}.{rest}"
    return f"conv{(0, 2, 4, 5, 6).index(int(block)) + 1}{'' if part == '0' else '_bn'}.{rest}"


def fill(module, name_of, classifier):
    for key, tensor in module.state_dict().items():
        if key.startswith(classifier) or key.endswith("num_batches_tracked"):
            continue
        name = name_of(key)
        u = noise(name, tensor.numel())
        if tensor.dim() > 1:
            u = u * 3.5 / np.sqrt(tensor.numel() / tensor.shape[0])
        elif name.endswith("running_var") or name.endswith("weight"):
            u = 1.0 + 0.5 * u
        else:
            u = 0.5 * u
        tensor.copy_(torch.from_numpy(u.reshape(tensor.shape)).float())


def entry(module, options, image, taps, map_name, last):
    x = torch.from_numpy(noise("input", 2 * 3 * image * image).reshape(2, 3, image, image) * 4).float()
    names = list(taps) + [map_name, last]
    found = dict(zip(names, [module(x, [name]) for name in names]))
    pooled = found[last] if last != map_name else found[last].mean((2, 3))
    return dict(options=options, input=image, parameters=sum(p.numel() for p in module.parameters()),
                taps={ours: sample(found[theirs]) for theirs, ours in taps.items()}, map=sample(found[map_name]), pooled=sample(pooled))


def main():
    torch.set_grad_enabled(False)
    out = {"made_with": torch.__version__, "backbones": []}
    for blocks in (3, 4, 5):
        module = released(sys.argv[1], {"num_classes": 4, "num_stages": blocks, "use_avg_on_conv3": False})
        fill(module, nin_name, f"_feature_blocks.{blocks}.")
        taps = {f"conv{i + 1}": f"block{i + 1}" for i in range(blocks)}
        out["backbones"].append(entry(module, {"name": f"nin{blocks}"}, 32, taps, f"conv{blocks}", f"conv{blocks}"))
    module = released(sys.argv[2], {"num_classes": 4})
    fill(module, alexnet_name, "_feature_blocks.9.")
    out["backbones"].append(entry(module, {"name": "alexnet"}, 224, {f"conv{i}": f"conv{i}" for i in range(1, 6)}, "pool5", "fc_block"))
    json.dump(out, sys.stdout, indent=1)
    print()


main()
