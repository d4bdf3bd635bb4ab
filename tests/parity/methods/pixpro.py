"""Numbers of tests/unit/methods/pixpro.cpp: PixPro's and PixContrast's loss cell by cell, in plain Python.

PixPro's agree with the released contrast/models/PixPro.py (zdaxie/PixPro, commit 6689c383) in float64 to 1e-15; PixContrast is not released.
Run: python3 tests/parity/methods/pixpro.py
"""
from math import exp, hypot, log, sin, sqrt

N, D, SIDE = 2, 3, 3
CELLS = range(SIDE * SIDE)
FIRST = [(0.1, 0.2, 0.7, 0.8), (0.9, 0.1, 0.3, 0.6)]  # the second image's view is mirrored
SECOND = [(0.2, 0.1, 0.9, 0.7), (0.2, 0.2, 1.0, 0.9)]


def maps(a, b):
    """maps[n][cell][channel] of an N x D x SIDE x SIDE array filled with sin(a i^2 + b)."""
    return [[[sin(a * i * i + b) for i in ((n * D + d) * SIDE * SIDE + cell for d in range(D))] for cell in CELLS] for n in range(N)]


def dot(u, v):
    return sum(p * q for p, q in zip(u, v))


def unit(v):
    return [p / sqrt(dot(v, v)) for p in v]


def distance(a, b, i, j):
    centre = lambda box, k: (box[0] + (k % SIDE + 0.5) * (box[2] - box[0]) / SIDE, box[1] + (k // SIDE + 0.5) * (box[3] - box[1]) / SIDE)
    diagonal = lambda box: hypot(box[2] - box[0], box[3] - box[1]) / SIDE
    (xi, yi), (xj, yj) = centre(a, i), centre(b, j)
    return hypot(xi - xj, yi - yj) / max(diagonal(a), diagonal(b))


def propagate(x, gamma):
    u = [unit(v) for v in x]
    s = [[(max(dot(p, q), 0) + (1e-6 if gamma < 1 else 0)) ** gamma for q in u] for p in u]
    return [unit([sum(s[i][j] * u[j][d] for j in CELLS) for d in range(D)]) for i in CELLS]


x, z = maps(0.7, 0.1), [[unit(v) for v in image] for image in maps(1.3, 0.5)]
print('distances', distance(FIRST[0], SECOND[0], 0, 0), distance(FIRST[1], SECOND[1], 2, 6))
for threshold in (0.7, 1.5):
    pairs = [[(i, j) for i in CELLS for j in CELLS if distance(FIRST[n], SECOND[n], i, j) < threshold] for n in range(N)]
    print('T', threshold, 'pairs', [len(p) for p in pairs])
    for gamma in (0.5, 1, 2):
        y = [propagate(image, gamma) for image in x]
        print('  gamma', gamma, 'consistency', -2 / N * sum(sum(dot(y[n][i], z[n][j]) for i, j in pairs[n]) / (len(pairs[n]) + 1e-6) for n in range(N)))
    loss = 0
    for n in range(N):
        rows = sorted({i for i, _ in pairs[n]})
        e = {i: [exp(dot(unit(x[n][i]), z[n][j]) / 0.3) for j in CELLS] for i in rows}
        loss += sum(-log(sum(e[i][j] for k, j in pairs[n] if k == i) / sum(e[i])) for i in rows) / len(rows) / N
    print('  contrast, tau 0.3', loss)
