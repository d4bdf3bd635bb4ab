# Bad input: a message that names the thing, the right exit code, and earlier results untouched.
. "$(dirname "$0")/lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1

# Sources.
refuses 66 nowhere ssl-data fashion-mnist nowhere
mkdir empty; refuses 65 empty ssl-data folder empty
pngs classes/cat 3; mkdir classes/dog
refuses 65 'dog' ssl-data folder classes
mkdir cut; cp $fashion/* cut; truncate -s 1000 cut/train-images-idx3-ubyte.gz
refuses 65 'train-images' ssl-data fashion-mnist cut
mkdir foreign; for f in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do echo hello > foreign/$f; done
refuses 65 'foreign' ssl-data fashion-mnist foreign
for c in a b; do pngs broken/train/$c 4; done
head -c 60 broken/train/a/0.png > broken/train/a/cut.png
ssl-data folder broken -o broken.json >/dev/null 2>&1
ssl-data check broken.json >out 2>err; [ $? = 65 ] && grep -q cut.png err && grep -q cut.png out && pass || fail "a broken image is not named, on stderr and in the manifest"
echo hello > hello.txt; refuses 65 'hello.txt: looks like no known format' ssl-data auto hello.txt
refuses 66 'nowhere' ssl-data auto nowhere
pngs named/cat 4; ssl-data folder named -o named.json >/dev/null 2>&1
for name in ../evil a/b .. .hidden -x ''; do
  refuses 64 'no plain name|is not NAME=SHARE' ssl-data split --into "$name=0.5" named.json -o parts.json
  echo "{\"image\": \"named/cat/0.png\", \"split\": \"$name\"}" > evil.jsonl
  refuses 65 'evil.jsonl:1: split .* is no plain name' ssl-data jsonl evil.jsonl
done
refuses 64 'no plain name' ssl-data split --count 2 --name ../evil named.json -o parts.json
[ ! -e ../evil ] && [ ! -e parts.json ] && pass || fail "something was written for a split that was refused"
touch named/cat/5.heic named/cat/6.HEIC; ssl-data folder named >out 2>err
grep -q 'passed over.*2 .heic' err && grep -q '"heic": 2' out && pass || fail "files of unknown type are left out without a word"
SELFSIGHT_OUTPTU=x ssl-data folder named 2>&1 >/dev/null | grep -q 'SELFSIGHT_OUTPTU (did you mean SELFSIGHT_OUTPUT?)' && pass || fail "a misspelt variable is passed over without a word"

# Manifests.
refuses 66 'missing.json' ssl-pretrain simclr -o run missing.json
: > nothing.json; refuses 65 'nothing.json: is empty' ssl-pretrain simclr -o run nothing.json
echo '{"manifest"' > cut.json; refuses 65 'cut.json' ssl-pretrain simclr -o run cut.json
echo '[1, 2]' > list.json; refuses 65 'list.json' ssl-pretrain simclr -o run list.json
sed 's/"version": 1/"version": 7/' data.json > newer.json; refuses 65 'newer.json.*7' ssl-pretrain simclr -o run newer.json
sed 's/"count": 60000/"count": "many"/' data.json > typed.json; refuses 65 '/splits/train/count' ssl-pretrain simclr -o run typed.json
refuses 65 'expected a model' ssl-linear data.json
refuses 65 "no split 'validation'.*test, train" ssl-pretrain simclr --split validation -o run data.json

# Options against the data.
refuses 64 '100000' ssl-pretrain simclr --profile small --batch 100000 -o run data.json
refuses 64 '70000' ssl-pretrain simclr --profile small --images 70000 -o run data.json
refuses 64 '--output|-o DIR' ssl-pretrain simclr data.json
refuses 64 'vision transformer' ssl-pretrain mae --profile small --arch resnet18 -o run data.json
refuses 64 'view-scale-min 0.9 is above --view-scale-max 0.5' ssl-pretrain simclr --profile small --view-scale-min 0.9 --view-scale-max 0.5 -o run data.json
refuses 64 "'-' is no name of a file" ssl-pretrain simclr --profile small -o - data.json
mkdir thesis; echo precious > thesis/chapter1.txt
refuses 73 'thesis' ssl-pretrain simclr --profile small -o thesis data.json
[ "$(cat thesis/chapter1.txt)" = precious ] && pass || fail "a foreign file was touched"
refuses 73 'chapter1.txt|folder' ssl-pretrain simclr --profile small -o thesis/chapter1.txt data.json

# Labels.
tiny_run simclr data.json run --max-steps 2 >/dev/null 2>&1
refuses 64 '70000' ssl-linear --protocol few-labels --labels 70000 run/model.json
python3 - <<'P'
import gzip, struct, os
os.mkdir('one'); src = '/usr/share/datasets/fashion-mnist/'
for part, n in (('train', 256), ('t10k', 64)):
    images = gzip.open(src + part + '-images-idx3-ubyte.gz').read(); labels = gzip.open(src + part + '-labels-idx1-ubyte.gz').read()[8:]
    keep = [i for i, label in enumerate(labels) if label == 3][:n]
    open(f'one/{part}-images-idx3-ubyte', 'wb').write(struct.pack('>4I', 2051, len(keep), 28, 28) + b''.join(images[16 + i * 784:16 + (i + 1) * 784] for i in keep))
    open(f'one/{part}-labels-idx1-ubyte', 'wb').write(struct.pack('>2I', 2049, len(keep)) + bytes([3] * len(keep)))
os.mkdir('bare')
for part in ('train', 't10k'): os.link(f'one/{part}-images-idx3-ubyte', f'bare/{part}-images-idx3-ubyte')
P
ssl-data idx one -o one.json >/dev/null 2>err || { cat err; fail "one class cannot be described"; }
refuses 65 'class' ssl-linear --protocol few-labels --labels 100 --dataset one.json run/model.json
ssl-data idx bare -o bare.json >/dev/null 2>err || { cat err; fail "images without labels cannot be described"; }
refuses 65 'label' ssl-linear --protocol knn --dataset bare.json run/model.json
# Files that have changed since a manifest named them.
ssl-data split --split train --count 64 --name few one.json -o few.json >/dev/null 2>&1; cp few.json old.json
ssl-data split --split train --count 64 --name few --seed 1 one.json -o few.json >/dev/null 2>&1
refuses 65 "few.few.index.json: the list of a split's samples is not the one" ssl-data check old.json
refuses 65 "few.few.index.json: the list of a split's samples is not the one" tiny_run simclr old.json changed --split few
ssl-data idx one -o one.json >/dev/null 2>&1
printf '\007' | dd of=one/t10k-labels-idx1-ubyte bs=1 seek=9 conv=notrunc 2>/dev/null
refuses 65 't10k-labels-idx1-ubyte: the idx file is not the one' ssl-linear --protocol knn --dataset one.json run/model.json
refuses 65 't10k-labels-idx1-ubyte: the labels file is not the one' ssl-data check one.json
mkdir unlabelled; cp $fashion/t*images* $fashion/train-labels* unlabelled
refuses 66 "no file of labels beside the images of 'test'" ssl-data fashion-mnist unlabelled
# Features that are damaged are computed again.
knn="ssl-linear --protocol knn -o probe run/model.json"
$knn >first 2>/dev/null; rows() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["rows"])' "$1"; }
printf x | dd of=probe/$(ls probe | grep 'test.*safetensors') bs=1 seek=3000000 conv=notrunc 2>/dev/null
$knn >again 2>err; grep -q 'is damaged' err && [ "$(rows first)" = "$(rows again)" ] && pass || fail "damaged features are taken"
$knn >again 2>err; grep -q 'features of test taken from an earlier run' err && [ "$(rows first)" = "$(rows again)" ] && pass || fail "features that were computed again are not kept"
# Options that would do nothing, entries given twice.
refuses 64 '--linear-lr: has no effect without --protocol' ssl-linear --protocol knn --linear-lr 1 run/model.json
refuses 64 '--knn-k: has no effect without --protocol' ssl-linear --protocol linear --knn-k 5 run/model.json
refuses 64 "'knn' is given twice" ssl-linear --protocol knn,knn run/model.json
refuses 64 '--max-bad: has no effect without --on-bad' ssl-pretrain simclr --profile small --max-bad 0.5 -o run data.json
refuses 64 '--patch: has no effect without --arch' ssl-pretrain simclr --profile small --arch resnet10 --patch 4 -o other data.json
refuses 64 '--epochs: a value is missing' ssl-pretrain simclr --profile small -o other data.json --epochs
# A folder for the manifest in it.
refuses 66 'run: is a folder, .* did you mean run/model.json' ssl-linear --protocol knn run
rm run/weights.safetensors
refuses 66 'weights.safetensors' ssl-linear --protocol knn run/model.json
finish
