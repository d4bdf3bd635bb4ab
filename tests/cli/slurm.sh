# The batch scripts of recipes/slurm under a real Slurm: a pre-training stopped in every way that ends with the bytes of one that never was,
# shards of features in a job array, a recipe as a chain of jobs, and srun before each of its steps.
. "$(dirname "$0")/lib.sh"
. "$here/slurm_lib.sh"
. "$here/ranks_lib.sh"
recipes=$(cd "$here/../../recipes" && pwd)
export BIN
start_cluster

# The first images of Fashion-MNIST.
python3 - "$fashion" <<'P'
import gzip, os, struct, sys
os.mkdir('small')
for part, count in (('train', 1024), ('t10k', 300)):
    for kind, head, each in (('images-idx3', 16, 784), ('labels-idx1', 8, 1)):
        name = f'{part}-{kind}-ubyte.gz'
        with gzip.open(f'{sys.argv[1]}/{name}') as whole, gzip.open(f'small/{name}', 'wb') as out:
            data = whole.read(head + count * each)
            out.write(data[:4] + struct.pack('>I', count) + data[8:])
P
ok "data" ssl-data fashion-mnist small -o data.json
backbone="--arch resnet10 --stem stride2 --width 0.25"
short="$backbone --batch 64 --warmup-epochs 0 --knn-every 0 --threads 1 --workers 1 --no-provenance"

