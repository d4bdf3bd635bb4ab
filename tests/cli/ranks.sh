# Every method as several processes: each is what the single process is, step by step; stops, kills, errors of one rank reach all.
. "$(dirname "$0")/lib.sh"
. "$here/ranks_lib.sh"
prepare_subjects
few="--threads 1 --workers 1 --epochs 1 --log-every 1 --knn-every 1 --knn-bank 384 --knn-queries 128"

# agree METHOD A B: losses and gauges of the first steps, of two metrics.jsonl
agree() {
  python3 - "$@" <<'P'
import json, sys
method, *files = sys.argv[1:]
a, b = ([json.loads(line) for line in open(file)] for file in files)
steps = [[row for row in rows if row["type"] == "step"] for rows in (a, b)]
assert len(steps[0]) == len(steps[1]) > 2, "other numbers of steps"
for one, other in list(zip(*steps))[:3]:
    for name in one:
        if name in ("type", "epoch"): continue
        x, y = one[name], other[name]
        # The first step is the same arithmetic; what rounding leaves grows from update to update.
        limit = 2e-4 if one["step"] == 1 else 2e-2
        assert abs(x - y) <= limit * max(1, abs(x)), f"{method}, step {one['step']}: {name} is {x} of one process and {y} of several"
# 128 queries: three standard errors of a share.
x, y = (next(row["knn"] for row in rows if row["type"] == "epoch") for rows in (a, b))
assert abs(x - y) <= 0.13, f"{method}: online kNN {x} of one process and {y} of several"
P
}

# subject NAME METHOD [options]
subject() {
  local name=$1 method=$2 size
  shift 2
  # shellcheck disable=SC2086
  ok "$name by itself" tiny_run "$method" part.json "$name-1" $few "$@"
  for size in 2 4; do
    # shellcheck disable=SC2086
    ranks $size ssl-pretrain "$method" $tiny_options -o "$name-$size" $few "$@" part.json
    all_end 0 "$name, $size ranks"
    [ -s rank-0.out ] && [ ! -s rank-1.out ] && pass || fail "$name: not just one manifest on stdout"
    if agree "$name" "$name-1/metrics.jsonl" "$name-$size/metrics.jsonl" 2>err; then pass; else fail "$(tail -n 1 err)"; fi
  done
}
while read -r line; do
  # shellcheck disable=SC2086
  subject $line
done < <(all_subjects)
finish
