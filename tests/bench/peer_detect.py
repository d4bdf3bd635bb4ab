"""peer_detect.py lvis|coco box|mask TRUTH.json RESULTS.json: AP by lvis, or by faster-coco-eval."""
import sys
protocol, kind, truth, results = sys.argv[1:]
kind = {'box': 'bbox', 'mask': 'segm'}[kind]
if protocol == 'lvis':
    import numpy as np
    np.float = float  # lvis 0.5.3 was written for an older NumPy
    from lvis import LVISEval
    run = LVISEval(truth, results, kind)
    run.run()
    print(run.get_results())
else:
    from faster_coco_eval import COCO, COCOeval_faster
    data = COCO(truth)
    run = COCOeval_faster(data, data.loadRes(results), kind)
    run.evaluate(), run.accumulate(), run.summarize()
