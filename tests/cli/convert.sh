# ssl-convert: weights behind any prefix become the model that they were; what does not fit or cannot be read is refused by name.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
pngs images 12
ok "describe" ssl-data folder images -o images.json
small="--arch resnet10 --stem stride2 --width 0.125"
ok "a run" ssl-pretrain simclr --profile small $small --view-size 16 --batch 4 --epochs 1 --warmup-epochs 0 --knn-every 0 --no-provenance -o run images.json

# The same tensors behind a prefix, with a classifier beside them that says "1" whatever it sees.
python3 - run/weights.safetensors prefixed.safetensors <<'P'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
header.pop("__metadata__", None)
prefix = "state_dict.module.encoder_q."
moved = {prefix + key: value for key, value in header.items()}
body, dim, classes = data[8 + size:], header["layer4.0.bn2.weight"]["shape"][0], 3
for name, shape, values in (("fc.weight", [classes, dim], [0.0] * (classes * dim)), ("fc.bias", [classes], [0.0, 1.0, 0.0])):
    raw = struct.pack(f"<{len(values)}f", *values)
    moved[prefix + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
    body += raw
text = json.dumps(moved).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + body)
P
ok "convert" ssl-convert $small --image 16 --method moco --classifier fc prefixed.safetensors -o converted
grep -q "behind the prefix 'state_dict.module.encoder_q.'" err && pass || fail "the prefix is not told"
same run/weights.safetensors converted/weights.safetensors
ok "embed ours" ssl-embed --split train --no-provenance run/model.json -o ours
ok "embed the converted" ssl-embed --split train --no-provenance --dataset images.json converted/model.json -o theirs
same ours/features.safetensors theirs/features.safetensors

pngs classes/a 2; pngs classes/b 3; pngs classes/c 3
ok "describe classes" ssl-data folder classes -o classes.json
ok "its own classifier" ssl-linear --protocol classifier --dataset classes.json --test-split train --no-provenance converted/model.json -o judged
grep -q "classifier top-1 37.50 % of 8 images" err && pass || fail "3 of 8 images are of class 1"
ok "the same folder for another protocol" ssl-linear --protocol classifier --dataset classes.json --test-split train --no-provenance converted/model.json -o judged
refuses 64 "judges what came with the weights, alone" ssl-linear --protocol classifier,knn --dataset classes.json --test-split train converted/model.json -o judged
refuses 65 "'state_dict.module.encoder_q.head' is no linear layer" ssl-convert $small --image 16 --classifier head prefixed.safetensors -o other2
refuses 65 "without the head 'classifier'" ssl-linear --protocol classifier --dataset classes.json --test-split train run/model.json -o judged2

refuses 65 "does not fit resnet18" ssl-convert --arch resnet18 prefixed.safetensors -o other
[ -e other ] && fail "a refused file left a folder" || pass
refuses 65 "does not fit resnet10" ssl-convert $small --dry-run --prefix elsewhere. prefixed.safetensors
"$BIN/ssl-convert" $small --dry-run prefixed.safetensors > out 2> err && [ ! -s out ] && pass || fail "--dry-run"
refuses 65 "namespace.pth: 'args': an object of argparse.Namespace" ssl-convert $small "$here/../parity/weights/namespace.pth" -o other
refuses 65 "namespace.pth: does not fit" ssl-convert $small --skip-objects "$here/../parity/weights/namespace.pth" -o other
grep -q "left out: objects of argparse.Namespace" err && pass || fail "what was left out is not told"
refuses 66 "nowhere.pth" ssl-convert $small nowhere.pth -o other
refuses 64 "which the model goes|where the model goes" ssl-convert $small prefixed.safetensors
refuses 64 "give the file" ssl-convert $small -o other
refuses 64 "2 numbers for 3 channels" ssl-convert $small --mean 0.5,0.5 prefixed.safetensors -o other
head -c 3000 "$here/../parity/weights/zip.pth" > cut.pth
refuses 65 "cut.pth: a damaged or truncated ZIP" ssl-convert $small cut.pth -o other
finish
