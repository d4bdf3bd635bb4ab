# A full disk is an error with a name, and what was there before stays.
. "$(dirname "$0")/lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
mkdir disk
mount -t tmpfs -o size=12m tmpfs disk 2>/dev/null || skip "no right to mount a small tmpfs"
trap 'umount -l "$work/disk"; rm -rf "$work"' EXIT
# No room for any: said before the first step.
head -c 11800K /dev/zero > disk/fill
refuses 74 'a checkpoint needs [0-9]+ MiB and only 0 MiB are free$' tiny_run simclr data.json disk/none
[ -z "$(grep '"type":"step"' disk/none/metrics.jsonl 2>/dev/null)" ] && pass || fail "steps were made that cannot be kept"
rm -r disk/fill disk/none
# Room for the first checkpoint, not for many.
tiny_run simclr data.json disk/run --checkpoint-steps 2 --keep 50 >out 2>err
status=$?
case $status in 73 | 74) pass ;; *) fail "a full disk ended with $status"; tail -n 3 err ;; esac
grep -qE 'disk/run|left on device|are free' err && pass || fail "the message does not name the place"
[ -z "$(find disk -name '*selfsight-tmp*')" ] && pass || fail "a part of a file was left behind"
before=$(ls disk/run/checkpoints | head -n 1)
[ -n "$before" ] && pass || fail "the first checkpoint is gone"
# With room again, the same command ends as an undisturbed run does.
mount -o remount,size=200m disk
tiny_run simclr data.json disk/run --checkpoint-steps 2 --keep 50 >/dev/null 2>err || { fail "no way on after the disk was full"; tail -n 3 err; }
tiny_run simclr data.json whole >/dev/null 2>&1
same whole/weights.safetensors disk/run/weights.safetensors
finish
