#!/usr/bin/env python3
"""Correlations by scipy, highlight figures and retrieval ranks by plain numpy, for tests/unit/metrics/correlation.cpp, highlight.cpp, retrieval.cpp.

Usage: make_scores.py > scores.json   (needs numpy, scipy, scikit-learn)
"""
import json

import numpy as np
from scipy.special import softmax
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score

rng = np.random.default_rng(0)

correlations = []
for n, levels, scale in ((2, 0, 1), (7, 3, 1), (50, 0, 1e-180), (200, 6, 1e150), (100, 0, 1), (60, 2, 1)):
    a = rng.standard_normal(n)
    b = 0.5 * a + rng.standard_normal(n)
    if levels:
        a, b = np.round(a * levels / 3), np.round(b * levels / 3)
    correlations.append({"a": (a * scale).tolist(), "b": b.tolist(), "pearson": float(pearsonr(a, b)[0]), "spearman": float(spearmanr(a, b)[0])})


def trapezoid(ranked):
    if not any(ranked):
        return 0.0
    hits, area, recall, precision = 0, 0.0, 0.0, 1.0
    for i, one in enumerate(ranked):
        hits += one
        r, p = hits / sum(ranked), hits / (i + 1)
        area += (r - recall) * (precision + p) / 2
        recall, precision = r, p
    return area


youtube = []
for n in (1, 5, 20, 63):
    scores, positive = rng.permutation(n) + 0.5, rng.random(n) < 0.3
    order = np.argsort(-scores)
    youtube.append({"scores": scores.tolist(), "positive": positive.astype(int).tolist(), "trapezoid": trapezoid(positive[order].tolist()),
                    "step": float(average_precision_score(positive, scores)) if positive.any() else 0.0})
tvsum = []
for clips in (4, 9, 30):
    importance = rng.integers(1, 6, (clips, 20)).astype(float)
    scores = rng.permutation(clips) / 7
    order, per = np.argsort(-scores), []
    for a in range(20):
        median = np.sort(importance[:, a])[(clips - 1) // 2]  # torch.median is the lower one
        per.append(trapezoid((importance[order, a] > median).astype(int).tolist()[:5]))
    tvsum.append({"importance": importance.tolist(), "scores": scores.tolist(), "top5": float(np.mean(per))})


def ranks(s, videos):
    """Of the best right candidate, from both sides; captions in rows, videos in columns. No ties here."""
    text = [1 + int((s[c] > s[c, v]).sum()) for c, v in enumerate(videos)]
    best = lambda v: s[videos == v, v].max()  # noqa: E731
    among_captions = [1 + int((s[:, v] > best(v)).sum()) for v in range(s.shape[1])]
    among_videos = [1 + sum(s[videos == w, v].max() > best(v) for w in range(s.shape[1]) if w != v) for v in range(s.shape[1])]
    return {"text": text, "captions": among_captions, "videos": [int(r) for r in among_videos]}


def summary(r):
    return {"R@1": float(np.mean(np.array(r) <= 1)), "R@5": float(np.mean(np.array(r) <= 5)), "median": float(np.median(r)), "mean": float(np.mean(r))}


retrieval = []
for videos, captions in ((12, 1), (8, 4)):
    of = np.repeat(np.arange(videos), captions)
    s = 0.3 * rng.standard_normal((len(of), videos))
    s[np.arange(len(of)), of] += 0.4
    one = {"videos": of.tolist(), "similarity": s.ravel().tolist(), "plain": ranks(s, of)}
    one["summary"] = {k: summary(v) for k, v in one["plain"].items()}
    temperature = 0.1
    one["dual_text"] = ranks(s * softmax(s / temperature, axis=0), of)["text"]
    one["dual_captions"] = ranks(s * softmax(s / temperature, axis=1), of)["captions"]
    retrieval.append(one)
print(json.dumps({"correlations": correlations, "youtube": youtube, "tvsum": tvsum, "temperature": 0.1, "retrieval": retrieval}))
