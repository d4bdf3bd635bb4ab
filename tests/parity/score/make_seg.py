"""Numbers for tests/unit/score/seg.cpp: label images and what they score, by scikit-learn and NumPy.

    python3 tests/parity/score/make_seg.py      (NumPy 2.4, scikit-learn 1.9)
"""
import json
import os

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

CLASSES, VOID = 7, 255


def main():
    rng = np.random.default_rng(8)
    images, everything = [], []
    for height, width in ((20, 30), (1, 1), (33, 17), (8, 64)):
        truth = rng.integers(0, CLASSES - 1, (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)[:height, :width]
        truth[rng.random(truth.shape) < 0.1] = VOID
        prediction = np.where((rng.random(truth.shape) < 0.3) | (truth == VOID), rng.integers(0, CLASSES - 1, truth.shape), truth)
        images.append({"height": height, "width": width, "truth": truth.ravel().tolist(), "prediction": prediction.ravel().tolist()})
        everything.append((truth[truth != VOID], prediction[truth != VOID]))
    truth, prediction = (np.concatenate(x) for x in zip(*everything))
    present = np.unique(np.r_[truth, prediction])  # the last class is nowhere
    iou = jaccard_score(truth, prediction, labels=np.arange(CLASSES), average=None, zero_division=0)
    frequency = confusion_matrix(truth, prediction, labels=np.arange(CLASSES)).sum(1) / len(truth)
    out = {"classes": CLASSES, "void": VOID, "images": images,
           "iou": [float(iou[c]) if c in present else None for c in range(CLASSES)],
           "mIoU": float(jaccard_score(truth, prediction, labels=present, average="macro")),
           "pixel accuracy": float(accuracy_score(truth, prediction)),
           "mean class accuracy": float(balanced_accuracy_score(truth, prediction)),
           "frequency-weighted IoU": float(sum(frequency[c] * iou[c] for c in range(CLASSES) if frequency[c] > 0))}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "seg.json"), "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
