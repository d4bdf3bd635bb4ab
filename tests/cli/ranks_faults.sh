# Several processes of one run, and what goes wrong: killed, stopped, hung, missing, different, and what the others make of it.
. "$(dirname "$0")/lib.sh"
. "$here/ranks_lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
command="ssl-pretrain moco $tiny_options --epochs 4 --threads 1 --workers 1 --log-every 1 --checkpoint-steps 2 --silence-time 8 --meeting-time 60 data.json"
# run N FOLDER [options]: N ranks of one run
run() {
  local size=$1 folder=$2; shift 2
  # shellcheck disable=SC2086
  ranks "$size" $command -o "$folder" "$@"
}
under_way() { for _ in $(seq 600); do compgen -G "$1/checkpoints/step-*" >/dev/null && return; sleep 0.05; done; fail "$1 does not get under way"; }
# named CODE PATTERN RANK...: these ranks end with CODE and say PATTERN, within 30 seconds of `begin`
named() {
  local code=$1 pattern=$2 rank; shift 2
  wait_ranks
  [ $((SECONDS - begin)) -lt 30 ] && pass || fail "it took $((SECONDS - begin)) s to say '$pattern'"
  for rank in "$@"; do
    [ "${codes[rank]}" = "$code" ] && pass || fail "rank $rank ended with ${codes[rank]} instead of $code ('$pattern')"
    grep -qE -- "$pattern" "rank-$rank.err" && pass || { fail "rank $rank does not say '$pattern'"; tail -n 3 "rank-$rank.err"; }
  done
}

run 4 whole
all_end 0 "four ranks"

# A killed rank is named by all others, and the same command goes on to the same end.
run 4 killed
under_way killed
kill -9 "${pids[2]}"; begin=$SECONDS
named 74 "rank 2 \\(process ${pids[2]} on .*\\) is gone; the same command goes on" 0 1 3
run 4 killed
all_end 0 "on after a kill"
same whole/weights.safetensors killed/weights.safetensors
same whole/metrics.jsonl killed/metrics.jsonl
# So is the first one, who keeps them together.
run 3 first --batch 48 --shuffle-groups 3
under_way first
kill -9 "${pids[0]}"; begin=$SECONDS
named 74 "rank 0 \\(process ${pids[0]} on .*\\) is gone" 1 2

# A signal to one is a stop for all, with a checkpoint that goes on exactly.
run 4 termed
under_way termed
kill -TERM "${pids[3]}"; begin=$SECONDS
named 75 "stopped by signal" 0
[ "${codes[*]}" = "75 75 75 75" ] && pass || fail "a signal to one rank ended with ${codes[*]}"
cp -r termed fewer
run 4 termed
all_end 0 "on after a signal"
same whole/weights.safetensors termed/weights.safetensors
# With other ranks it goes on with the same samples: the losses are those of the run that was never stopped, to rounding.
run 2 fewer
all_end 0 "on with two ranks"
python3 - <<'P' && pass || fail "with two ranks instead of four it is another run"
import json
a, b = ([json.loads(line) for line in open(f"{run}/metrics.jsonl")] for run in ("whole", "fewer"))
assert len(a) == len(b)
changed = [(one["loss"], other["loss"]) for one, other in zip(a, b) if one["loss"] != other["loss"]]
# The first step after it is the same arithmetic on the same samples; others would be off by far more.
assert changed and abs(changed[0][0] - changed[0][1]) < 2e-4 * changed[0][0], changed[0]
assert all(abs(x - y) < 0.02 * x for x, y in changed), changed
P

# One that hangs is not heard of; it is named, and when it wakes up it says the same of itself.
run 2 hung
under_way hung
kill -STOP "${pids[1]}"; begin=$SECONDS
ended "${pids[0]}"
status=$?
kill -CONT "${pids[1]}"
[ $status = 74 ] && grep -q "rank 1 (process ${pids[1]} on .*) has not been heard of for" rank-0.err && pass || { fail "a rank that hangs: $status"; tail -n 3 rank-0.err; }
ended "${pids[1]}"
status=$?
[ $status = 74 ] && pass || { fail "a rank that hung ended with $status"; tail -n 3 rank-1.err; }

