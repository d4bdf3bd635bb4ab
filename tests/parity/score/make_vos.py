"""Numbers for tests/unit/score/vos_parity.cpp: small videos and what they score, in float64, by NumPy, SciPy, scikit-image and scikit-learn.

    python3 tests/parity/score/make_vos.py      (NumPy 2.4, SciPy 1.17, scikit-image 0.26, scikit-learn 1.9)

Written from the definitions (Perazzi et al. 2016 for J and F; Pont-Tuset et al. 2017 and Caelles et al. 2019 for the two tasks), not from the
official program; where the definitions leave something open the official program's behaviour was looked up and is named below.
Importable: tests/bench/peer_vos.py times jaccard() and boundary_f() on real frames.
"""
import json
import os

import numpy as np
from scipy.optimize import linear_sum_assignment
from skimage.morphology import dilation, disk
from sklearn.metrics import adjusted_rand_score


def jaccard(a, b):
    union = np.logical_or(a, b).sum()
    return 1.0 if union == 0 else float(np.logical_and(a, b).sum() / union)


def contour(mask):
    """Pixels that differ from the right, lower or lower-right one; outside of the image nothing is compared, and the last pixel is none."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1, :] |= mask[:-1, :] != mask[1:, :]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def boundary_f(a, b, tolerance=0.008):
    radius = int(np.ceil(tolerance * np.hypot(*a.shape)))
    line_a, line_b = contour(a), contour(b)
    n_a, n_b = line_a.sum(), line_b.sum()
    if n_a == 0 or n_b == 0:
        return float(n_a == n_b)
    shape = disk(radius).astype(bool)
    recall = np.logical_and(line_a, dilation(line_b, shape)).sum() / n_a
    precision = np.logical_and(line_b, dilation(line_a, shape)).sum() / n_b
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))


def statistics(values):
    values = np.asarray(values, np.float64)
    bounds = np.floor(np.linspace(0, len(values) - 1, 5) + 0.5 + 1e-9).astype(int)
    decay = values[bounds[0]:bounds[1] + 1].mean() - values[bounds[3]:bounds[4] + 1].mean()
    return [float(values.mean()), float((values > 0.5).mean()), float(decay)]


def objects_of(truth):
    """The official program counts objects in the first frame."""
    first = truth[0][truth[0] != 255]
    return int(first.max()) if first.size else 0


def semi_supervised(truth, prediction):
    rows = []
    for k in range(1, objects_of(truth) + 1):
        pairs = [(t == k, p == k) for t, p in zip(truth[1:-1], prediction[1:-1])]
        rows.append({"j": statistics([jaccard(*x) for x in pairs]), "f": statistics([boundary_f(*x) for x in pairs])})
    return rows


def unsupervised(truth, prediction):
    void = truth == 255
    truth, masked = np.where(void, 0, truth), np.where(void, 0, prediction)
    objects = objects_of(truth)
    proposals = max(int(prediction.max()), objects)
    j, f = np.zeros((2, proposals, objects, len(truth)))
    for p in range(proposals):
        for o in range(objects):
            for n, (t, q) in enumerate(zip(truth, masked)):
                j[p, o, n], f[p, o, n] = jaccard(t == o + 1, q == p + 1), boundary_f(t == o + 1, q == p + 1)
    rows, columns = linear_sum_assignment(-(j.mean(2) + f.mean(2)) / 2)
    return [{"object": int(o) + 1, "proposal": int(p) + 1, "j": statistics(j[p, o]), "f": statistics(f[p, o])} for p, o in zip(rows, columns)]


def foreground_ari(truth, prediction):
    inside = (truth != 0) & (truth != 255)
    return float(adjusted_rand_score(truth[inside], prediction[inside])) if inside.any() else None


def matched_iou(truth, prediction):
    prediction = np.where(truth == 255, 0, prediction)
    truth = np.where(truth == 255, 0, truth)
    objects = [k for k in np.unique(truth) if k != 0]
    clusters = [k for k in range(1, int(prediction.max()) + 1)]
    if not objects:
        return None
    iou = np.zeros((len(objects), len(clusters)))
    for a, o in enumerate(objects):
        for b, c in enumerate(clusters):
            iou[a, b] = ((truth == o) & (prediction == c)).sum() / ((truth == o) | (prediction == c)).sum()
    return float(iou[linear_sum_assignment(-iou)].sum() / len(objects))


def clusters(truth, prediction):
    mean = lambda values: float(np.mean([v for v in values if v is not None])) if any(v is not None for v in values) else None
    return {"ari": foreground_ari(truth, prediction), "iou": matched_iou(truth, prediction),
            "ari per frame": mean([foreground_ari(t, p) for t, p in zip(truth, prediction)]),
            "iou per frame": mean([matched_iou(t, p) for t, p in zip(truth, prediction)])}


def draw(rng, frames, height, width, objects, void):
    """Moving ellipses over a background; some leave, one may be absent from a few frames."""
    y, x = np.mgrid[:height, :width]
    out = np.zeros((frames, height, width), np.uint8)
    for k in range(1, objects + 1):
        centre, speed = rng.uniform(0.2, 0.8, 2) * (height, width), rng.normal(0, 0.03, 2) * (height, width)
        radii = rng.uniform(0.08, 0.3, 2) * (height, width)
        for n in range(frames):
            if k == 2 and 2 <= n < 4:
                continue
            at = centre + n * speed
            out[n][((y - at[0]) / radii[0]) ** 2 + ((x - at[1]) / radii[1]) ** 2 < 1] = k
    k = np.arange(objects)
    out[0, k % height, k // height] = k + 1  # each object is in the first frame
    if void:
        edge = np.zeros_like(out, bool)
        edge[:, :, 1:] = out[:, :, 1:] != out[:, :, :-1]
        out[edge] = 255
    return out


def disturb(rng, truth, labels):
    """A prediction: the truth shifted, relabelled (`labels` by old label) and with rectangles of other labels on it."""
    clean = np.where(truth == 255, 0, truth)
    out = np.asarray(labels, np.uint8)[np.roll(clean, rng.integers(-2, 3, 2), (1, 2))]
    for frame in out:
        for _ in range(2):
            h, w = frame.shape
            top, left = rng.integers(0, h), rng.integers(0, w)
            frame[top:top + rng.integers(1, h // 3 + 2), left:left + rng.integers(1, w // 3 + 2)] = rng.choice(labels)
    return out


def runs(image):
    flat = image.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    lengths = np.diff(np.r_[starts, flat.size])
    return " ".join(f"{flat[s]}x{n}" for s, n in zip(starts, lengths))


def videos(rng):
    """name, frames, height, width, objects, void, relabelling for the unsupervised task"""
    yield "one-object", 7, 33, 65, 1, False, [0, 1]
    yield "permuted", 8, 40, 50, 3, False, [0, 3, 1, 2]
    yield "void", 6, 40, 70, 2, True, [0, 2, 1]
    yield "fewer-proposals", 6, 30, 40, 3, True, [0, 1, 1, 0]
    yield "more-proposals", 6, 30, 64, 2, False, [0, 5, 2, 7, 9]
    yield "merged", 5, 24, 32, 4, False, [0, 1, 2, 2, 1]
    yield "no-prediction", 5, 20, 20, 2, True, [0, 0, 0]
    yield "large", 4, 300, 400, 2, True, [0, 1, 2]
    yield "thin", 5, 1, 90, 2, False, [0, 1, 2]
    yield "two-in-twenty", 4, 50, 60, 2, False, [0, 20, 3] + list(range(1, 18))


def main():
    rng = np.random.default_rng(5)
    out = {"videos": [], "assignments": []}
    for name, frames, height, width, objects, void, labels in videos(rng):
        truth = draw(rng, frames, height, width, objects, void)
        identity = [k if k in labels else 0 for k in range(objects + 1)]
        semi, un = disturb(rng, truth, identity), disturb(rng, truth, labels)
        if name == "no-prediction":
            semi[:], un[:] = 0, 0
        out["videos"].append({
            "name": name, "height": height, "width": width,
            "truth": [runs(t) for t in truth],
            "semi": [runs(p) for p in semi], "semi scores": semi_supervised(truth, semi),
            "unsupervised": [runs(p) for p in un], "unsupervised scores": unsupervised(truth, un), "clusters": clusters(truth, un)})
    # Assignments with many ties: which of the best ones SciPy takes.
    for _ in range(200):
        rows, columns = rng.integers(1, 9, 2)
        costs = rng.integers(0, 4, (rows, columns)).astype(float)
        i, j = linear_sum_assignment(costs)
        out["assignments"].append({"rows": int(rows), "columns": int(columns), "costs": costs.ravel().tolist(),
                                   "pairs": [[int(a), int(b)] for a, b in zip(i, j)]})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vos.json")
    with open(path, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
