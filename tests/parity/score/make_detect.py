#!/usr/bin/env python3
"""Detection figures of the official programs on small random problems full of edge cases.

  make_detect.py > detect.json                       the fixture (needs pycocotools 2.0.11, lvis 0.5.3, numpy)
  make_detect.py --against BIN --cases N [--seed S]  compares the program BIN (lvis-detect) with them on N problems
"""
import argparse, contextlib, copy, io, json, logging, os, subprocess, sys, tempfile
import numpy as np
np.float = float  # lvis 0.5.3 was written for an older NumPy
logging.disable(logging.WARNING)
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from lvis import LVIS, LVISEval, LVISResults

COCO_NAMES = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR@1', 'AR@10', 'AR@100', 'ARs@100', 'ARm@100', 'ARl@100']
KEYPOINT_NAMES = ['AP', 'AP50', 'AP75', 'APm', 'APl', 'AR@20', 'AR50@20', 'AR75@20', 'ARm@20', 'ARl@20']


def official(case):
    """Figures by name; -1 as the programs print it."""
    truth, results = copy.deepcopy(case['ground_truth']), copy.deepcopy(case['results'])
    kind = {'box': 'bbox', 'mask': 'segm', 'keypoints': 'keypoints'}[case['type']]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if case['protocol'] == 'lvis':
            with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
                json.dump(truth, file)
                file.flush()
                data = LVIS(file.name)
            run = LVISEval(data, LVISResults(data, results), kind)
            run.run()
            return {name: float(value) for name, value in run.get_results().items()}
        data = COCO()
        data.dataset = truth
        data.createIndex()
        run = COCOeval(data, data.loadRes(results), kind)
        run.evaluate(), run.accumulate(), run.summarize()
        return dict(zip(KEYPOINT_NAMES if kind == 'keypoints' else COCO_NAMES, map(float, run.stats)))


def star(rng, cx, cy, r, n):
    angles = np.sort(rng.random(n)) * 2 * np.pi
    radii = r * (.5 + rng.random(n))
    return [round(float(v), 2) for a, q in zip(angles, radii) for v in (cx + q * np.cos(a), cy + q * np.sin(a))]


def random_mask(rng, box, h, w, hostile):
    """A segmentation near a box, in one of the forms of the format."""
    x, y, bw, bh = box
    form = rng.integers(4)
    polygons = [star(rng, x + bw / 2, y + bh / 2, max(bw, bh) / 2 + .1, int(rng.integers(3, 9))) for _ in range(rng.integers(1, 3))]
    if hostile and rng.random() < .05:
        polygons.append([1, 2])
    if form < 2:
        return polygons
    rle = mask_utils.merge(mask_utils.frPyObjects(polygons, h, w))
    if form == 2:
        return {'size': [h, w], 'counts': rle['counts'].decode()}
    flat = np.concatenate([[0], mask_utils.decode(rle).flatten(order='F'), [2]])
    changes = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], changes])).tolist() if len(changes) else [h * w]
    if sum(counts) < h * w:
        counts.append(h * w - sum(counts))
    return {'size': [h, w], 'counts': [int(c) for c in counts]}


def compressed(segmentation, h, w):
    if isinstance(segmentation, list):
        rle = mask_utils.merge(mask_utils.frPyObjects(segmentation, h, w))
    elif isinstance(segmentation['counts'], list):
        rle = mask_utils.frPyObjects(segmentation, h, w)
    else:
        return segmentation
    return {'size': rle['size'], 'counts': rle['counts'].decode()}


def number(rng, value):
    return int(value) if rng.random() < .3 else round(float(value), int(rng.integers(1, 12)))


