"""The peers of `tests/bench/run BUILD video`: clips of eight frames from files, each opened for its clip as a data loader's worker does.

    peer_video.py plan FOLDER COUNT      lines "VIDEO FIRST": videos by their place among the sorted names, starts at random (needs av)
    peer_video.py opencv|av|decord FOLDER < PLAN

Prints seconds of processor time without imports, and the number of bytes decoded.
"""
import os
import random
import sys
import time


def opencv(path, first):
    video = cv2.VideoCapture(path)
    video.set(cv2.CAP_PROP_POS_FRAMES, first)
    return [video.read()[1] for _ in range(8)]


def pyav(path, first):
    with av.open(path) as file:
        stream = file.streams.video[0]
        stream.thread_count = 1
        beat = 1 / (stream.average_rate * stream.time_base)
        file.seek(int(first * beat), stream=stream)
        out = []
        for frame in file.decode(stream):
            if frame.pts is None or frame.pts >= int(first * beat):
                out.append(frame.to_ndarray(format="rgb24"))
                if len(out) == 8:
                    break
        return out


def by_decord(path, first):
    return decord.VideoReader(path, num_threads=1).get_batch(range(first, first + 8)).asnumpy()


what, folder = sys.argv[1:3]
paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
if what == "plan":
    import av

    lengths = [sum(1 for _ in av.open(path).decode(video=0)) for path in paths]
    draw = random.Random(0)
    for i in range(int(sys.argv[3])):
        video = i % len(paths)
        print(video, draw.randrange(max(lengths[video] - 8, 1)))
    sys.exit()
if what == "opencv":
    import cv2

    cv2.setNumThreads(1)
elif what == "av":
    import av
else:
    import decord
read = {"opencv": opencv, "av": pyav, "decord": by_decord}[what]
plan = [tuple(map(int, line.split())) for line in sys.stdin]
begin = time.process_time()
done = sum(frame.nbytes for video, first in plan for frame in read(paths[video], first))
print(f"{time.process_time() - begin:.3f} {done}")