# --- A pre-training that is stopped three times ---
long="simclr --profile small $short --epochs 16 --log-every 1"
# shellcheck disable=SC2086
run=$(sbatch --parsable --time=30 --signal=USR1@20 "$recipes/slurm/pretrain.sbatch" $long -o run data.json)
log=slurm-$run.out
lines() { [ ! -e "$log" ] || grep -c "$1" "$log"; }
steps() { [ ! -e run/metrics.jsonl ] || grep -c '"type":"step"' run/metrics.jsonl; }
# at_work N: the N-th start of it has come further
at_work() { [ "$(job_state "$run")" = RUNNING ] && [ "$(restarts "$run")" = $(($1 - 1)) ] && [ "0$(steps)" -gt "$seen" ]; }
# stopped N: for the N-th time, and back in the queue; check_stop SIGNAL: by that, and with nothing lost
stopped() { [ "$(lines "stopped by signal")" = "$1" ] && [ "$(restarts "$run")" = "$1" ]; }
check_stop() {
  local at
  at=$(sed -n 's/.*stopped by signal \([0-9]*\) at step \([0-9]*\) .*/\1 \2/p' "$log" | tail -n 1)
  [ "${at% *}" = "$1" ] && [ "${at#* }" -ge "$seen" ] && pass || fail "stopped by signal and at step $at, not by $1 at $seen or later"
  seen=${at#* }
}
seen=0

# A signal by hand; the script requeues the job.
until_true "training" 300 at_work 1 && scancel --signal=USR1 "$run"
until_true "back in the queue after a signal" 300 stopped 1 && check_stop 10
[ "$(lines 'pretrain: stopped with a checkpoint written; back into the queue')" = 1 ] && pass || fail "the script says nothing of a requeue"
# Slurm requeues the job of its own, as for preemption: SIGTERM to all of it, the script too.
until_true "training again" 300 at_work 2 && scontrol requeue "$run"
until_true "back in the queue after a requeue from outside" 300 stopped 2 && check_stop 15
# The time limit, now the smallest there is: Slurm's clock sends the signal 20 to 50 seconds ahead of it, so 10 to 40 after the start. As a
# fast machine would be through by then, the program is held until the signal waits for it (SIGUSR1 is bit 9).
scontrol update JobId="$run" TimeLimit=1 || fail "no other time limit"
hold() {
  local pid
  pid=$(scontrol listpids "$run" 2>/dev/null | awk 'NR > 1 { print $1 }' | while read -r p; do
    [[ $(readlink "/proc/$p/exe") == */ssl-pretrain ]] && echo "$p"
  done)
  kill -STOP "$pid" 2>/dev/null || return # on a slow machine it may have been signalled and gone already
  # Let go in good time before Slurm kills it at the limit itself.
  while [ -e "/proc/$pid/exe" ] && ! grep -qsE '^(Shd|Sig)Pnd:.*[2367abef]..$' "/proc/$pid/status"; do sleep 0.2; done
  kill -CONT "$pid" 2>/dev/null
}
# Three stops are enough, but a slow machine would see many more.
more_time() { while [ -d "$cluster" ] && ! limit; do sleep 0.5; done; scontrol update JobId="$run" TimeLimit=UNLIMITED; }
limit() { [ "0$(lines "stopped by signal 10")" -ge 2 ] && [ "$(restarts "$run")" -ge 3 ]; }
third() { at_work 3 || limit; }
until_true "training a third time" 300 third && { { hold; more_time; } & }
# shellcheck disable=SC2086
ssl-pretrain $long -o never data.json >/dev/null 2>never.log & # the run that is never stopped
never=$!
# (Meanwhile the parts below run; the end of this one is looked at last.)

# --- Features in shards ---
# shellcheck disable=SC2086
ok "a model" ssl-pretrain simclr --profile small $short --epochs 1 -o model data.json
ok "whole" ssl-embed model/model.json --no-provenance -o whole
array=$(sbatch --parsable --array=0-3 "$recipes/slurm/embed-array.sbatch" features model/model.json --split test --no-provenance)
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$recipes/slurm/embed-merge.sbatch" features --no-provenance)
ends "$merge" 300
same whole/features.safetensors features/features.safetensors
python3 - <<'P' && pass || fail "the manifest of the merged shards is another than the whole's"
import json
whole, merged = (json.load(open(f'{folder}/features.json')) for folder in ('whole', 'features'))
assert [i['kind'] for i in merged['inputs']] == ['model'] + 4 * ['features'], merged['inputs']
merged['inputs'] = merged['inputs'][:1]
assert whole == merged
P
# One shard again, and one that there is not.
rm -r features features.parts/2
again=$(SHARDS=4 sbatch --parsable --array=2 "$recipes/slurm/embed-array.sbatch" features model/model.json --split test --no-provenance)
merge=$(sbatch --parsable --dependency="afterok:$again" --kill-on-invalid-dep=yes "$recipes/slurm/embed-merge.sbatch" features --no-provenance)
ends "$merge" 300
same whole/features.safetensors features/features.safetensors

# --- A recipe as a chain of jobs ---
small="$short --epochs 8"
variables=(FASHION="$work/small" DATASETS=fashion-mnist small="$small")
ok "chain" "$recipes/slurm/chain" simclr "${variables[@]}" OUT="$work/chained"
mapfile -t chain <out
[ ${#chain[@]} = 3 ] && pass || fail "a chain of ${#chain[@]} jobs"
arm=simclr-small/fashion-mnist-seed0
chain_trains() { [ -s "chained/$arm/config.json" ] && grep -q 'epoch' "chained/$arm/metrics.jsonl" 2>/dev/null; }
# The first job is stopped; the others wait for its second half.
until_true "the chain's training" 300 chain_trains && scancel --signal=USR1 "${chain[0]}"
ends "${chain[0]}" 300
[ "$(restarts "${chain[0]}")" = 1 ] && pass || fail "the first job of the chain was started $(restarts "${chain[0]}") times more, not once"
ends "${chain[2]}" 300
[ "$(job_state "${chain[1]}")" = COMPLETED ] && [ -s chained/simclr-small/report.html ] && pass || fail "no report by the chain"

# --- srun before every step of a recipe, from the login shell ---
ok "make RUN=srun" make -C "$recipes/simclr" RUN=srun OUT="$work/by-srun" "${variables[@]}"
[ -s by-srun/simclr-small/report.html ] && pass || fail "no report by srun"
same "by-srun/$arm/weights.safetensors" "chained/$arm/weights.safetensors"
rows() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["rows"])' "$1"; }
[ "$(rows "by-srun/$arm/linear/metrics.json")" = "$(rows "chained/$arm/linear/metrics.json")" ] && pass || fail "other figures by srun than by the chain"

# A failure in the chain: the rest is taken out of the queue instead of waiting for ever.
ok "a chain that fails" "$recipes/slurm/chain" simclr DATASETS=fashion-mnist FASHION="$work/nowhere" OUT="$work/failed"
mapfile -t chain <out
cancelled() { [ "$(job_state "${chain[2]}")" = CANCELLED ]; }
until_true "the end of a chain that fails" 300 cancelled
[ "$(job_state "${chain[0]}")" = FAILED ] && pass || fail "the first job of a failing chain is $(job_state "${chain[0]}")"

# --- The pre-training again ---
wait $never && pass || { tail -n 3 never.log; fail "the run that is never stopped failed"; }
until_true "back in the queue ahead of the time limit" 300 limit
ends "$run" 300
for file in weights.safetensors metrics.jsonl model.json; do same "never/$file" "run/$file"; done
# Every start went on from where the one before had stopped.
[ "$(sed -n 's/.*going on from step \([0-9]*\) .*/\1/p' "$log")" = "$(sed -n 's/.*stopped by signal .* at step \([0-9]*\) .*/\1/p' "$log")" ] && pass ||
  fail "a start did not go on from the stop before: $(grep -E 'going on|stopped by' "$log")"
# Several tasks are the ranks of one run: what they are by hand.
# shellcheck disable=SC2086
two=$(sbatch --parsable --ntasks=2 "$recipes/slurm/pretrain.sbatch" moco --profile small $short --epochs 1 --queue 128 -o two data.json)
ends "$two" 120
grep -q '2 ranks, started by Slurm' "slurm-$two.out" && pass || fail "two tasks are no two ranks: $(tail -n 3 "slurm-$two.out")"
# shellcheck disable=SC2086
ranks 2 ssl-pretrain moco --profile small $short --epochs 1 --queue 128 -o two-by-hand data.json
all_end 0 "two ranks by hand"
same two-by-hand/weights.safetensors two/weights.safetensors
# Who cancels a job wants it to end: with a checkpoint, but not back in the queue. The same command goes on from there.
# shellcheck disable=SC2086
cancel=$(sbatch --parsable "$recipes/slurm/pretrain.sbatch" simclr --profile small $short --epochs 8 --log-every 1 -o cancel data.json)
trains() { grep -qs '"type":"step"' cancel/metrics.jsonl; }
until_true "training" 300 trains && scancel "$cancel"
told() { grep -qs 'stopped by signal 15 at step' "slurm-$cancel.out" && [ "$(job_state "$cancel")" = CANCELLED ]; }
until_true "cancelled with a checkpoint" 300 told
[ "$(restarts "$cancel")" = 0 ] && pass || fail "a cancelled job was requeued"
# shellcheck disable=SC2086
again=$(sbatch --parsable "$recipes/slurm/pretrain.sbatch" simclr --profile small $short --epochs 8 --log-every 1 -o cancel data.json)
ends "$again" 300
grep -q 'going on from step' "slurm-$again.out" && pass || fail "the cancelled run was not gone on with"
# What is no stop is no reason to start again.
bad=$(sbatch --parsable "$recipes/slurm/pretrain.sbatch" simclr --temprature 1 -o bad data.json)
failed() { [ "$(job_state "$bad")" = FAILED ]; }
until_true "the end of a job with a wrong option" 300 failed
[ "$(restarts "$bad")" = 0 ] && pass || fail "a job with a wrong option was requeued"
finish
