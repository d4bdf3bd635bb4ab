"""The peers of `tests/bench/run BUILD vos`: J and F of every scored frame of a DAVIS-2016 set, decoding included, on one core.

    peer_vos.py TRUTH RESULTS disk|distance            NumPy and scikit-image, as tests/parity/score/make_vos.py has it; `distance` dilates by a
                                                       distance transform instead of the disk, four times as fast as scikit-image's own way
    peer_vos.py TRUTH RESULTS official CHECKOUT WORK   the official davis2017-evaluation (checkout of its repository) on copies with indices 0
                                                       and 1, written below WORK

Prints seconds of CPU time without imports and copies, mean J and mean F.
"""
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity", "score"))
import make_vos
from skimage.morphology import isotropic_dilation


def frames(folder):
    for sequence in sorted(os.listdir(folder)):
        yield sequence, sorted(os.listdir(os.path.join(folder, sequence)))


def reference(truth, results):
    j, f = [], []
    for sequence, names in frames(truth):
        pairs = [[np.array(Image.open(os.path.join(root, sequence, name))) > 0 for root in (truth, results)] for name in names[1:-1]]
        j.append(make_vos.statistics([make_vos.jaccard(*pair) for pair in pairs])[0])
        f.append(make_vos.statistics([make_vos.boundary_f(*pair) for pair in pairs])[0])
    return np.mean(j), np.mean(f)


def official(truth, results, checkout, work):
    for source, target in ((truth, "davis/Annotations/480p"), (results, "results")):
        for sequence, names in frames(truth):
            os.makedirs(os.path.join(work, target, sequence), exist_ok=True)
            os.makedirs(os.path.join(work, "davis/JPEGImages/480p", sequence), exist_ok=True)
            for name in names:
                Image.fromarray((np.array(Image.open(os.path.join(source, sequence, name))) > 0).astype(np.uint8)).save(
                    os.path.join(work, target, sequence, name))
                open(os.path.join(work, "davis/JPEGImages/480p", sequence, name[:-4] + ".jpg"), "w").close()
    os.makedirs(os.path.join(work, "davis/ImageSets/2017"), exist_ok=True)
    with open(os.path.join(work, "davis/ImageSets/2017/val.txt"), "w") as file:
        file.writelines(sequence + "\n" for sequence, _ in frames(truth))
    sys.path.insert(0, checkout)
    import cv2
    from davis2017.evaluation import DAVISEvaluation
    cv2.setNumThreads(1)
    begin = time.process_time()
    scores = DAVISEvaluation(os.path.join(work, "davis"), "semi-supervised", "val").evaluate(os.path.join(work, "results"))
    return begin, np.mean(scores["J"]["M"]), np.mean(scores["F"]["M"])


def main():
    truth, results, peer = sys.argv[1:4]
    if peer == "official":
        begin, j, f = official(truth, results, *sys.argv[4:6])
    else:
        if peer == "distance":
            make_vos.dilation = lambda line, shape: isotropic_dilation(line, shape.shape[0] // 2)
        begin = time.process_time()
        j, f = reference(truth, results)
    print(f"{time.process_time() - begin:.3f} {100 * j:.6f} {100 * f:.6f}")


if __name__ == "__main__":
    main()
