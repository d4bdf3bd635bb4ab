#!/usr/bin/env python3
"""Re-identification figures by torchreid and scikit-learn, re-ranking by a float64 version written from the paper, for
tests/unit/metrics/ranking.cpp and rerank.cpp.

Usage: make_ranking.py TORCHREID > ranking.json   (TORCHREID: folder of torchreid 0.2.5's source; needs numpy and scikit-learn)

torchreid's metrics need no PyTorch when their files are loaded alone. Its data sets drop junk (identity -1) before, and so does this.
"""
import importlib.util
import itertools
import json
import sys
import warnings

import numpy as np
from sklearn.metrics import average_precision_score

np.bool = bool  # torchreid was written for numpy before 1.24


def load(name):
    spec = importlib.util.spec_from_file_location(name.split("/")[-1][:-3], f"{sys.argv[1]}/torchreid/reid/{name}")
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


rank, rerank = load("metrics/rank.py"), load("utils/rerank.py")


def distances(a, b, metric):
    a, b = a.astype(np.float64), b.astype(np.float64)
    if metric == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return 1 - a @ b.T
    return ((a[:, None] - b[None]) ** 2).sum(-1)


def reranked(queries, gallery, metric, k1, k2, lam, power):
    """Zhong et al. 2017, equation by equation, in float64 (no query is its own rival: distances to oneself are 0)."""
    every = np.concatenate([queries, gallery])
    d = distances(every, every, metric)
    np.fill_diagonal(d, 0)
    d = (d / d.max(axis=1, keepdims=True)) ** power
    n = len(d)
    order = np.argsort(d, axis=1, kind="stable")
    nearest = lambda i, k: set(order[i, : k + 1].tolist())  # noqa: E731  the item itself and k more

    def reciprocal(i, k):
        return {j for j in nearest(i, k) if i in nearest(j, k)}

    v = np.zeros((n, n))
    for i in range(n):
        base = reciprocal(i, k1)
        extended = set(base)
        for q in base:
            half = reciprocal(q, int(np.around(k1 / 2)))
            if 3 * len(base & half) > 2 * len(half):
                extended |= half
        for j in extended:
            v[i, j] = np.exp(-d[i, j])
        v[i] /= v[i].sum()
    if k2 > 1:
        v = np.stack([v[order[i, :k2]].mean(axis=0) for i in range(n)])
    q = len(queries)
    jaccard = np.array([[1 - np.minimum(v[i], v[j]).sum() / np.maximum(v[i], v[j]).sum() for j in range(q, n)] for i in range(q)])
    return (1 - lam) * jaccard + lam * d[:q, q:]


def single_shot_expectation(d, qp, gp, qc, gc, depth):
    """Expected CMC of the CUHK03 protocol: the rank is 1 + a sum of independent draws, one for each other identity."""
    curves = []
    for i in range(len(qp)):
        keep = ~((gp == qp[i]) & (gc == qc[i]))
        right = np.flatnonzero(keep & (gp == qp[i]))
        if len(right) == 0:
            continue
        curve = np.zeros(depth)
        for p in right:
            law = np.array([1.0])
            for identity in sorted(set(gp.tolist()) - {qp[i]}):
                before = (d[i, gp == identity] < d[i, p]).mean()
                law = np.convolve(law, [1 - before, before])
            curve += np.cumsum(np.pad(law, (0, depth))[:depth])
        curves.append(curve / len(right))
    return np.mean(curves, axis=0)


