# Shards that others made: indexed where they lie, read as the files they hold, and refused by name when they are not what they were.
. "$(dirname "$0")/lib.sh"
pngs images/cat 5; pngs images/dog 7
python3 - <<'P'
import glob, io, os, tarfile
os.mkdir('in')
files = sorted(glob.glob('images/*/*.png'))
def tar(path, files, format, long=''):
    with tarfile.open(path, 'w', format=format) as out:
        for n, file in enumerate(files):
            for ending, body in (('png', open(file, 'rb').read()), ('cls', b'%d\n' % ('dog' in file)), ('json', b'{"animal": "%s"}' % file.split('/')[1].encode())):
                member = tarfile.TarInfo(f'{long}{n:04}.{ending}')
                member.size = len(body)
                out.addfile(member, io.BytesIO(body))
tar('in/x-00.tar', files[:4], tarfile.USTAR_FORMAT)
tar('in/x-01.tar', files[4:8], tarfile.PAX_FORMAT, 'ä' + 'long' * 60 + '/')
tar('in/x-02.tar', files[8:], tarfile.GNU_FORMAT, 'long' * 60 + '/')
def header(size):
    head = bytearray(512)
    head[0:5] = b'0.png'; head[124:136] = size; head[148:156] = b' ' * 8; head[257:265] = b'ustar  \0'
    head[148:156] = b'%06o\0 ' % sum(head)
    return bytes(head)
open('bomb.tar', 'wb').write(header(b'\x80' + (1 << 60).to_bytes(11, 'big')) + bytes(2048))
open('octal.tar', 'wb').write(header(b'77777777777\0') + bytes(2048))
P
chmod -R a-w in
ok "index" ssl-data index 'in/x-{00..02}.tar' -o sets/set.json
ok "check" ssl-data check sets/set.json -o checked.json
ok "the files themselves" sh -c 'ssl-data folder images | ssl-data check -o files.json'
python3 - <<'P' && pass || fail "the shards do not hold what the files do"
import json
shards, files = (json.load(open(path))['splits']['train'] for path in ('checked.json', 'files.json'))
assert shards['count'] == 12 and shards['labels'] == ['0', '1'] and shards['passed_over'] == {'json': 12}, shards
assert all(shards['checked'][key] == files['checked'][key] for key in ('good', 'per-class', 'mean', 'std')), shards
P
ok "names of classes" ssl-data index --label json:animal 'train=in/x-{00,01}.tar' val=in/x-02.tar -o sets/named.json
grep -q '"cat"' out && grep -q '"val"' out && pass || fail "no class names, or no second split"
ls sets | grep -q '^named.val.index.safetensors$' && [ "$(ls in | wc -l)" = 3 ] && pass || fail "indices do not lie beside the manifest"
ls -d "$PWD"/in/*.tar > list.txt
ok "a list" ssl-data index --list list.txt -o listed.json --no-provenance
ok "a rerun" ssl-data index --list list.txt -o listed.json --no-provenance
ok "a rerun of few shards" ssl-data index in/x-00.tar -o listed.json
ok "sharded again" sh -c 'ssl-data shard sets/set.json -o again && ssl-data check again/dataset.json'

# What is refused.
refuses 64 'no shards' ssl-data index -o x.json
refuses 64 'braces' ssl-data index 'in/x-{00.tar' -o x.json
refuses 64 'named twice' ssl-data index in/x-00.tar 'in/x-{00..01}.tar' -o x.json
refuses 64 '--label' ssl-data index --label txt in/x-00.tar -o x.json
refuses 66 'in/x-03.tar' ssl-data index 'in/x-{00..03}.tar' -o x.json
refuses 65 "x-00.tar: 0000.json: has no 'class'" ssl-data index --label json:class in/x-00.tar -o x.json
refuses 65 "bomb.tar: truncated: entry '0.png' at byte 0 has 1152921504606846976 bytes" ssl-data index bomb.tar -o x.json
refuses 65 "octal.tar: truncated" ssl-data index octal.tar -o x.json
gzip -c < in/x-00.tar > x.tar.gz; refuses 65 'x.tar.gz: is compressed.*gzip -dk' ssl-data index x.tar.gz -o x.json
head -c 3000 in/x-00.tar > cut.tar; refuses 65 'cut.tar: truncated' ssl-data index cut.tar -o x.json
{ cat in/x-00.tar; cat in/x-01.tar; } > joined.tar; refuses 65 'joined.tar: goes on behind its end mark' ssl-data index joined.tar -o x.json
{ head -c 100 in/x-00.tar; printf x; tail -c +102 in/x-00.tar; } > sum.tar; refuses 65 'sum.tar.*checksum' ssl-data index sum.tar -o x.json
[ -z "$(ls x.* .x.* 2>/dev/null | grep -v '^x.tar.gz$')" ] && pass || fail "something was written for shards that were refused"
echo precious > sets/foreign.train.index.safetensors
refuses 73 'foreign.train.index.safetensors: exists' ssl-data index in/x-00.tar -o sets/foreign.json
[ "$(cat sets/foreign.train.index.safetensors)" = precious ] && [ ! -e sets/foreign.json ] && pass || fail "a foreign file was touched"

# Shards and indices that changed later.
cp in/x-00.tar mine.tar; chmod u+w mine.tar; ok "mine" ssl-data index mine.tar -o mine.json
cp mine.tar kept.tar; truncate -s 4096 mine.tar; refuses 65 'mine.tar: 4096 bytes where' ssl-data sample mine.json -o sheet.png
head -c "$(stat -c %s kept.tar)" in/x-01.tar > mine.tar; truncate -s "$(stat -c %s kept.tar)" mine.tar
refuses 65 'mine.tar: .*is not at byte 512.*changed since' ssl-data sample mine.json -o sheet.png
cp kept.tar mine.tar; ok "back" ssl-data sample mine.json -o sheet.png
rm mine.tar; refuses 66 'mine.tar' ssl-data sample mine.json -o other.png
cp kept.tar mine.tar; truncate -s -100 mine.train.index.safetensors; refuses 65 'mine.train.index.safetensors' ssl-data sample mine.json -o other.png
[ ! -e other.png ] && pass || fail "a sheet was written of a set that was refused"
# Training by windows of shards: the same for any number of loaders, another order than without, and a word where there are no shards.
pngs many 24
ok "many" ssl-data folder many -o many.json
python3 - many <<'P'
import glob, tarfile, sys
files = sorted(glob.glob(sys.argv[1] + "/*.png"))
for shard in range(4):
    with tarfile.open(f"part-{shard}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, file in enumerate(files[6 * shard:6 * shard + 6]):
            tar.add(file, arcname=f"{i:04d}.png")
P
ok "four shards" ssl-data index 'part-{0..3}.tar' -o four.json
train="ssl-pretrain simclr --profile small --arch resnet10 --stem stride2 --width 0.125 --view-size 16 --batch 4 --epochs 1 --warmup-epochs 0 --knn-every 0 --no-provenance"
ok "one worker" $train --shuffle-window 2 --workers 1 -o window1 four.json
ok "three workers" $train --shuffle-window 2 --workers 3 -o window3 four.json
same window1/weights.safetensors window3/weights.safetensors
ok "no window" $train -o plain four.json
cmp -s plain/weights.safetensors window1/weights.safetensors && fail "a window changes nothing" || pass
ok "a window over all" $train --shuffle-window 4 -o all four.json
same plain/weights.safetensors all/weights.safetensors
ok "no shards" $train --shuffle-window 2 -o folder many.json
grep -q "is not in several shards" err && pass || fail "no word that there are no shards"
chmod -R u+w in
finish
