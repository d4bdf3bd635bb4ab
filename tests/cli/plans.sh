# Plans of batches and mates: from a data set to runs that follow them, and what does not fit.
. "$(dirname "$0")/lib.sh"
tiny="--arch resnet10 --stem stride2 --width 0.125 --knn-every 0 --epochs 1 --warmup-epochs 0 --quiet"
ok "a small part" sh -c "ssl-data fashion-mnist $fashion --quiet | ssl-data split --count 256 --name part --quiet -o part.json"
ok "the autoencoder" ssl-pretrain dae --profile small --split part --knn-every 0 --epochs 1 --warmup-epochs 0 --batch 32 --quiet -o dae part.json
ok "its codes" ssl-embed --split part --quiet -o codes dae/model.json
ok "batches" ssl-plan batches --batch 32 --quiet -o plan.json codes/features.json
grep -q '"manifest": "plan"' out || fail "ssl-plan prints no plan manifest"
# shellcheck disable=SC2086
for method in g-simclr simclr; do
  ok "$method by the plan" ssl-pretrain $method --profile small $tiny --split part --batch 32 --plan plan.json -o $method part.json
done
ok "random batches" ssl-plan batches --by random --batch 32 --quiet -o random.json codes/features.json
# shellcheck disable=SC2086
refuses 64 "plan: .* there, .* here" ssl-pretrain simclr --profile small $tiny --split part --batch 32 --plan random.json -o simclr part.json
# shellcheck disable=SC2086
refuses 64 "--batch 64: the plan" ssl-pretrain simclr --profile small $tiny --split part --batch 64 --plan plan.json -o other part.json
refuses 64 "shuffle-window and --plan" ssl-pretrain simclr --profile small $tiny --split part --batch 32 --plan plan.json --shuffle-window 2 -o other part.json
# shellcheck disable=SC2086
refuses 65 "made for another data set" ssl-pretrain simclr --profile small $tiny --split train --batch 32 --plan plan.json -o other part.json
# shellcheck disable=SC2086
refuses 64 "--plan PLAN.json" ssl-pretrain g-simclr --profile small $tiny --split part --batch 32 -o other part.json
refuses 66 "missing.json" ssl-pretrain simclr --profile small --split part --batch 32 --plan missing.json -o other part.json
[ ! -e other ] || fail "a run that could not begin left its folder"

ok "a teacher" sh -c "ssl-pretrain moco --profile small $tiny --split part --batch 32 --queue 64 -o teacher part.json"
ok "its features" ssl-embed --split part --quiet -o features teacher/model.json
ok "mates" ssl-plan mates --per-sample 3 --quiet -o mates.json features/features.json
ok "mates of the same cluster" ssl-plan mates --by clusters --clusters 12 --per-sample 3 --quiet -o bags.json features/features.json
refuses 64 "seed: has no effect without --by clusters" ssl-plan mates --seed 1 -o other.json features/features.json
bingo="bingo --profile small $tiny --split part --batch 32 --queue 64 --teacher teacher/model.json"
# shellcheck disable=SC2086
ok "bingo with these mates" ssl-pretrain $bingo --mates mates.json -o bingo part.json
# shellcheck disable=SC2086
ok "bingo with mates of the same cluster" ssl-pretrain $bingo --mates bags.json -o bingo-bags part.json
# shellcheck disable=SC2086
refuses 65 "a plan of batches, where one of mates" ssl-pretrain $bingo --mates plan.json -o other part.json
# shellcheck disable=SC2086
refuses 64 "--queue 256: the split has 256 images" ssl-pretrain $bingo --queue 256 -o other part.json
# shellcheck disable=SC2086
refuses 65 "without the head 'projector'" ssl-pretrain $bingo --teacher dae/model.json -o other part.json
# shellcheck disable=SC2086
refuses 65 "made for another data set" ssl-pretrain $bingo --split train --mates mates.json -o other part.json
refuses 64 "--stages block-5: gives tokens" ssl-pretrain hsa --profile small --split part --batch 32 --queue 64 --arch vit-tiny --patch 4 --stages block-5 --knn-every 0 -o other part.json
refuses 64 "say where the plan goes" ssl-plan batches codes/features.json
refuses 64 "'batch' is no verb of ssl-plan; did you mean 'ssl-plan batches'" ssl-plan batch codes/features.json
refuses 65 "expected a features manifest, got a plan" ssl-plan batches -o x.json plan.json
for host in byol interclr; do
  refuses 64 "does not compare pairs" ssl-pretrain $host --with hallucinator --profile small -o other part.json
done
finish