# So with the first, whose store then says nothing, to two that lose it at the same time.
run 3 silent --batch 48 --shuffle-groups 3
under_way silent
kill -STOP "${pids[0]}"; begin=$SECONDS
for rank in 1 2; do
  ended "${pids[rank]}"
  status=$?
  [ $status = 74 ] && [ $((SECONDS - begin)) -lt 30 ] && grep -qE "rank (0|1|2) \(process [0-9]+ on .*\) (cannot be reached|is gone|has not been)" "rank-$rank.err" && pass ||
    { fail "rank $rank ended with $status after $((SECONDS - begin)) s when the first hung"; tail -n 3 "rank-$rank.err"; }
done
kill -CONT "${pids[0]}"
ended "${pids[0]}"
status=$?
[ $status = 74 ] && pass || fail "the first rank hung and ended with $status"

# One that does not come, or comes with other options or data.
# shellcheck disable=SC2086
RANK=0 WORLD_SIZE=3 MASTER_ADDR=127.0.0.1 MASTER_PORT=23457 $command -o missing --meeting-time 2 >out 2>err
status=$?
[ $status = 74 ] && grep -q 'of 3 ranks these did not come to 127.0.0.1:23457 within 2 seconds: 1, 2' err && pass || { fail "missing ranks: $status"; tail -n 3 err; }
# shellcheck disable=SC2086
RANK=1 WORLD_SIZE=3 MASTER_ADDR=127.0.0.1 MASTER_PORT=23458 $command -o missing --meeting-time 2 >out 2>err
status=$?
[ $status = 74 ] && grep -q 'rank 0 was not to be found at 127.0.0.1:23458 within 2 seconds' err && pass || { fail "no first rank: $status"; tail -n 3 err; }
# Whatever listens there need not be a store.
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(60)' >port &
mute=$!
until [ -s port ]; do sleep 0.05; done
# shellcheck disable=SC2086
RANK=1 WORLD_SIZE=3 MASTER_ADDR=127.0.0.1 MASTER_PORT=$(cat port) $command -o missing --meeting-time 2 >out 2>err
status=$?
kill $mute
[ $status = 74 ] && grep -q "what listens at 127.0.0.1:$(cat port) does not answer" err && pass || { fail "no store: $status"; tail -n 3 err; }
[ ! -e missing ] && pass || fail "a run that never began left a folder"
ranks 2 bash -c "[ \$RANK = 0 ] || options='--lr 0.5'; exec $command -o other \$options"; begin=$SECONDS
named 64 'rank 1 was started with other options than rank 0.*lr: .* there, 0.5 here' 0 1
[ ! -e other ] && pass || fail "something was written by ranks with other options"
run 3 uneven; begin=$SECONDS
named 64 '--batch 64: 3 ranks cannot share it evenly; give a multiple of 3' 0 1 2
run 8 groups --batch 64 --shuffle-groups 4; begin=$SECONDS
named 64 '--shuffle-groups 4: 8 ranks cannot share them' 0 7

# An image that one rank alone meets.
pngs images/a 40; pngs images/b 40
printf broken > images/b/7.png
ssl-data folder images -o images.json >/dev/null 2>&1
bad="ssl-pretrain simclr $tiny_options -o bad --images 0 --batch 16 --view-size 16 --threads 1 --workers 1 images.json"
# shellcheck disable=SC2086
ranks 2 $bad; begin=$SECONDS
wait_ranks
grep -hq 'b/7.png' rank-0.err && grep -hq 'b/7.png' rank-1.err && pass || { fail "not all ranks name the bad image"; tail -n 2 rank-[01].err; }
[[ "${codes[*]}" = "65 74" || "${codes[*]}" = "74 65" ]] && pass || fail "a bad image: ${codes[*]}"
# shellcheck disable=SC2086
ranks 2 $bad --on-bad skip --max-bad 0.1
all_end 0 "a bad image is left out"
grep -q 'b/7.png' bad/model.json && pass || fail "the bad image is not listed"

# What a launcher of a cluster sets.
# shellcheck disable=SC2086
if command -v mpirun >/dev/null; then
  ok "mpirun" env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PATH="$PATH" mpirun --oversubscribe -np 2 $command -o mpi </dev/null
  python3 -c 'import json; assert json.load(open("out"))["manifest"] == "model"' && pass || fail "mpirun: not one manifest"
  run 2 two
  all_end 0 "two ranks"
  same two/weights.safetensors mpi/weights.safetensors
fi
finish
