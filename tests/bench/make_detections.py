"""Ground truth in LVIS form (its iscrowd makes it COCO too) and results made by jittering it.

  make_detections.py FOLDER IMAGES DETECTIONS [LVIS.json]

Writes truth.json, box.json and mask.json. With a file of LVIS its images are repeated under new ids; without one, images of polygons are made up:
12 objects an image, categories by Zipf's law. DETECTIONS results an image: objects moved and resized, two of three under the right category.
"""
import json, sys
import numpy as np
from pycocotools import mask as mask_utils

folder, images, detections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(5)
jitters = 10  # of each object; more results repeat them under other scores


def star(cx, cy, rx, ry, n):
    angles = np.sort(rng.random(n)) * 2 * np.pi
    radii = .6 + .4 * rng.random(n)
    return np.round(np.stack([cx + rx * radii * np.cos(angles), cy + ry * radii * np.sin(angles)], 1), 2)


def made_up():
    categories = [{'id': i + 1, 'name': f'category {i + 1}'} for i in range(1203)]
    weight = 1 / np.arange(1, 1204) ** 1.1
    order = rng.permutation(1203) + 1
    for n in range(images):
        w, h = (640, 480) if rng.random() < .7 else (480, 640)
        shown = rng.choice(order, 5, p=weight / weight.sum())
        objects = []
        for _ in range(rng.integers(1, 24)):
            r = np.exp(rng.normal(3.3, .9))
            polygon = star(rng.random() * w, rng.random() * h, r, r * np.exp(rng.normal(0, .4)), int(rng.integers(12, 60))).clip(0, [w, h])
            objects.append((int(rng.choice(shown)), [polygon]))
        yield w, h, objects, [int(c) for c in rng.choice(order, 8, p=weight / weight.sum())], [int(shown[0])] if rng.random() < .2 else [], categories


def repeated(path):
    data = json.load(open(path))
    by_image = {}
    for annotation in data['annotations']:
        by_image.setdefault(annotation['image_id'], []).append(annotation)
    for n in range(images):
        image = data['images'][n % len(data['images'])]
        objects = [(a['category_id'], [np.array(p).reshape(-1, 2) for p in a['segmentation']]) for a in by_image.get(image['id'], [])]
        yield image['width'], image['height'], objects, image['neg_category_ids'], image['not_exhaustive_category_ids'], data['categories']


out = {name: open(f'{folder}/{name}.json', 'w') for name in ('box', 'mask')}
for file in out.values():
    file.write('[')
truth = {'info': {}, 'images': [], 'annotations': []}
comma = ''
for n, (w, h, objects, absent, incomplete, categories) in enumerate(repeated(sys.argv[4]) if len(sys.argv) > 4 else made_up()):
    truth['images'].append({'id': n + 1, 'width': w, 'height': h, 'neg_category_ids': absent, 'not_exhaustive_category_ids': incomplete})
    candidates = []
    for category, polygons in objects:
        points = np.concatenate(polygons)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        rle = mask_utils.merge(mask_utils.frPyObjects([p.flatten().tolist() for p in polygons], h, w))
        if not mask_utils.area(rle):
            continue
        truth['annotations'].append({'id': len(truth['annotations']) + 1, 'image_id': n + 1, 'category_id': category, 'iscrowd': 0,
                                     'area': float(mask_utils.area(rle)), 'bbox': [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
                                     'segmentation': [p.flatten().tolist() for p in polygons]})
        for _ in range(jitters):
            size = max(x1 - x0, y1 - y0, 4)
            scale, move = np.exp(rng.normal(0, .1, 2)), rng.normal(0, rng.choice([.02, .1, .3]), 2) * size
            moved = [((p - [x0, y0]) * scale + [x0, y0] + move).clip(0, [w, h]) for p in polygons]
            rle = mask_utils.merge(mask_utils.frPyObjects([p.flatten().tolist() for p in moved], h, w))
            box = [round(float(v), 2) for v in (x0 + move[0], y0 + move[1], (x1 - x0) * scale[0], (y1 - y0) * scale[1])]
            candidates.append((category, box, rle['counts'].decode()))
    if not candidates:
        continue
    others = absent + [category for category, _ in objects]
    for score in rng.random(detections):
        category, box, counts = candidates[rng.integers(len(candidates))]
        if rng.random() < .33:
            category = others[rng.integers(len(others))]
        head = f'{comma}{{"image_id": {n + 1}, "category_id": {category}, "score": {score:.6f}, '
        out['box'].write(f'{head}"bbox": {box}}}')
        out['mask'].write(f'{head}"segmentation": {{"size": [{h}, {w}], "counts": {json.dumps(counts)}}}}}')
        comma = ', '
for file in out.values():
    file.write(']')
    file.close()
for i, category in enumerate(categories):  # groups of frequency, so that each has ground truth
    category['frequency'] = 'rcf'[i % 3]
truth['categories'] = categories
with open(f'{folder}/truth.json', 'w') as file:
    json.dump(truth, file)
