# Sourced by the scripts that start several processes of one run, as a launcher does.
# ranks N PROGRAM...: starts N ranks of it; rank R leaves rank-R.out and rank-R.err, their process numbers are in pids. The port is one
# that nobody listens at.
ranks() {
  local size=$1 rank; shift
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  pids=()
  for ((rank = 0; rank < size; rank++)); do
    (exec env RANK=$rank WORLD_SIZE="$size" LOCAL_RANK=$rank MASTER_ADDR=127.0.0.1 MASTER_PORT="$port" "$@" >"rank-$rank.out" 2>"rank-$rank.err") &
    pids+=($!)
  done
}
# ended PID: waits for a process and gives its exit code. One that is still there after two minutes hangs: what it waits for is shown, and
# it is killed.
ended() {
  local pid=$1 thread
  for _ in $(seq 1200); do
    [[ $(cat "/proc/$pid/stat" 2>/dev/null) == *") "[^Z]* ]] || break
    sleep 0.1
  done
  if [[ $(cat "/proc/$pid/stat" 2>/dev/null) == *") "[^Z]* ]]; then
    fail "process $pid hangs: $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
    for thread in "/proc/$pid/task/"*; do echo "$(cat "$thread/comm"): $(cat "$thread/wchan") $(cat "$thread/syscall")"; done >&2
    command -v gdb >/dev/null && gdb -p "$pid" -batch -ex "thread apply all bt 12" >&2 2>/dev/null
    kill -9 "$pid"
  fi
  wait "$pid"
}
# wait_ranks: waits for them all; their exit codes are in codes
wait_ranks() {
  local pid
  codes=()
  for pid in "${pids[@]}"; do
    ended "$pid"
    codes+=($?)
  done
}
# all_end CODE WHAT: waits, and all must end with CODE
all_end() {
  local code=$1 what=$2 rank
  wait_ranks
  for rank in "${!codes[@]}"; do
    if [ "${codes[rank]}" = "$code" ]; then pass; else fail "$what: rank $rank ended with ${codes[rank]} instead of $code"; tail -n 3 "rank-$rank.err"; fi
  done
}
