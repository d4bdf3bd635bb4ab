"""torchreid's way: its squared Euclidean distances by PyTorch, then its Cython ranking. peer_reid.py REPOSITORY FOLDER; one line of seconds for
each line on stdin. REPOSITORY: deep-person-reid with torchreid/metrics/rank_cylib built (python setup.py build_ext --inplace there)."""
import os
import sys
import time

import numpy as np
import torch

sys.path.insert(0, f"{sys.argv[1]}/torchreid/metrics/rank_cylib")
import rank_cy  # noqa: E402

torch.set_num_threads(len(os.sched_getaffinity(0)))
folder = sys.argv[2]
q, g = (torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in "qg")
qi, gi = (np.load(f"{folder}/{name}_ids.npy") for name in "qg")
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    distances = q.pow(2).sum(1, keepdim=True) + g.pow(2).sum(1)[None]  # what compute_distance_matrix does
    distances.addmm_(q, g.t(), beta=1, alpha=-2)
    between = time.perf_counter()
    cmc, mean_ap = rank_cy.evaluate_cy(distances.numpy(), qi[:, 0], gi[:, 0], qi[:, 1], gi[:, 1], 50)
    end = time.perf_counter()
    print(f"{end - start:.2f} {time.process_time() - cpu:.2f} {between - start:.2f} {100 * mean_ap:.5f} {100 * cmc[0]:.5f}", flush=True)
