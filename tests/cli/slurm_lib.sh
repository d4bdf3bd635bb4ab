# A Slurm of one node for the scripts of this folder: its own key, ports, folders and daemons, below $work, and nothing of the system's.
# Source it after lib.sh, then start_cluster; all of it ends with the script.
cluster=$work/cluster
slurm_daemons="munged slurmctld slurmd" # in the order of their start
PATH=$PATH:/usr/sbin:/sbin # of daemons

# Skips the script where there is no Slurm, or none that can be started.
start_cluster() {
  local program port1 port2
  for program in $slurm_daemons sbatch srun scontrol scancel squeue; do
    command -v "$program" >/dev/null || skip "no $program: Debian's packages are slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
  done
  mkdir -p "$cluster/state" "$cluster/spool"
  head -c 128 /dev/urandom >"$cluster/key"
  chmod 400 "$cluster/key"
  read -r port1 port2 < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')
  # The node is declared larger than the machine may be, so that several jobs run at once. Without cgroups, process groups are followed in
  # /proc. A job that goes back into the queue waits for cred_expire seconds (120 unless said) before it starts again. The schedulers look
  # every second, not every half minute; the clock that watches time limits looks every 30 seconds, which cannot be set.
  cat >"$cluster/slurm.conf" <<C
ClusterName=test
SlurmctldHost=$(uname -n | cut -d. -f1)(127.0.0.1)
SlurmctldPort=$port1
SlurmdPort=$port2
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$cluster/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd.log
MinJobAge=3600
MessageTimeout=60
BatchStartTimeout=60
MailProg=$(command -v true)
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
NodeName=$(uname -n | cut -d. -f1) NodeAddr=127.0.0.1 CPUs=8
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
C
  # Nothing needs cgroups, but the plugin is asked for at the start; that of version 1 does without any.
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >"$cluster/cgroup.conf"
  unset "${!SLURM_@}" "${!SBATCH_@}" "${!SALLOC_@}" "${!SRUN_@}" # these tests may themselves be a job
  export SLURM_CONF=$cluster/slurm.conf
  trap 'stop_cluster; rm -rf "$work"' EXIT
  # A script that is killed runs no trap: whoever sees it gone ends its daemons.
  setsid bash -c "$(declare -f stop_cluster stop_daemon)"'
    cluster=$2 slurm_daemons=$3
    while kill -0 "$1"; do sleep 1; done
    stop_cluster' watch $$ "$cluster" "$slurm_daemons" >/dev/null 2>&1 </dev/null &
  munged --force --key-file="$cluster/key" --socket="$cluster/munge.socket" --pid-file="$cluster/munged.pid" --log-file="$cluster/munged.log" \
    --seed-file="$cluster/munge.seed" --num-threads=2 >>"$cluster/start.log" 2>&1 &&
    slurmctld -c -f "$SLURM_CONF" >>"$cluster/start.log" 2>&1 && slurmd -f "$SLURM_CONF" >>"$cluster/start.log" 2>&1 &&
    node_is_idle || { tail -n 5 "$cluster"/*.log; skip "this machine cannot start a Slurm (the ends of its logs stand above)"; }
}
node_is_idle() {
  for _ in $(seq 300); do
    [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && return
    sleep 0.2
  done
  return 1
}

# Ends the jobs, then the daemons, by the process ids in their files; what does not end in ten seconds is killed.
stop_cluster() {
  local daemon
  if [ -e "$cluster/slurmctld.pid" ]; then
    scancel --full --signal=KILL --user="$(id -un)" 2>/dev/null
    scancel --user="$(id -un)" 2>/dev/null
    for _ in $(seq 50); do [ -z "$(squeue -h -t RUNNING,COMPLETING 2>/dev/null)" ] && break; sleep 0.2; done
  fi
  for daemon in $(printf '%s\n' $slurm_daemons | tac); do stop_daemon "$daemon"; done
}
stop_daemon() {
  local pid
  pid=$(cat "$cluster/$1.pid" 2>/dev/null) || return
  # The number may be another's by now.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return
  kill "$pid"
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return; sleep 0.2; done
  kill -KILL "$pid"
}

job_state() { scontrol show job "$1" -o 2>/dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p' | sort | uniq | paste -sd ' '; }
restarts() { scontrol show job "$1" -o | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p'; }

# until_true WHAT SECONDS COMMAND...: waits until the command succeeds
until_true() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@"; do
    if [ $SECONDS -ge $end ]; then fail "not $what after a long wait"; return 1; fi
    sleep 0.1
  done
}
# ends JOB SECONDS: waits for the end of a job, which must be a good one
ends() {
  local state
  for _ in $(seq "$2"); do
    state=$(job_state "$1")
    case $state in
      COMPLETED) pass; return ;;
      *PENDING* | *RUNNING* | *COMPLETING* | *REQUEUED* | *CONFIGURING* | '') sleep 1 ;;
      *) break ;;
    esac
  done
  fail "job $1 is $state"
  squeue
  tail -n 20 slurm-"$1"*.out
  return 1
}
