# Stops, changed options, longer runs, ends of jobs, kept checkpoints. (Kills: kills.sh.)
. "$(dirname "$0")/lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
tiny_run moco data.json whole >whole.json 2>err || { cat err; fail "the whole run failed"; }

# SIGTERM: a checkpoint, exit code 75, and on from there.
start_tiny_run moco data.json termed --log-every 1 --epochs 40
pid=$!
for _ in $(seq 300); do [ -s termed/metrics.jsonl ] && break; sleep 0.1; done
refuses 73 "another run is at work in this folder \\(process $pid on $(hostname)\\)" tiny_run moco data.json termed --epochs 40
kill -TERM $pid
wait $pid
status=$?
[ $status = 75 ] && pass || fail "SIGTERM ended with $status instead of 75"
ls termed/checkpoints/step-* >/dev/null 2>&1 && pass || fail "SIGTERM left no checkpoint"
# Another configuration in the same folder is refused, with the difference.
refuses 64 'termed: holds a run of moco; choose another folder' tiny_run simclr data.json termed --epochs 40 --log-every 1
refuses 64 'lr: .* there, 0.5 here.*Only these may differ.*--workers.*upwards' tiny_run moco data.json termed --epochs 40 --lr 0.5
refuses 64 'epochs: 40 there, 39 here' tiny_run moco data.json termed --epochs 39

# A finished run goes on when it gets more epochs; how often it writes its record may change too.
ok "more epochs" tiny_run moco data.json whole --epochs 3 --log-every 7
grep -q '"lengths"' whole/model.json && pass || fail "model.json does not tell of the two lengths"
before=$(cat whole/model.json)
ok "the same again" tiny_run moco data.json whole --epochs 3
cp out again.json
[ "$before" = "$(cat whole/model.json)" ] && pass || fail "a finished run did not stay as it was"
# Its manifest is there for whoever can only read the folder; more work is not.
read_only='mount --bind whole whole && mount -o remount,bind,ro whole'
if unshare -rm sh -c "$read_only" 2>/dev/null; then
  in_read_only="$read_only; $(declare -f tiny_run); tiny_options='$tiny_options'; tiny_run moco data.json whole --epochs"
  ok "finished, in a read-only folder" unshare -rm bash -c "$in_read_only 3"
  same out again.json
  refuses 73 'whole/.*Read-only file system' unshare -rm bash -c "$in_read_only 4"
else
  echo "a read-only folder is not tried: mounts are not allowed here"
fi

# The batch scheduler says when the job ends: a checkpoint two minutes before, and exit code 75.
SLURM_JOB_END_TIME=$(($(date +%s) + 90)) tiny_run moco data.json job >out 2>err
status=$?
[ $status = 75 ] && grep -q 'stopped by the end of the batch job (SLURM_JOB_END_TIME)' err && pass || fail "at the end of the job the run ended with $status instead of 75"
ok "the next job" env SLURM_JOB_END_TIME=$(($(date +%s) + 900)) bash -c "$(declare -f tiny_run); tiny_options='$tiny_options'; tiny_run moco data.json job"

# Which checkpoints stay: the newest, those of every second epoch, the best.
ok "keeping more" tiny_run simclr data.json keep --epochs 5 --keep 1 --keep-every 2 --keep-best --knn-every 1 --knn-bank 256 --knn-queries 128
best=$(python3 -c 'import json; rows = [json.loads(l) for l in open("keep/metrics.jsonl")]; knn = [r["knn"] for r in rows if r["type"] == "epoch"]; print(knn.index(max(knn)) + 1)')
wanted=$(for epoch in 2 4 5 "$best"; do printf 'step-%010d\n' $((16 * epoch)); done | sort -u)
[ "$(ls keep/checkpoints)" = "$wanted" ] && pass || fail "kept are $(ls keep/checkpoints | tr '\n' ' ')instead of $wanted"

# What is gone or changed: the configuration, the picture of views, the timings, the record, the checkpoints.
rm keep/model.json keep/config.json
refuses 65 'config.json: is gone' tiny_run simclr data.json keep --epochs 5
rm -r job/model.json job/views.png job/timings.jsonl
ok "without picture and timings" tiny_run moco data.json job
printf x > job/metrics.jsonl
rm job/model.json
refuses 65 'metrics.jsonl: has 1 bytes where .* remove that checkpoint' tiny_run moco data.json job
rm -r job/checkpoints
ok "without checkpoints" tiny_run moco data.json job
grep -q 'no checkpoint of it; it starts over' err && pass || fail "a run starts over without a word"
touch file
refuses 73 'file: is no folder' tiny_run moco data.json file
finish
