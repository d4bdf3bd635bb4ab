# Features in shards: put together they are what one run over the whole split writes; no program takes a shard for the whole.
. "$(dirname "$0")/lib.sh"
pngs images/train/a 20; pngs images/train/b 13; pngs images/test/a 9; pngs images/test/b 8
ok "data" sh -c 'ssl-data folder images | ssl-data check -o data.json'
# ResNet-50 on small images: LibTorch computes them in other ways for batches of other lengths.
ok "a model" ssl-pretrain simclr --profile small --arch resnet50 --stem stride2 --width 0.125 --view-size 16 --batch 8 --epochs 1 \
  --warmup-epochs 0 --knn-every 0 --no-provenance -o model data.json
embed="ssl-embed model/model.json --no-provenance --threads 1 --quiet"
# same_manifests WHOLE MERGED SHARDS: but for the shards among the inputs
same_manifests() {
  python3 - "$@" <<'P' && pass || fail "$2/features.json is another than $1/features.json"
import json, sys
whole, merged = (json.load(open(f'{folder}/features.json')) for folder in sys.argv[1:3])
inputs = len(whole['inputs'])
assert [i['kind'] for i in merged['inputs']] == [i['kind'] for i in whole['inputs']] + int(sys.argv[3]) * ['features'], merged['inputs']
merged['inputs'] = merged['inputs'][:inputs]
assert whole == merged
P
}
ok "whole" $embed --split train -o whole
for count in 1 3 33; do
  for ((i = 0; i < count; ++i)); do ok "shard $i/$count" $embed --split train --shard $i/$count -o "in$count/$i"; done
  # In any order, by any name.
  mapfile -t parts < <(printf '%s\n' "in$count"/*/features.json | sort -R)
  ok "merge of $count" ssl-embed merge --no-provenance -o "merged$count" "${parts[@]}"
  same whole/features.safetensors "merged$count/features.safetensors"
  same_manifests whole "merged$count" $count
done
ok "merge into the same folder again" ssl-embed merge --no-provenance -o merged3 in3/{0,1,2}/features.json
grep -q '"shard": {' in3/1/features.json && ! grep -q '"shard"' merged3/features.json && pass || fail "which is a shard?"
ok "a pipe takes the merged" sh -c 'ssl-embed merge -o piped in3/*/features.json | ssl-plan batches --by random --batch 8 -o plan.json'
ok "another data set, layer and provenance" sh -c 'for i in 0 1; do
  ssl-embed model/model.json --dataset data.json --split test --layer layer3 --threads 1 --shard $i/2 -o other/$i; done
  ssl-embed merge -o other/whole other/1/features.json other/0/features.json'
ok "the same whole" ssl-embed model/model.json --dataset data.json --split test --layer layer3 --threads 1 -o other/one
same other/one/features.safetensors other/whole/features.safetensors

# Bad images count by the whole split, as without shards.
cp -r images spoilt
truncate -s 50 spoilt/train/a/3.png; truncate -s 50 spoilt/train/b/0.png; truncate -s 50 spoilt/train/b/12.png
ok "spoilt" ssl-data folder spoilt -o spoilt.json
embed_spoilt="$embed --dataset spoilt.json --split train"
refuses 65 'a/3.png' $embed_spoilt --shard 1/3 -o bad/fail
refuses 65 '2 of 33 images .* more than the share of 0.03' $embed_spoilt --shard 1/2 --on-bad skip --max-bad 0.03 -o bad/many
ok "whole without bad ones" $embed_spoilt --on-bad skip --max-bad 0.1 -o bad/whole
for i in 0 1 2 3; do ok "shard without bad ones" $embed_spoilt --on-bad skip --max-bad 0.1 --shard $i/4 -o bad/$i; done
ok "merge without bad ones" ssl-embed merge --no-provenance -o bad/merged bad/{3,2,1,0}/features.json
same bad/whole/features.safetensors bad/merged/features.safetensors
same_manifests bad/whole bad/merged 4
# Each shard has no more than the whole may, together they have.
for i in 0 1 2; do ok "shard of too many" $embed_spoilt --on-bad skip --max-bad 0.07 --shard $i/3 -o sum/$i; done
refuses 65 '3 of 33 images .* more than the share of 0.07' ssl-embed merge -o sum/merged sum/{0,1,2}/features.json
[ ! -e sum/merged ] && pass || fail "something was written for shards that were refused"

# What is refused on the command line.
for wrong in 3/3 x 1 -1/3 1/0 1/3/4; do refuses 64 "--shard: '$wrong' is no I/N" $embed --shard=$wrong -o no; done
refuses 64 "--shard 3/100: the split 'test' has only 17 images" $embed --split test --shard 3/100 -o no
refuses 64 'name the manifests' ssl-embed merge -o no
refuses 64 '-o DIR' ssl-embed merge in3/0/features.json
refuses 64 "unknown option '--shard'" ssl-embed merge --shard 1/3 -o no in3/0/features.json
[ ! -e no ] && pass || fail "something was written for a command that was refused"
# A folder keeps to what it holds.
refuses 73 "holds the features of shard 1/3 of split 'train'" $embed --split train --shard 0/3 -o in3/1
refuses 73 "holds the features of shard 1/3 of split 'train'" $embed --split train -o in3/1
refuses 73 "holds the features of shard 1/3 of split 'train'" ssl-embed merge -o in3/1 in3/{0,1,2}/features.json
refuses 73 "holds the features of split 'train', layer 'pooled'" $embed --split train --shard 0/3 -o whole
# What is refused of shards.
refuses 65 'in3/0/features.json: of its 3 shards there are 2; missing: 1/3' ssl-embed merge -o no in3/{0,2}/features.json
refuses 65 'in3/1/features.json: is shard 1/3, and so is in3/1/features.json' ssl-embed merge -o no in3/{1,0,1,2}/features.json
refuses 65 'in33/2/features.json: is shard 2/33' ssl-embed merge -o no in3/{0,1}/features.json in33/2/features.json
refuses 65 "whole/features.json: is no shard, but all of split 'train'" ssl-embed merge -o no whole/features.json
refuses 65 'other/0/features.json: is shard 0/2' ssl-embed merge -o no in3/0/features.json other/0/features.json
refuses 65 'expected a features manifest, got a model manifest' ssl-embed merge -o no model/model.json
refuses 66 'in3/9' ssl-embed merge -o no in3/{0,1,9}/features.json
ok "another model" ssl-pretrain simclr --profile small --arch resnet50 --stem stride2 --width 0.125 --view-size 16 --batch 8 --epochs 1 \
  --warmup-epochs 0 --knn-every 0 --no-provenance --seed 1 -o model1 data.json
ok "its shard" ssl-embed model1/model.json --split train --threads 1 --shard 1/3 -o alien
refuses 65 'alien/features.json: is of another model than in3/0/features.json' ssl-embed merge -o no in3/0/features.json alien/features.json in3/2/features.json
ok "its shard of another split" ssl-embed model/model.json --split test --threads 1 --shard 1/3 -o test
refuses 65 "test/features.json: is of another split \\('test'\\)" ssl-embed merge -o no in3/0/features.json test/features.json in3/2/features.json
cp -r in3 cut; truncate -s -4 cut/1/features.safetensors
refuses 65 'cut/1/features.safetensors: the features file is not the one' ssl-embed merge -o no cut/{0,1,2}/features.json
rm cut/1/features.safetensors; refuses 66 'cut/1/features.safetensors' ssl-embed merge -o no cut/{0,1,2}/features.json
[ ! -e no ] && pass || fail "something was written for shards that were refused"
# Readers of features.
refuses 65 'in3/1/features.json: has the features of shard 1/3 .* ssl-embed merge' ssl-plan batches --by random --batch 4 -o plan1.json in3/1/features.json
refuses 65 'has the features of shard 1/3' ssl-report -o page.html in3/1/features.json
refuses 65 'has the features of shard 1/3' reid-eval score --query in3/1/features.json --gallery whole/features.json
refuses 65 'has the features of shard 1/3' vtr-retrieve score --text in3/1/features.json --video whole/features.json
finish
