#!/usr/bin/env python3
"""Makes zip.pth, legacy.pth, namespace.pth and their content, torch.json, for tests/unit/weights/torch_file.cpp.

    python3 make_torch.py        # PyTorch 2.11.0
"""
import argparse
import collections
import json

import torch

torch.manual_seed(0)
base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
state = collections.OrderedDict(
    [
        ("module.conv1.weight", torch.nn.Parameter(torch.randn(2, 3, 3, 3))),
        ("module.bn1.num_batches_tracked", torch.tensor(17)),
        ("module.shared", base),
        ("module.transposed", base.t()),
        ("module.part", base[1:3, 2:5]),
        ("module.every_other", base[:, ::2]),
        ("module.repeated", torch.tensor([1.5, -2.5]).expand(3, 2)),
        ("module.half", torch.tensor([1.0, 2.5, -0.25]).half()),
        ("module.bfloat16", torch.tensor([1.0, 2.5, -0.25]).bfloat16()),
        ("module.double", torch.tensor([[1e-300]], dtype=torch.float64)),
        ("module.mask", torch.tensor([True, False, True])),
        ("module.bytes", torch.tensor([0, 255], dtype=torch.uint8)),
        ("module.empty", torch.zeros(0, 5)),
    ]
)
state._metadata = collections.OrderedDict([("", {"version": 1})])
content = {"epoch": 3, "loss": 0.5, "big": 2**40, "negative": -5, "arch": "resnet50", "flags": [True, None, (1, 2)], "ids": {1, 2}, "state_dict": state,
           "size": base.size(), "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}}
torch.save(content, "zip.pth")
torch.save(content, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"args": argparse.Namespace(lr=0.1, arch="vit"), "model": {"w": torch.ones(2)}}, "namespace.pth")


def values(tensor):
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape), "values": tensor.detach().double().flatten().tolist()}


told = {"state_dict." + key: values(tensor) for key, tensor in state.items()}
told["optimizer.state.0.momentum_buffer"] = values(torch.ones(2))
with open("torch.json", "w") as file:
    json.dump(told, file, indent=0)
