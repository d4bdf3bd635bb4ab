#!/usr/bin/env python3
"""Features of Market-1501's size: clusters that overlap enough for mistakes. make_reid.py FOLDER -> q.npy, g.npy, q_ids.npy, g_ids.npy"""
import sys

import numpy as np

rng = np.random.default_rng(0)
dim, people = 2048, 750
centres = rng.standard_normal((people + 1, dim), dtype=np.float32)
for name, count, first in (("q", 3368, 1), ("g", 15913, 0)):
    identity = rng.integers(first, people + 1, count)
    features = np.abs(centres[identity] + rng.uniform(1, 2, (count, 1)).astype(np.float32) * rng.standard_normal((count, dim), dtype=np.float32))
    np.save(f"{sys.argv[1]}/{name}.npy", features)
    np.save(f"{sys.argv[1]}/{name}_ids.npy", np.stack([identity, rng.integers(1, 7, count)], 1))
