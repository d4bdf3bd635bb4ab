"""Shards as others make them: make_shards.py FOLDER SHARDS SAMPLES BYTES; each sample an image of BYTES (a PGM header in front) and a .cls."""
import os
import sys

folder, shards, samples, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def member(name, body):
    head = bytearray(512)
    head[0:len(name)] = name
    head[100:148] = b'0000644\0' + b'0000000\0' * 2 + b'%011o\0' % len(body) + b'00000000000\0'
    head[148:156], head[156:157], head[257:265] = b' ' * 8, b'0', b'ustar\x0000'
    head[148:156] = b'%06o\0 ' % sum(head)
    return bytes(head) + body + bytes(-len(body) % 512)


os.makedirs(folder)
image = b'P5\n2 2\n255\n' + os.urandom(size - 11)
for shard in range(shards):
    with open(f'{folder}/train-{shard:06}.tar', 'wb') as file:
        for n in range(shard * samples, (shard + 1) * samples):
            file.write(member(b'%08d.pgm' % n, image) + member(b'%08d.cls' % n, b'%d' % (n % 1000)))
        file.write(bytes(1024))
