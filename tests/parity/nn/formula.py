"""What the parity scripts of this folder share: numbers from a formula, which tests/unit/nn/formula.h repeats, and what is kept of a tensor."""
import numpy as np
import torch


def noise(name, count):
    """count values in [-0.5, 0.5) from the name: FNV-1a of the name, mixed with the index by murmur3's finaliser."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    x = np.uint32(h) ^ (np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2.0**32 - 0.5


def sample(tensor):
    flat = tensor.flatten()
    return [float(v) for v in flat[torch.linspace(0, flat.numel() - 1, 16).long()]]
