# What lies at a target already: a rerun replaces what the program wrote, and nothing else without --force.
. "$(dirname "$0")/lib.sh"
pngs photos/train/cat 6; pngs photos/train/dog 6
untouched() { if [ "$(cat "$1")" = precious ]; then pass; else fail "$1 was overwritten"; fi; }
ok "describe" ssl-data folder photos -o photos.json
ok "describe again" ssl-data folder photos -o photos.json
ok "check in place" ssl-data check photos.json -o photos.json
grep -q checked photos.json && pass || fail "a check in place is not written"

for file in notes.txt notes.json; do
  echo precious > $file
  refuses 73 "$file: exists and is not a dataset manifest.*--force" ssl-data folder photos -o $file
  refuses 73 "$file: exists" ssl-data check photos.json -o $file
  refuses 73 "$file: exists" ssl-data split --into a=0.5,b=0.5 photos.json -o $file
  refuses 73 "$file: exists" ssl-data sample photos.json -o $file
  refuses 73 "$file: exists" ssl-data shard photos.json -o $file
  refuses 73 "$file: exists" ssl-report photos.json -o $file
  untouched $file
done
[ ! -e notes.a.index.json ] && pass || fail "sample numbers were written beside a manifest that was refused"
ok "force" ssl-data folder photos -o notes.json --force
grep -q '"manifest": "dataset"' notes.json && pass || fail "--force does not write"
ok "force in vain where nothing is" ssl-data folder photos -o new.json --force

# A manifest of another kind is foreign as well: a page's data set must not take the place of a model.
sed 's/"manifest": "dataset"/"manifest": "model"/' photos.json > model.json; cp model.json before.json
refuses 73 'model.json: exists' ssl-data folder photos -o model.json
same model.json before.json

# Contact sheets know themselves; a picture that someone else made stays.
ok "sheet" ssl-data sample photos.json -o sheet.png
cp sheet.png first.png
ok "sheet again" ssl-data sample photos.json -o sheet.png
same sheet.png first.png
cp photos/train/cat/0.png mine.png
refuses 73 'mine.png: exists and is not a contact sheet' ssl-data sample photos.json -o mine.png
same mine.png photos/train/cat/0.png
ok "sheet by force" ssl-data sample photos.json -o mine.png --force
same mine.png first.png
python3 - <<'P' && pass || fail "the mark in a contact sheet is no sound PNG chunk"
import struct, zlib
data = open('sheet.png', 'rb').read()
at, kinds = 8, []
while at < len(data):
    size, kind = struct.unpack('>I4s', data[at:at + 8])
    assert struct.unpack('>I', data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(data[at + 4:at + 8 + size]), kind
    kinds.append(kind); at += 12 + size
assert kinds[:2] == [b'IHDR', b'tEXt'] and kinds[-1] == b'IEND', kinds
P

# A broken picture among sound ones is left out of a sheet, and told of; of broken ones alone there is none.
cp -r photos cracked; truncate -s 60 cracked/train/cat/0.png
ok "cracked" ssl-data folder cracked -o cracked.json
ok "sheet without it" ssl-data sample --count 1000 cracked.json -o cracked.png
grep -q 'left out: .*cat/0.png' err && pass || { fail "nothing of the broken picture"; cat err; }
for picture in cracked/train/*/*.png; do truncate -s 60 "$picture"; done
refuses 65 'png: ' ssl-data sample cracked.json -o none.png

# Lists of sample numbers beside a manifest.
ok "split" ssl-data split --into a=0.5,b=0.5 photos.json -o parts.json
ok "split again" ssl-data split --into a=0.5,b=0.5 photos.json -o parts.json
echo precious > parts.b.index.json
refuses 73 'parts.b.index.json: exists and is not a list' ssl-data split --into a=0.5,b=0.5 photos.json -o parts.json
untouched parts.b.index.json
ok "split by force" ssl-data split --into a=0.5,b=0.5 photos.json -o parts.json --force

# What was done is said once it is done.
echo precious > parts.y.index.json
ssl-data split --into x=0.5,y=0.5 photos.json -o parts.json >out 2>err
grep -q 'samples of' err && fail "a summary before the error" || pass
rm parts.y.index.json parts.x.index.json
ok "split" ssl-data split --into x=0.5,y=0.5 photos.json -o parts.json
[ "$(grep -c 'of the 12 samples of train' err)" = 2 ] && pass || { fail "no summary of a split"; cat err; }

# An unset variable is no place either; folders on the way are made, where they can be.
for tool in "ssl-data folder photos" "ssl-data check photos.json" "ssl-data sample photos.json" "ssl-report photos.json" "ssl-data shard photos.json"; do
  # shellcheck disable=SC2086
  refuses 64 "--output: '' is no name of a file" $tool -o ''
done
refuses 64 "--table: '' is no name of a file" ssl-report photos.json --table ''
refuses 73 'photos.json is no folder' ssl-data folder photos -o photos.json/more.json
ok "folders on the way" ssl-data folder photos -o on/the/way.json
refuses 64 '--queries: the inputs hold no features' ssl-report photos.json --queries 1 -o queries.html
refuses 64 '--queries: has no effect without --images' ssl-report photos.json --queries 1 --no-images -o queries.html
refuses 64 "--queries: '-1' is not allowed" ssl-report photos.json --queries=-1 -o queries.html
[ ! -e queries.html ] && pass || fail "a page was written for options that were refused"

# Shards go into a new folder, by force or not.
ok "shard" ssl-data shard photos.json -o shards
refuses 73 'exists already' ssl-data shard photos.json -o shards
refuses 64 "unknown option '--force'" ssl-data shard photos.json -o more --force

# "-" is no file.
for tool in "ssl-data folder photos" "ssl-data check photos.json" "ssl-data sample photos.json" "ssl-report photos.json" "ssl-data shard photos.json"; do
  # shellcheck disable=SC2086
  refuses 64 "'-' is no name of a file" $tool -o -
done
[ ! -e - ] && pass || fail "a file named - was made"
finish
