# Every method, killed (kill -9) at random moments while two workers load and every second step writes a checkpoint: run again, it ends
# with the bytes of an undisturbed run. KILLS: how many for each; `BIN=build/release/bin KILLS=13 bash tests/cli/kills.sh` makes over 200.
# SEED: of the moments, counted from the first checkpoint on.
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-1} RANDOM=${SEED:-$$}
echo "SEED=${SEED:-$$}"
options="--checkpoint-steps 2 --keep-best --workers 2 --threads 1 --log-every 1 --knn-every 1 --knn-bank 128 --knn-queries 64"
prepare_subjects

# subject NAME METHOD [options]: one line of all runs of it
kills=0
subject() {
  local name=$1 method=$2 done=0 attempts=0 seconds begin status
  shift 2
  # shellcheck disable=SC2206,SC2086
  local arguments=($options "$@")
  begin=$EPOCHREALTIME
  tiny_run "$method" part.json "$name-whole" "${arguments[@]}" >"$name-whole.json" 2>err || { tail -n 3 err; fail "$name does not run"; return; }
  seconds=$(python3 -c "print($EPOCHREALTIME - $begin)")
  while [ "$done" -lt "$KILLS" ]; do
    attempts=$((attempts + 1))
    [ $attempts -le $((10 * KILLS + 20)) ] || { fail "$name is always through before it can be killed"; return; }
    start_tiny_run "$method" part.json "$name" "${arguments[@]}"
    while kill -0 $! 2>/dev/null && ! compgen -G "$name/checkpoints/step-*" >/dev/null; do sleep 0.02; done
    # Shorter with each run that got through: it was measured on another load of the machine.
    sleep "$(python3 -c "print($RANDOM / 32768 * $seconds * ($done + 1) / $attempts)")"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    status=$?
    if [ $status = 137 ]; then done=$((done + 1)); continue; fi
    [ $status = 0 ] || { tail -n 3 err; fail "$name ended with $status after $done kills"; return; }
    compare "$name"  # it was through before the kill: from the start again
    rm -r "$name"
  done
  tiny_run "$method" part.json "$name" "${arguments[@]}" >/dev/null 2>err || { tail -n 3 err; fail "$name does not go on after $done kills"; return; }
  compare "$name"
  kills=$((kills + done))
  rm -r "$name" "$name-whole"
}
compare() {
  local file
  for file in weights.safetensors metrics.jsonl model.json; do same "$1-whole/$file" "$1/$file"; done
  [ -z "$(find "$1" -name '*selfsight-tmp*' -o -name 'damaged-*')" ] && pass || fail "$1: temporaries or damaged checkpoints"
}

while read -r line; do
  # shellcheck disable=SC2086
  subject $line
done < <(all_subjects)
echo "$kills kills"
finish