def random_case(rng, protocol=None, kind=None, big=False):
    protocol = protocol or ('lvis' if rng.random() < .5 else 'coco')
    kind = kind or ('box' if rng.random() < .45 else 'mask' if protocol == 'lvis' or rng.random() < .6 else 'keypoints')
    hostile = rng.random() < .6
    sides = (40, 60) if rng.random() < .5 else (90, 240)
    ids = rng.permutation(200)
    categories = [{'id': int(ids[i]), 'name': f'c{i}'} for i in range(rng.integers(1, 6))]
    if protocol == 'lvis':
        for category in categories:
            category['frequency'] = str(rng.choice(['r', 'c', 'f']))
    category_ids = [category['id'] for category in categories]
    images = [{'id': int(i), 'height': int(rng.integers(*sides)), 'width': int(rng.integers(*sides))}
              for i in rng.choice(1000, rng.integers(1, 5), replace=False)]
    if protocol == 'lvis':
        for image in images:
            image['neg_category_ids'] = [c for c in category_ids + [777] if rng.random() < .3]
            image['not_exhaustive_category_ids'] = [c for c in category_ids if rng.random() < .2]
    annotations, results = [], []
    empty_truth = hostile and rng.random() < .08
    crowd_only = hostile and rng.random() < .08
    first_id = int(rng.choice([0, 1, 5, -3])) if hostile else 1
    scores = [round(float(s), 2) for s in rng.random(4)]
    result_form = rng.choice(['box', 'both', 'mask', 'polygons'])
    for image in images:
        h, w = image['height'], image['width']
        for _ in range(0 if empty_truth else rng.integers(0, 9)):
            size = (.1 + rng.random(2)) * sides[1] * rng.choice([.2, .5])
            box = [number(rng, v) for v in (rng.random() * w - 3, rng.random() * h - 3, *size)]
            if hostile and rng.random() < .08:
                box[2 + rng.integers(2)] = 0
            entry = {'id': first_id + len(annotations), 'image_id': image['id'], 'category_id': int(rng.choice(category_ids)), 'bbox': box,
                     'area': number(rng, box[2] * box[3] * (.5 + rng.random() / 2))}
            if protocol == 'coco' or rng.random() < .2:
                entry['iscrowd'] = int(crowd_only or rng.random() < .15)
            if hostile and rng.random() < .1:
                entry['ignore'] = int(rng.integers(2))
            if hostile and rng.random() < .03:
                entry['category_id'] = 888
            if kind == 'mask':
                entry['segmentation'] = random_mask(rng, box, h, w, hostile)
            if kind == 'keypoints':
                points = np.stack([box[0] + rng.random(17) * box[2], box[1] + rng.random(17) * box[3], rng.integers(0, 3, 17)], 1)
                if rng.random() < .2:
                    points[:, 2] = 0
                entry['keypoints'] = [number(rng, v) if i % 3 < 2 else int(v) for i, v in enumerate(points.flatten())]
                entry['num_keypoints'] = int((points[:, 2] > 0).sum())
            annotations.append(entry)
            for _ in range(rng.integers(0, 4)):
                jitter = rng.normal(size=4) * rng.choice([.02, .1, .3]) * max(box[2], box[3], 1)
                near = [number(rng, v + j) for v, j in zip(box, jitter)]
                if not hostile or rng.random() < .9:
                    near[2], near[3] = abs(near[2]), abs(near[3])
                else:
                    near[2 + rng.integers(2)] = 0
                score = float(rng.choice(scores)) if rng.random() < .4 else number(rng, rng.random()) if rng.random() < .9 else -1.5
                result = {'image_id': image['id'], 'category_id': entry['category_id'], 'score': score}
                if rng.random() < .15:
                    result['category_id'] = int(rng.choice(category_ids + [999]))
                if kind == 'keypoints':
                    result['keypoints'] = [number(rng, v + rng.normal() * .05 * (abs(box[2]) + 1)) if i % 3 < 2 else 1
                                           for i, v in enumerate(entry['keypoints'])]
                    if result_form == 'both':
                        result['bbox'] = near
                elif kind == 'box':
                    if result_form == 'mask':
                        result['segmentation'] = compressed([star(rng, near[0] + near[2] / 2, near[1] + near[3] / 2, near[2] / 2 + 1, 6)], h, w)
                    else:
                        result['bbox'] = near
                else:
                    if result_form != 'mask':
                        result['bbox'] = near
                    if result_form != 'box':
                        segmentation = entry['segmentation'] if rng.random() < .3 else random_mask(rng, near, h, w, hostile)
                        if result_form != 'polygons':
                            segmentation = compressed(segmentation, h, w)
                            if hostile and rng.random() < .02:
                                segmentation = compressed([star(rng, 10, 10, 8, 5)], h + 1, w)
                        result['segmentation'] = segmentation
                results.append(result)
    if big and results:  # over the limits of both protocols
        few = [result for result in results if result['image_id'] == results[0]['image_id']]
        many = []
        for i in range(330):
            one = copy.deepcopy(few[i % len(few)])
            one['score'] = round(float(rng.random()), 2)
            if 'bbox' in one:
                one['bbox'] = [round(v + float(rng.normal()), 1) for v in one['bbox'][:2]] + one['bbox'][2:]
            many.append(one)
        results += many
    if not results:
        return random_case(rng, protocol, kind, big)
    results = [results[i] for i in rng.permutation(len(results))]
    annotations = [annotations[i] for i in rng.permutation(len(annotations))]
    return {'protocol': protocol, 'type': kind, 'ground_truth': {'images': images, 'annotations': annotations, 'categories': categories},
            'results': results}


