# Judging and embedding as several processes: the same rows, the same bytes; one of them writes; a folder has one at a time.
. "$(dirname "$0")/lib.sh"
. "$here/ranks_lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
ssl-data split --count 400 --name few -o few.json data.json >/dev/null 2>&1
ssl-data split --split test --count 210 --name judged -o parts.json few.json >/dev/null 2>&1
ok "a model" tiny_run simclr parts.json model --split few --images 0 --epochs 1
cp out model.json

# Features are those of one process to the bit: batches are filled up to one length.
ok "features of one process" ssl-embed --split judged --threads 1 --no-provenance -o whole model/model.json
for size in 2 3; do
  ranks $size ssl-embed --split judged --threads 1 --workers 1 --no-provenance -o "features-$size" model/model.json
  all_end 0 "features, $size ranks"
  same "features-$size/features.safetensors" whole/features.safetensors
  same "features-$size/features.json" whole/features.json
  [ -s rank-0.out ] && [ ! -s rank-1.out ] && pass || fail "not just one features manifest on stdout"
done

# rows A B: every row of two metrics manifests. A test image of 210 is 0.48 %, and rounding may turn one or two.
rows() {
  python3 - "$@" <<'P'
import json, sys
one, other = (json.load(open(file)) for file in sys.argv[1:3])
assert len(one["rows"]) == len(other["rows"]) > 6, "other rows"
for a, b in zip(one["rows"], other["rows"]):
    assert (a["name"], a["subject"]) == (b["name"], b["subject"])
    for x, y in zip(a.get("samples", [a["value"]]), b.get("samples", [b["value"]])):
        assert abs(x - y) <= 1.0, f"{a['name']} of {a['subject']}: {x} of one process, {y} of several"
    for fact in ("learning rate", "L2", "draws", "epochs", "labels"):
        assert a["protocol"].get(fact) == b["protocol"].get(fact), (a["name"], fact, a["protocol"], b["protocol"])
    if "loss of the last epoch" in a["protocol"]:
        of = [row["protocol"]["loss of the last epoch"] for row in (a, b)]
        for x, y in zip(*(loss if isinstance(loss, list) else [loss] for loss in of)):
            assert abs(x - y) <= 1e-2 * x, f"{a['name']}: a loss of {x} of one process, {y} of several"
assert one["per_class"]["labels"] == other["per_class"]["labels"] and one["per_class"]["protocol"] == other["per_class"]["protocol"]
P
}
judge="--train-split few --test-split judged --protocol knn,linear,few-labels,non-linear,fine-tune --baseline pixels --labels 40 --draws 3 --linear-epochs 4 \
  --linear-lr 0.01,0.1,0.3 --fine-tune-labels 64 --fine-tune-epochs 1 --fine-tune-least-steps 8 --fine-tune-batch 12 --head-epochs 2 --head-batch 25
  --threads 1 --workers 1 --quiet"
# shellcheck disable=SC2086
ok "judged by one process" ssl-linear $judge -o one model/model.json
for size in 2 3; do
  # shellcheck disable=SC2086
  # The first alone stands at the end of a pipe.
  # shellcheck disable=SC2016,SC2086
  ranks $size sh -c '[ "$RANK" != 0 ] || exec "$@" <model.json; exec "$@" </dev/null' - ssl-linear $judge -o "judged-$size" -
  all_end 0 "judged by $size ranks"
  if rows one/metrics.json "judged-$size/metrics.json" 2>err; then pass; else fail "$size ranks: $(tail -n 1 err)"; fi
  [ -s rank-0.out ] && [ ! -s rank-1.out ] && pass || fail "not just one metrics manifest on stdout"
