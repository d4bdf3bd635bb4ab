#!/usr/bin/env python3
"""The tables of README.md here: bench-scale [cuda] | table.py [--passes 3000] [--latency 60] [--bandwidth 25]

--passes      forward and backward passes of a ResNet-50 at 224 pixels that one GPU makes in a second, where bench-scale did not measure
--latency     microseconds of a small collective among 8 GPUs of one host; twice as long for every factor of 8 hosts
--bandwidth   gigabytes a second that each GPU gets out of its host in a large reduction
"""
import argparse
import json
import math
import sys

options = argparse.ArgumentParser()
options.add_argument("--passes", type=float, default=3000)
options.add_argument("--latency", type=float, default=60)
options.add_argument("--bandwidth", type=float, default=25)
o = options.parse_args()

SIDE = 224 * 224
# Passes of a ResNet-50 at 224 pixels that an image costs (forward and backward 1, forward alone 1/3; ViT-S/16 1.12 and MAE's encoder and
# decoder of ViT-B/16 2.3 by their multiplications), and forward passes of the normalised networks a step: with gradient, without.
WORK = {"simclr": (2, 1, 0), "moco": (4 / 3, 0, 0), "byol": (8 / 3, 2, 2), "simsiam": (2, 2, 0), "swav": (155648 / SIDE, 2, 0),
        "dino": ((174080 + 2 * SIDE / 3) / SIDE * 1.12, 0, 0), "mae": (2.3, 0, 0)}
VIEWS_A_CORE = 2670  # SimCLR's at 224 pixels, tests/bench/README.md
BYTES = {"ImageNet-1k": 110e3, "LAION-400M at 256 px": 25e3}

rows = [json.loads(line) for line in sys.stdin]


def rate_of(row):
    """Images a second of one GPU: measured, or by --passes."""
    return row.get("images_per_second") or o.passes / WORK[row["method"]][0]


print("| | trained | state of a rank: network and EMA, optimizer, gradients | one GPU: images/s | MB/s to read, ImageNet (LAION) | cores to make views |")
print("|---|---|---|---|---|---|")
for r in rows:
    rate = rate_of(r)
    read = [rate * size / 1e6 for size in BYTES.values()]
    cores = rate * r["pixels"] / SIDE / VIEWS_A_CORE
    print(f'| {r["method"]} ({r["arch"]}) | {r["gradient_MB"]:.0f} MB | {r["state_MB"]:.0f} + {r["optimizer_MB"]:.0f} + {r["gradient_MB"]:.0f} MB '
          f'| {rate:,.0f} | {read[0]:.0f} ({read[1]:.0f}) | {cores:.1f} |')
print()
print("| | GPUs | images a GPU | computing | gradients: MB a GPU, ms | normalisation: collectives, ms | gathered a GPU | in step | reads, all |")
print("|---|---|---|---|---|---|---|---|---|")
for r in rows:
    _, with_gradient, without = WORK[r["method"]]
    for gpus in (8, 64, 512):
        if r["batch"] % gpus:
            continue
        own = r["batch"] / gpus
        compute = own / rate_of(r) * 1e3
        moved = 2 * (gpus - 1) / gpus * r["gradient_MB"]
        reduce = moved / 1e3 / (o.bandwidth * (12 if gpus == 8 else 1)) * 1e3  # within a host an order of magnitude faster
        networks = 2 if without else 1
        collectives = r["norms"] / networks * (2 * with_gradient + without) + (8 if r["method"] == "swav" else 0)  # Sinkhorn's
        norm = collectives * o.latency / 1e3 * (1 + math.log(gpus / 8, 8))
        gathered = {"simclr": 3 * 2 * r["batch"] * 128 * 4, "moco": r["batch"] * (3 * SIDE + 2 * 128) * 4}.get(r["method"], 0) / 1e6
        bandwidth = o.bandwidth * (12 if gpus == 8 else 1)
        # The gradients' reduction overlaps with the backward pass, two thirds of the computing.
        step = compute / 3 + max(2 / 3 * compute, reduce) + norm + gathered / 1e3 / bandwidth * 1e3
        reads = r["batch"] / step * 1e3 * 110e3 / 1e9
        print(f'| {r["method"]} | {gpus} | {own:.0f} | {compute:.0f} ms | {moved:.0f} MB, {reduce:.1f} ms | {collectives:.0f}, {norm:.0f} ms '
              f'| {gathered:.1f} MB | {100 * compute / step:.0f} % | {reads:.1f} GB/s |')