def case(seed, nq, ng, dim, identities, cameras, metric, spread, distractors=0, junk=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((identities + 1, dim))
    qp, gp = rng.integers(1, identities + 1, nq), rng.integers(1, identities + 1, ng)
    qc, gc = rng.integers(1, cameras + 1, nq), rng.integers(1, cameras + 1, ng)
    q = (centres[qp] + spread * rng.standard_normal((nq, dim))).astype(np.float32)
    g = (centres[gp] + spread * rng.standard_normal((ng, dim))).astype(np.float32)
    gp[:distractors] = 0
    gp[distractors : distractors + junk] = -1
    real = gp != -1
    d = distances(q, g, metric)
    dr, gpr, gcr = d[:, real], gp[real], gc[real]
    for row in dr:
        assert len(set(row.tolist())) == len(row), "ties"
    cmc, mean_ap = rank.eval_market1501(dr, qp, gpr, qc, gcr, 10)
    ap, trapezoid, inp = [], [], []
    for i in range(nq):
        keep = ~((gpr == qp[i]) & (gcr == qc[i]))
        right = gpr[keep] == qp[i]
        if not right.any():
            continue
        ap.append(average_precision_score(right, -dr[i, keep]))
        ranked = right[np.argsort(dr[i, keep])]
        hits = np.cumsum(ranked)
        precision, recall = hits / np.arange(1, len(ranked) + 1), hits / ranked.sum()
        trapezoid.append(sum((r1 - r0) * (p0 + p1) / 2 for r0, r1, p0, p1 in
                             zip([0, *recall], recall, [1, *precision], precision)))
        inp.append(ranked.sum() / (np.flatnonzero(ranked)[-1] + 1))
    assert abs(np.mean(ap) - mean_ap) < 1e-12, "scikit-learn and torchreid differ"
    return {
        "metric": metric, "dim": dim, "query": q.ravel().tolist(), "gallery": g.ravel().tolist(),
        "query_identity": qp.tolist(), "query_camera": qc.tolist(), "gallery_identity": gp.tolist(), "gallery_camera": gc.tolist(),
        "cmc": [float(x) for x in cmc], "map": float(mean_ap), "trapezoid_map": float(np.mean(trapezoid)), "minp": float(np.mean(inp)),
        "valid": len(ap), "single_shot": single_shot_expectation(dr, qp, gpr, qc, gcr, 10).tolist(),
    }


cases = [
    case(0, 12, 40, 5, 6, 3, "euclidean", 1.0),
    case(1, 12, 40, 5, 6, 3, "cosine", 1.0),
    case(2, 10, 50, 7, 9, 2, "euclidean", 0.7, distractors=8, junk=5),
    case(3, 8, 12, 4, 10, 2, "cosine", 0.5, junk=2),
]
# One gallery image of each identity: nothing is left to chance in CUHK03's protocol, and torchreid's own figures can be met exactly.
rng = np.random.default_rng(5)
centres = rng.standard_normal((12, 6))
q, g = ((centres + 0.9 * rng.standard_normal((12, 6))).astype(np.float32) for _ in range(2))
ids = np.arange(1, 13)
d = distances(q, g, "euclidean")
cmc, mean_ap = rank.eval_cuhk03(d, ids, ids, np.ones(12, int), np.full(12, 2), 10)
single = {"dim": 6, "query": q.ravel().tolist(), "gallery": g.ravel().tolist(), "cmc": [float(x) for x in cmc], "map": float(mean_ap)}

reranks = []
for (k1, k2, lam, power), index in itertools.product([(6, 3, 0.3, 1), (6, 3, 0.3, 2), (5, 1, 0.0, 1), (20, 6, 0.7, 1)], (0, 1)):
    c = cases[index]
    q, g = (np.array(c[k], np.float32).reshape(-1, c["dim"]) for k in ("query", "gallery"))
    ours = reranked(q, g, c["metric"], k1, k2, lam, power)
    # The authors' program (as torchreid carries it) squares what it is given.
    theirs = rerank.re_ranking(*(np.maximum(distances(a, b, c["metric"]), 0) ** (power / 2) for a, b in ((q, g), (q, q), (g, g))), k1, k2, lam)
    assert np.abs(ours - theirs).max() < 2e-5, np.abs(ours - theirs).max()
    reranks.append({"case": index, "k1": k1, "k2": k2, "lambda": lam, "power": power, "distances": ours.ravel().tolist()})
print(json.dumps({"cases": cases, "single_shot": single, "reranked": reranks}))
