# ssl-dense: both verbs through pipes, baselines, and what is refused.
. "$(dirname "$0")/lib.sh"
[ -d $fashion ] || skip "no Fashion-MNIST in $fashion"
ssl-data fashion-mnist $fashion -o data.json >/dev/null 2>err || fail "no data set"
tiny_run simclr data.json run >/dev/null 2>err || { fail "no model"; tail -n 3 err; }

ok "segment --help" ssl-dense segment --help
grep -q -- '--label-stride' out && pass || fail "segment --help lacks its options"
ok "match --help" ssl-dense match --help
grep -q -- '--view-scale-min' out && pass || fail "match --help lacks its options"

# 20 x 16 pixels, as the images: the upper half is 0, the lower 1, two rows are void.
pngs images 6; pngs test 2
half() { printf "$1%.0s" {1..20}; }
mask=$(for row in 0 0 0 0 0 0 0 '#' '#' 1 1 1 1 1 1 1; do half "$row"; printf /; done); mask=${mask%/}
masks labels "$mask" "$mask" "$mask" "$mask" "$mask" "$mask"; masks truth "$mask" "$mask"
for n in 0 1 2 3 4 5; do mv labels/0000$n.png labels/$n.png; done
for n in 0 1; do mv truth/0000$n.png truth/$n.png; done
segment="--images images --labels labels --test test --classes 2 --layer layer1"
# shellcheck disable=SC2086
ssl-dense segment run/model.json $segment -o dense 2>err | seg-parse score --truth truth --classes 2 -o scores.json >out 2>>err &&
  pass || { fail "segment | seg-parse broke"; tail -n 3 err; }
grep -q '"subject": "simclr"' scores.json && pass || fail "the scores are not the model's"
[ "$(ls dense/simclr)" = "$(printf '0.png\n1.png')" ] && pass || fail "predictions are not named as the images"
# shellcheck disable=SC2086
tiny_run simclr data.json run 2>err | ssl-dense segment $segment -o dense --no-provenance >out 2>>err && pass || { fail "ssl-pretrain | segment broke"; tail -n 3 err; }
cp dense/simclr/1.png first.png; cp dense/predictions.json first.json
# shellcheck disable=SC2086
ok "again" ssl-dense segment run/model.json $segment -o dense --no-provenance
same first.png dense/simclr/1.png
# shellcheck disable=SC2086
ok "untrained" ssl-dense segment run/model.json $segment --weights untrained -o dense
ok "score of the untrained network" seg-parse score --truth truth --classes 2 dense/untrained

ssl-data split --split test --into few=0.02,rest=0.98 data.json -o few.json >out 2>err || { fail "no part of the data"; tail -n 3 err; }
match="--dataset few.json --split few --draws 1"
# shellcheck disable=SC2086
ok "match" ssl-dense match run/model.json $match -o match.json
# shellcheck disable=SC2086
tiny_run simclr data.json run 2>err | ssl-dense match $match --weights untrained 2>>err | ssl-report -o page.html match.json - >out 2>>err && pass || { fail "match | ssl-report broke"; tail -n 3 err; }
grep -q 'cell correspondence' page.html && pass || fail "the page does not show the correspondence"
# shellcheck disable=SC2086
for workers in 1 3; do ssl-dense match run/model.json $match --workers $workers --no-provenance >workers$workers.json 2>err; done
same workers1.json workers3.json

refuses 64 'give a verb: segment, match' ssl-dense
refuses 64 "'score' is no verb of ssl-dense" ssl-dense score
# shellcheck disable=SC2086
refuses 64 'say where the predictions go' ssl-dense segment run/model.json $segment
refuses 64 '--classes N' ssl-dense segment run/model.json --images images --labels labels --test test -o dense
refuses 66 '--labels nowhere' ssl-dense segment run/model.json --images images --labels nowhere --test test --classes 2 -o dense
refuses 65 'labels/0.png: label 255 at column 0, row 7' ssl-dense segment run/model.json --images images --labels labels --test test --classes 2 --void 9 -o dense
refuses 64 '--layer pooled' ssl-dense match run/model.json --layer pooled
refuses 65 "nosuch" ssl-dense match run/model.json --split nosuch
refuses 65 'expected a model manifest, got a dataset' ssl-dense match data.json
mkdir notes; echo precious >notes/mine.txt
# shellcheck disable=SC2086
refuses 73 'holds files that ssl-dense did not write' ssl-dense segment run/model.json $segment -o notes
echo precious >mine.json
refuses 73 'mine.json: exists' ssl-dense match run/model.json -o mine.json
finish
