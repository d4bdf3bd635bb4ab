# ssl-convert: weights behind any prefix become the model that they were; what does not fit or cannot be read is refused by name.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
pngs images 12
ok "describe" ssl-data folder images -o images.json
small="--arch resnet10 --stem stride2 --width 0.125"
ok "a run" ssl-pretrain simclr --profile small $small --view-size 16 --batch 4 --epochs 1 --warmup-epochs 0 --knn-every 0 --no-provenance -o run images.json

# The same tensors behind a prefix, with others beside them.
python3 - run/weights.safetensors prefixed.safetensors <<'P'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
header.pop("__metadata__", None)
moved = {"state_dict.module.encoder_q." + key: value for key, value in header.items()}
text = json.dumps(moved).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
P
ok "convert" ssl-convert $small --image 16 --method moco prefixed.safetensors -o converted
grep -q "behind the prefix 'state_dict.module.encoder_q.'" err && pass || fail "the prefix is not told"
same run/weights.safetensors converted/weights.safetensors
ok "embed ours" ssl-embed --split train --no-provenance run/model.json -o ours
ok "embed the converted" ssl-embed --split train --no-provenance --dataset images.json converted/model.json -o theirs
same ours/features.safetensors theirs/features.safetensors

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
