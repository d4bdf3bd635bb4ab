# ssl-convert: weights behind any prefix become the model that they were, and models become TorchScript; what does not fit or cannot be read
# is refused by name.
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

# A checkpoint of a run with two networks of one shape (the query's and the key's) gives the one that the run exports.
ok "a run of two networks" ssl-pretrain moco --profile small $small --view-size 16 --batch 4 --queue 12 --shuffle-groups 1 --epochs 2 --warmup-epochs 0 --knn-every 0 --no-provenance -o moco images.json
for step in moco/checkpoints/*/; do last=$step; done
ok "convert a checkpoint" ssl-convert $small --image 16 --method moco "$last/state.safetensors" -o again
grep -q "behind the prefix 'method/query.backbone.'" err && pass || fail "the network of a checkpoint is not told"
same moco/weights.safetensors again/weights.safetensors
ok "the other network" ssl-convert $small --image 16 --prefix method/key.backbone. "$last/state.safetensors" -o key
cmp -s moco/weights.safetensors key/weights.safetensors && fail "--prefix makes no difference" || pass

# The other way: TorchScript of a model, of a pipe, and of weights in one go.
ok "TorchScript" ssl-convert --torchscript ts/run.pt run/model.json
grep -q "ts/run.pt: TorchScript of resnet10, N x 3 x 16 x 16 -> 64 features" err && pass || fail "TorchScript is not told of"
python3 - out ts/run.pt <<'P' && pass || fail "the manifest that goes on"
import hashlib, json, os, sys, zipfile
model = json.load(open(sys.argv[1]))
assert model["manifest"] == "model" and model["tool"]["name"] == "ssl-pretrain" and os.path.exists(os.path.join(model["folder"], model["weights"]["path"]))
assert model["torchscript"]["path"] == os.path.abspath(sys.argv[2])
assert model["torchscript"]["digest"] == "sha256:" + hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest()
facts = json.loads(zipfile.ZipFile(sys.argv[2]).read("archive/extra/selfsight.json"))
assert facts["method"] == "simclr" and facts["input"] == [16, 16, 3] and facts["weights"] == model["weights"]["digest"]
P
cat out > through.json
ssl-convert --torchscript piped.pt < through.json > piped.json 2> err && pass || fail "through a pipe"
same ts/run.pt piped.pt
ok "what goes on is a model" ssl-embed --split train --no-provenance through.json -o through
same ours/features.safetensors through/features.safetensors
ok "both at once" ssl-convert $small --image 16 --method moco --classifier fc prefixed.safetensors -o converted --torchscript converted/net.pt
grep -q '"path": "net.pt"' converted/model.json && grep -q "with its classifier" err && pass || fail "model.json does not name the TorchScript"
ok "replaces its own" ssl-convert --torchscript piped.pt converted/model.json
same converted/net.pt piped.pt
echo mine > mine.pt
refuses 73 "mine.pt: exists and is not a TorchScript file" ssl-convert --torchscript mine.pt run/model.json
same mine.pt <(echo mine)
ok "unless told to" ssl-convert --torchscript mine.pt --force run/model.json
same ts/run.pt mine.pt
refuses 73 "file/net.pt: .* is no folder" ssl-convert --torchscript images.json/file/net.pt run/model.json
refuses 64 "arch: is for weights" ssl-convert --arch resnet10 --torchscript a.pt run/model.json
refuses 64 "output: is for weights" ssl-convert --torchscript a.pt run/model.json -o other
refuses 64 "say with --torchscript" ssl-convert run/model.json
refuses 64 "a --dry-run writes nothing" ssl-convert $small --dry-run --torchscript a.pt prefixed.safetensors
refuses 64 "where the model goes" ssl-convert $small --torchscript a.pt prefixed.safetensors
refuses 64 "force: has no effect without --torchscript" ssl-convert $small --force prefixed.safetensors -o other
refuses 64 "'-' is no name of a file" ssl-convert --torchscript - run/model.json
refuses 65 "expected a model manifest, got a dataset" ssl-convert --torchscript a.pt images.json
python3 - <<'P'  # one whose header has the length of a brace: no manifest
import json, struct
header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
open("brace.safetensors", "wb").write(struct.pack("<Q", 123) + header.ljust(123) + bytes(4))
P
refuses 65 "brace.safetensors: does not fit" ssl-convert $small --dry-run brace.safetensors
refuses 66 "nowhere.json" ssl-convert --torchscript a.pt nowhere.json
sed 's/"resnet10"/"resnet18"/' run/model.json > run/other.json
refuses 65 "does not fit the network" ssl-convert --torchscript a.pt run/other.json
[ -e a.pt ] && fail "something was written" || pass
head -c 3000 "$here/../parity/weights/zip.pth" > cut.pth
refuses 65 "cut.pth: a damaged or truncated ZIP" ssl-convert $small cut.pth -o other
# Not over the model itself, whatever is forced.
cp -r run own
for file in model.json weights.safetensors; do
  [ -e own/$file ] || continue
  before=$(md5sum < own/$file)
  refuses 73 'is a file of the model itself' ssl-convert --torchscript own/$file --force own/model.json
  [ "$before" = "$(md5sum < own/$file)" ] || fail "own/$file was written over"
done
finish