done
# Once more, from the features that lie there: by more ranks than learning rates, and on crops.
# shellcheck disable=SC2086
ranks 4 ssl-linear $judge -o judged-3 --no-quiet model/model.json
all_end 0 "judged again"
grep -q 'features of few taken from an earlier run' rank-0.err && pass || fail "features were computed again"
if rows one/metrics.json judged-3/metrics.json 2>err; then pass; else fail "again: $(tail -n 1 err)"; fi
crops="--train-split few --test-split judged --protocol linear --augment --linear-epochs 2 --linear-batch 48 --linear-lr 0.1,0.3 --threads 1 --quiet"
# shellcheck disable=SC2086
ok "crops, one process" ssl-linear $crops -o crops-1 model/model.json
# shellcheck disable=SC2086
ranks 2 ssl-linear $crops -o crops-2 model/model.json
all_end 0 "crops, 2 ranks"
python3 -c 'import sys, json
a, b = (json.load(open(f))["rows"][0] for f in sys.argv[1:])
assert abs(a["value"] - b["value"]) <= 1.0 and a["protocol"] == b["protocol"], (a, b)' crops-{1,2}/metrics.json 2>err && pass || fail "crops: $(tail -n 1 err)"

# An error of all is told by each; one of the first, in whose folder somebody is at work, ends the others. Ranks started in other ways, or
# as shards by hand, are told of.
# shellcheck disable=SC2086
ranks 2 ssl-linear $judge --test-split none -o wrong model/model.json
all_end 65 "no such split"
[ ! -e wrong ] && pass || fail "something was written for a split that is not there"

# shellcheck disable=SC2016
ranks 2 sh -c 'exec ssl-embed --split judged --shard $RANK/2 -o by-hand model/model.json'
all_end 64 "shards of one session"
grep -q 'rank 1 was started with other options than rank 0.*shard: "0/2" there, "1/2" here' rank-0.err && pass || { fail "what is wrong is not told"; cat rank-0.err; }
[ ! -e by-hand ] && pass || fail "something was written by ranks with other options"

# Another model is another way of starting; whether stored features are taken is the first one's to say.
cp -r model other
# shellcheck disable=SC2016
ranks 2 sh -c '[ "$RANK" = 0 ] && model=model || model=other; exec ssl-embed --split judged -o two $model/model.json'
all_end 64 "two models"
grep -q 'rank 1 was started with other options.*arguments' rank-0.err && pass || { fail "two models are not told of"; cat rank-0.err; }
# shellcheck disable=SC2016
ranks 2 sh -c '[ "$RANK" = 0 ] && reuse= || reuse=--no-reuse; exec ssl-linear --train-split few --test-split judged --protocol knn --threads 1 $reuse -o judged-2 model/model.json'
all_end 0 "one with --no-reuse"
# The last word of the first reaches the others too.
# shellcheck disable=SC2016
ranks 2 sh -c '[ "$RANK" != 0 ] || exec >/dev/full; exec ssl-embed --split judged -o full model/model.json'
all_end 74 "no room on stdout"
grep -q 'rank 0 ended: stdout: No space left on device$' rank-1.err && ! grep -q 'frame #' rank-1.err && pass || { fail "rank 1 does not say what ended rank 0"; cat rank-1.err; }
# What is closed is nobody's file.
refuses 74 'stdout: Bad file descriptor' sh -c 'exec ssl-embed --split judged -o closed model/model.json >&-'
ok "without stderr" sh -c 'exec ssl-embed --split judged -o closed model/model.json 2>&-'
grep -q '^process [0-9]* on ' closed/.lock && [ "$(wc -l <closed/.lock)" = 0 ] && pass || fail "something was printed into the lock"

# Another process in the folder, whichever program holds it.
mkfifo gate
flock one/.lock cat gate & holder=$!
for _ in $(seq 100); do flock -n one/.lock true || break; sleep 0.1; done
# shellcheck disable=SC2086
refuses 73 'one: another run is at work in this folder' ssl-linear $judge -o one model/model.json
# shellcheck disable=SC2086
ranks 2 ssl-linear $judge -o one model/model.json
wait_ranks
[ "${codes[*]}" = "73 74" ] && grep -q 'rank 0 ended: .*one: another run is at work' rank-1.err && pass || fail "two ranks in a busy folder ended with ${codes[*]}"
echo >gate; wait $holder
# What a judge has made its own is none of a run's.
refuses 73 'one: holds files that no run wrote' tiny_run simclr parts.json one --split few
# shellcheck disable=SC2086
ok "free again" ssl-linear $judge -o one model/model.json
finish
