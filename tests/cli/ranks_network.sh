# Two hosts: network namespaces with a cable between them. A run over both is a run on one; when the cable is cut, both sides say which
# rank they lost.
. "$(dirname "$0")/lib.sh"
. "$here/ranks_lib.sh"
[ "$(id -u)" = 0 ] || skip "network namespaces are root's to make"
command -v ip >/dev/null || skip "no ip (Debian: iproute2)"
a=selfsight-a-$$ b=selfsight-b-$$
mountpoint -q /run/netns && there=1 || there=0
tidy() {
  ip netns pids $a 2>/dev/null | xargs -r kill -9
  ip netns del $a 2>/dev/null
  ip netns del $b 2>/dev/null
  [ $there = 1 ] || umount /run/netns 2>/dev/null # that the first of them made
  rm -rf "$work"
}
trap tidy EXIT
ip netns add $a 2>err && ip netns add $b 2>>err || skip "no network namespaces here: $(tail -n 1 err)"
# in_host HOST COMMAND...: and not `ip netns exec` or `ip -n`, which mount a file system of their own and cannot in a chroot
in_host() { nsenter --net="/run/netns/$1" "${@:2}"; }
in_host $a true 2>err || skip "no process can be put into a network namespace here: $(tail -n 1 err)"
ip link add ssa$$ netns $a type veth peer name ssb$$ netns $b || skip "no virtual cable here"
for side in "$a ssa$$ 10.83.0.1" "$b ssb$$ 10.83.0.2"; do
  read -r host cable address <<<"$side"
  in_host "$host" ip addr add "$address/24" dev "$cable" && in_host "$host" ip link set "$cable" up && in_host "$host" ip link set lo up ||
    { fail "the cable of $host cannot be connected"; finish; exit 1; }
done
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
few="--threads 1 --workers 1 --checkpoint-steps 2 --silence-time 8 --meeting-time 60"
# hosts FOLDER [options]: two ranks, one a host
hosts() {
  local folder=$1 rank host; shift
  pids=()
  for rank in 0 1; do
    host=$a
    [ $rank = 0 ] || host=$b
    # shellcheck disable=SC2086
    RANK=$rank WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=10.83.0.1 MASTER_PORT=29511 nsenter --net="/run/netns/$host" \
      ssl-pretrain simclr $tiny_options $few -o "$folder" "$@" data.json >"rank-$rank.out" 2>"rank-$rank.err" &
    pids+=($!)
  done
}
hosts far
all_end 0 "two hosts"
# shellcheck disable=SC2086
ranks 2 ssl-pretrain simclr $tiny_options $few -o near data.json
all_end 0 "one host"
same near/weights.safetensors far/weights.safetensors

hosts cut --epochs 40
for _ in $(seq 600); do compgen -G "cut/checkpoints/step-*" >/dev/null && break; sleep 0.05; done
in_host $b ip link set ssb$$ down
begin=$SECONDS
wait_ranks
[ $((SECONDS - begin)) -lt 30 ] && pass || fail "a cut link was noticed after $((SECONDS - begin)) s"
[ "${codes[*]}" = "74 74" ] && pass || { fail "a cut link ended with ${codes[*]}"; tail -n 3 rank-?.err; }
grep -qE 'rank 1 \(process [0-9]+ on .*\) has not been heard of for [0-9]+ seconds; the same command goes on' rank-0.err && pass || { fail "rank 0 does not name rank 1"; tail -n 3 rank-0.err; }
grep -qE 'rank 0 \(process [0-9]+ on .*\) cannot be reached' rank-1.err && pass || { fail "rank 1 does not name rank 0"; tail -n 3 rank-1.err; }
finish
