# Sets of videos from the command line: described, checked, shown; and what is wrong with them is named.
. "$(dirname "$0")/lib.sh"
videos=$here/../data/videos
mkdir -p set/run set/walk/frames
cp "$videos/b-frames.mp4" set/run/a.mp4
cp "$videos/b-frames.avi" set/walk/b.avi
pngs set/walk/frames 5
ok "ssl-data video" ssl-data video set --frame-rate 10 -o set.json
for fact in '"codec": "h264"' '"rate": "25/1"' '"frames": 40' '"seconds": 1.6' '"name": "set/walk/frames"' '"rate": "10/1"' '"seconds": 0.5'; do
  grep -qF "$fact" set.json && pass || fail "the manifest does not say $fact"
done
ok "ssl-data check" ssl-data check set.json -o checked.json
grep -q '"good": 3' checked.json && pass || fail "not all videos pass the check"
ssl-data check --workers 1 --no-provenance set.json >one 2>/dev/null; ssl-data check --workers 3 --no-provenance set.json >three 2>/dev/null; same one three
ok "ssl-data sample" ssl-data sample --count 3 set.json -o sheet.png
ok "ssl-data split" ssl-data split --into fit=0.5,rest=0.5 set.json -o parts.json
ok "ssl-data check of a part" ssl-data check parts.json
ok "ssl-data auto" ssl-data auto set/run
grep -q '"format": "video"' out && pass || fail "a folder of videos is not recognised"
ok "one file" ssl-data video "$videos/rotated.mp4"
grep -q '"height": 64' out && pass || fail "the rotation of a file is not told"
refuses 64 'videos are not put into shards' ssl-data shard set.json -o shards
[ ! -e shards ] && pass || fail "shards of videos were made after all"
refuses 64 'frame-rate' ssl-data video set --frame-rate 0
refuses 64 'frame-rate' ssl-data folder set --frame-rate 5

# Bad videos stay in the set, are told of at once, and are what a check is for.
mkdir bad; cp "$videos/sound-only.mp4" bad/sound.mp4; echo hello > bad/text.mp4; : > bad/empty.avi; cp "$videos/vp8.webm" bad/good.webm
size=$(stat -c %s "$videos/b-frames.mp4")
head -c $((size * 3 / 4)) "$videos/b-frames.mp4" > bad/cut.mp4
# A packet in the middle is overwritten.
cp "$videos/b-frames.mp4" bad/damaged.mp4; head -c 200 /dev/zero | tr '\0' Z | dd of=bad/damaged.mp4 bs=1 seek=$((size - 700)) conv=notrunc 2>/dev/null
pngs bad/mixed 2; masks other 123/456; mv other/00000.png bad/mixed/2.png
ssl-data video bad -o bad.json >/dev/null 2>err
for what in 'sound.mp4: has no video stream' 'text.mp4: not a video' 'empty.avi: not a video' 'cut.mp4: cut off'; do
  grep -q "$what" err && pass || fail "describing does not tell: $what"
done
ssl-data check bad.json >out 2>err; [ $? = 65 ] && pass || fail "a check of bad videos does not end with 65"
for what in 'sound.mp4: has no video stream' 'cut.mp4: cut off' 'damaged.mp4: frame [0-9]* cannot be decoded' '2.png: 2 x 3 pixels, but 0.png has 16 x 20'; do
  grep -q "$what" err && grep -q "$what" out && pass || fail "the check does not tell: $what"
done
grep -q '"good": 1' out && pass || fail "the good video among bad ones is not counted"
refuses 66 nowhere ssl-data video nowhere
mkdir none; echo hello > none/notes.txt; refuses 65 'none: no videos' ssl-data video none
ssl-data video set/run -o gone.json >/dev/null 2>&1; rm set/run/a.mp4; refuses 65 'run' ssl-data check gone.json
finish