def scored_case(rng, **options):
    """A random case with its figures; cases that the official program itself breaks on are drawn again."""
    while True:
        case = random_case(rng, **options)
        try:
            case['figures'] = official(case)
        except (KeyError, TypeError, IndexError, ValueError):
            continue
        return case


def compare(binary, cases, seed):
    rng = np.random.default_rng(seed)
    worst, wrong, unequal, figures = 0., 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number_of_case in range(cases):
            case = scored_case(rng, big=number_of_case % 25 == 0)
            names = [os.path.join(folder, name) for name in ('truth.json', 'results.json')]
            for name, content in zip(names, (case['ground_truth'], case['results'])):
                with open(name, 'w') as file:
                    json.dump(content, file)
            done = subprocess.run([binary, 'score', '--quiet', '--protocol', case['protocol'], '--type', case['type'], '-g', *names],
                                  capture_output=True, text=True)
            got = {} if done.returncode else {row['name']: row['value'] for row in json.loads(done.stdout)['rows']}
            for name, value in case['figures'].items():
                figures += 1
                mine = got.get(name, 'missing')
                if value == -1:
                    bad = mine is not None
                else:
                    bad = not isinstance(mine, (int, float)) or abs(mine - value) > 1e-9 * abs(value)
                    if not bad:
                        worst = max(worst, abs(mine - value) / abs(value) if value else 0.)
                        unequal += mine != value
                if bad:
                    wrong += 1
                    print(f'case {number_of_case} ({case["protocol"]} {case["type"]}): {name} is {mine} instead of {value} {done.stderr[:300]}')
                    if wrong == 1:
                        with open(f'wrong-{seed}.json', 'w') as file:
                            json.dump(case, file)
    print(f'{cases} cases, {figures} figures: {wrong} wrong, {unequal} not equal to the last bit, largest relative difference {worst:.2g}')
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--against')
    parser.add_argument('--cases', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    if args.against:
        sys.exit(1 if compare(args.against, args.cases, args.seed) else 0)
    rng = np.random.default_rng(20)
    cases = [scored_case(rng, protocol=protocol, kind=kind) for protocol, kind in
             [('coco', 'box'), ('coco', 'mask'), ('coco', 'keypoints'), ('lvis', 'box'), ('lvis', 'mask')] for _ in range(7)]
    cases += [scored_case(rng, protocol=protocol, kind='box', big=True) for protocol in ('coco', 'lvis')]
    print('[' + ',\n'.join(json.dumps(case, separators=(',', ':')) for case in cases) + ']')


main()
