#!/usr/bin/env python3
"""Masks by pycocotools 2.0.11: make_rle.py > rle.json"""
import json
import numpy as np
from pycocotools import mask as m

rng = np.random.default_rng(3)
out = []
for i in range(150):
    h, w = int(rng.integers(1, 70)), int(rng.integers(1, 70))
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        n = int(rng.integers(3, 9))
        kind = i % 5
        points = rng.random((n, 2)) * [w, h]
        if kind == 1:  # beyond the image
            points = points * 3 - [w, h]
        elif kind == 2:  # on whole and half pixels
            points = np.round(points * 2) / 2
        elif kind == 3:  # a corner twice
            points = np.repeat(np.round(points), 2, 0)
        elif kind == 4:  # a box on the grid
            x, y = np.floor(points[0]), np.floor(points[1])
            points = np.array([[x[0], x[1]], [x[0], y[1]], [y[0], y[1]], [y[0], x[1]]])
        parts.append([round(float(v), 3) for v in points.flatten()])
    if i % 10 == 0:
        parts.append([1.0, 2.0])
    if i % 15 == 0:
        parts[0].append(7.0)
    single = m.frPyObjects(parts, h, w)
    merged = m.merge(single)
    bitmap = np.asfortranarray((rng.random((h, w)) < rng.choice([0, .05, .5, 1])).astype(np.uint8))
    other = m.encode(bitmap)
    out.append({'height': h, 'width': w, 'polygons': parts, 'single': [r['counts'].decode() for r in single], 'union': merged['counts'].decode(),
                'area': int(m.area(merged)), 'box': m.toBbox(merged).tolist(), 'other': other['counts'].decode(),
                'other_box': m.toBbox(other).tolist(),
                'iou': float(m.iou([merged], [other], [0])[0, 0]), 'crowd': float(m.iou([merged], [other], [1])[0, 0])})
print('[' + ',\n'.join(json.dumps(one, separators=(',', ':')) for one in out) + ']')
