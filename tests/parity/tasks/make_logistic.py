#!/usr/bin/env python3
"""Optima of L2-penalised multinomial logistic regression by scikit-learn, for tests/unit/tasks/logistic.cpp.

Usage: make_logistic.py > logistic.json   (needs numpy and scikit-learn; made with scikit-learn 1.9.1)

The data are a formula that the test repeats: x[n, d] = sin(1 + 3 n + 7 d + n d), y[n] = (n^2 + n // 3) mod 3, shifted by class so that
something can be learnt. Our objective is the mean cross-entropy plus strength / 2 |W|^2, so C = 1 / (strength N).
"""
import json

import numpy as np
from sklearn.linear_model import LogisticRegression

N, D, CLASSES = 40, 6, 3
n, d = np.arange(N)[:, None], np.arange(D)[None, :]
y = ((np.arange(N) ** 2 + np.arange(N) // 3) % CLASSES).astype(int)
x = np.sin(1.0 + 3 * n + 7 * d + n * d) + 0.5 * np.cos(y[:, None] + d)

cases = []
for strength in (1e-3, 0.05, 2.0):
    for part in ("all", "without every fourth"):
        rows = np.arange(N) if part == "all" else np.arange(N)[np.arange(N) % 4 != 0]
        fit = LogisticRegression(C=1 / (strength * len(rows)), tol=1e-12, max_iter=100000).fit(x[rows], y[rows])
        logits = x[rows] @ fit.coef_.T + fit.intercept_
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        objective = -log_p[np.arange(len(rows)), y[rows]].mean() + strength / 2 * (fit.coef_ ** 2).sum()
        cases.append({
            "strength": strength,
            "part": part,
            "objective": float(objective),
            "weight": fit.coef_.T.round(9).tolist(),
            "bias": (fit.intercept_ - fit.intercept_.mean()).round(9).tolist(),
        })
print(json.dumps({"cases": cases}, indent=1))
