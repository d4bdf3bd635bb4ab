# The evaluators that rank and correlate: real binaries from files to manifest, the same bytes for any threads and memory, hostile input.
. "$(dirname "$0")/lib.sh"
python3 - <<'P'
import json, math, random, struct, os
random.seed(1)
def npy(path, kind, shape, values):
    head = str({'descr': '<' + {'f': 'f4', 'd': 'f8', 'q': 'i8'}[kind], 'fortran_order': False, 'shape': shape}).encode()
    head += b' ' * ((64 - (len(head) + 11) % 64) % 64) + b'\n'
    open(path, 'wb').write(b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head + struct.pack('<%d%s' % (len(values), kind), *values))
dim, people = 24, 40
centres = [[random.gauss(0, 1) for _ in range(dim)] for _ in range(people + 1)]
def side(name, count, first):
    ids = [[random.randint(first, people), random.randint(1, 6)] for _ in range(count)]
    npy(name + '.npy', 'f', (count, dim), [x + random.gauss(0, 1.2) for i, _ in ids for x in centres[i]])
    npy(name + '_ids.npy', 'q', (count, 2), [x for pair in ids for x in pair])
    return ids
side('q', 200, 1); ids = side('g', 3000, 0)
npy('nan.npy', 'f', (200, dim), [0.5] * 77 + [math.nan] + [0.5] * (200 * dim - 78))
npy('flat.npy', 'f', (200, dim), [0.5] * (200 * dim))
npy('zero.npy', 'f', (200, dim), [0.0] * (200 * dim))
npy('empty.npy', 'f', (0, dim), [])
npy('narrow.npy', 'f', (200, 3), [0.5] * 600)
npy('sim.npy', 'd', (60, 60), [random.random() + (i // 60 == i % 60) for i in range(3600)])
npy('equal.npy', 'd', (500, 500), [0.25] * 250000)
# A folder as Market-1501 names its files, and a features manifest of it, as ssl-embed would write it.
os.mkdir('market')
names = ['-1_c1s1_000001_00.png', '0000_c2s1_000001_00.png', '0001_c1s1_000001_00.png', '0001_c2s1_000002_00.png', '0002_c1s1_000001_00.png', '0002_c3s1_000002_00.png']
for name in names: open('market/' + name, 'w')
rows = struct.pack('<12f', 1, 1, 0, 3, 5, 5, 5, 6, 9, 1, 8, 1)
index = struct.pack('<6q', *range(6))
head = json.dumps({'features': {'dtype': 'F32', 'shape': [6, 2], 'data_offsets': [48, 96]}, 'index': {'dtype': 'I64', 'shape': [6], 'data_offsets': [0, 48]}}).encode()
open('market.safetensors', 'wb').write(struct.pack('<Q', len(head)) + head + index + rows)
with open('truth.jsonl', 'w') as t, open('scores.jsonl', 'w') as s:
    for v in range(6):
        marks = [random.random() < 0.3 for _ in range(12)]
        t.write(json.dumps({'vid': f'v{v}', 'domain': 'dog' if v % 2 else 'surfing', 'match': [int(m) for m in marks]}) + '\n')
        s.write(json.dumps({'vid': f'v{v}', 'scores': [random.random() + m for m in marks]}) + '\n')
with open('sts.csv', 'w') as t, open('p.txt', 'w') as p, open('same.txt', 'w') as same:
    for i in range(50):
        score = random.random() * 5
        t.write(f'"One, {i}",Two {i},{score}\n'); p.write(f'{score + random.gauss(0, 1)}\n'); same.write('0.5\n')
P
reid="reid-eval score --query q.npy --query-items q_ids.npy --gallery g.npy --gallery-items g_ids.npy --quiet"
# rows FILE: "name value" a line
rows() { python3 -c 'import json, sys
for row in json.load(open(sys.argv[1]))["rows"]: print(row["name"], row["value"])' "$1"; }
field() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("/"): d = d[int(key) if key.lstrip("-").isdigit() else key]
print(d)' "$1" "$2"; }
is() { [ "$1" = "$2" ] && pass || fail "$3: '$1' instead of '$2'"; }

# The same bytes for any number of threads and any memory that suffices.
for variant in "" "--metric cosine --protocol cuhk03" "--rerank --metric cosine"; do
  # shellcheck disable=SC2086
  ok "reid-eval $variant" $reid $variant --no-provenance --threads 1; cp out one.json
  for more in "--threads 2" "--threads 5 --max-memory 90M" "--threads 1 --max-memory 40M"; do
    # shellcheck disable=SC2086
    ok "reid-eval $variant $more" $reid $variant --no-provenance $more; same out one.json
  done
done
refuses 64 'max-memory' $reid --max-memory 1M
ok "reid-eval is read by ssl-report" bash -c "$reid -o reid.json | ssl-report -o page.html"
[ -s page.html ] && pass || fail "no page"
is "$(field reid.json rows/0/protocol/ties)" "a wrong item before a right one" "protocol"

# Who is who from the file names of a features manifest's data set; junk and distractors as in Market-1501.
ssl-data folder market -o data.json >/dev/null 2>err || { cat err; fail "the folder cannot be described"; }
python3 - <<'P'
import json
data = json.load(open('data.json')); split = next(iter(data['splits']))
json.dump({'manifest': 'features', 'version': 1, 'split': split, 'layer': 'pooled', 'count': 6, 'dim': 2, 'data': {'path': 'market.safetensors'}, 'dataset': data}, open('market.json', 'w'))
open('queries.txt', 'w').write('0001_c3s1_000009_00.png\n0009_c3s1_000009_00.png\n')
P
python3 -c "
import struct
head = b\"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\" + b' ' * 59 + b'\n'
open('two.npy', 'wb').write(b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head + struct.pack('<4f', 5, 5.5, 0, 0))"
ok "a features manifest" reid-eval score --query two.npy --query-items queries.txt --gallery market.json
cp out market-out.json
is "$(rows market-out.json | sed -n 1p)" "mAP 100.0" "Market names"
is "$(field market-out.json "rows/0/protocol/queries without a match")" 1 "the query without a match is counted"
is "$(field market-out.json rows/0/protocol/junk)" 1 "junk"
is "$(field market-out.json rows/0/protocol/distractors)" 1 "distractors"
grep -q 'no match' err && pass || fail "nothing is said of the query without a match"
field market-out.json breakdowns/-1/queries/0/ranked/0/image/path | grep -q 'market/0001_c' && pass || fail "the gallery shows no images"

# Hostile features.
r="reid-eval score --query-items q_ids.npy --gallery g.npy --gallery-items g_ids.npy"
refuses 65 'nan.npy: row 3, dimension 5 is nan' $r --query nan.npy
refuses 65 'zero.npy: row 0 is zero' $r --query zero.npy --metric cosine
refuses 65 'queries have 3 dimensions' $r --query narrow.npy
refuses 65 'empty.npy: has no features' $r --query empty.npy
refuses 65 'g_ids.npy' reid-eval score --query q.npy --query-items g_ids.npy --gallery g.npy --gallery-items g_ids.npy
refuses 66 'missing.npy' $r --query missing.npy
refuses 64 'market1501, cuhk03' $reid --protocol duke
refuses 64 "'rate' is no verb of reid-eval; did you mean 'reid-eval score'" reid-eval rate --query q.npy
for tool in reid-eval vtr-retrieve vhd-score sts-score; do refuses 64 "give a verb: score; did you mean '$tool score'" $tool --quiet; done
for option in --rerank-k1 --rerank-k2 --rerank-lambda; do refuses 64 "$option: has no effect without --rerank" $reid $option 1; done
refuses 64 '--repeats: has no effect without --protocol cuhk03' $reid --repeats 5
refuses 64 "--ranks: '5' is given twice" $reid --ranks 5,1,5
refuses 66 '--images nowhere: no such folder' $reid --images nowhere
refuses 64 "--output: '' is no name of a file" $reid -o ''
refuses 73 'q.npy is no folder' $reid -o q.npy/new.json
ok "folders on the way are made" $reid -o new/folder/reid.json; [ -s new/folder/reid.json ] && pass || fail "nothing in a new folder"
ok "reid-eval has a headline" reid-eval score --query q.npy --query-items q_ids.npy --gallery g.npy --gallery-items g_ids.npy
grep -qE 'info: mAP [0-9.]+ %, CMC rank-1 [0-9.]+ %, mINP [0-9.]+ % \([0-9]+ queries, gallery of 3000\)' err && pass || { fail "no headline"; cat err; }
cp out headline.json
field headline.json inputs/0/digest | grep -q '^sha256:' && field headline.json inputs/1/digest | grep -q '^sha256:' && pass || fail "feature files have no digest"

# Items that are not what they should be, each told by its own name.
python3 - <<'P'
open('bare.csv', 'w').write('1,2\n' * 201)
open('no_camera.csv', 'w').write('identity\n' + '1\n' * 200)
open('marked.csv', 'w').write('\ufeffidentity,camera\n' + '1,7\n' * 200)
open('void.csv', 'w')
open('q.npz', 'wb').write(b'PK\3\4')
P
items="reid-eval score --query q.npy --gallery g.npy --gallery-items g_ids.npy --query-items"
refuses 65 'bare.csv: has no column identity.*the first line must name the columns, and is 1, 2' $items bare.csv
refuses 65 'no_camera.csv: tells no cameras' $items no_camera.csv
refuses 65 'void.csv: is empty' $items void.csv
ok "a byte order mark" $items marked.csv
refuses 65 'q.npz: is an archive of arrays' $items q.npz
refuses 65 'q.npz: is an archive of arrays' reid-eval score --query q.npz
ok "equal features" reid-eval score --query flat.npy --query-items q_ids.npy --gallery flat.npy --gallery-items q_ids.npy; cp out flat.json
is "$(rows flat.json | grep '^CMC rank-1 ')" "CMC rank-1 0.0" "equal features are no success"
head -c 100 g.npy > cut.npy; refuses 65 'cut.npy' reid-eval score --query q.npy --query-items q_ids.npy --gallery cut.npy --gallery-items g_ids.npy

ok vtr vtr-retrieve score --similarity sim.npy --no-provenance --threads 1; cp out one.json
grep -qE 'info: text to video R@1 [0-9.]+ %, video to text R@1 [0-9.]+ % \(60 captions, 60 videos\)' err && pass || { fail "no headline"; cat err; }
field one.json inputs/0/digest | grep -q '^sha256:' && pass || fail "a similarity matrix has no digest"
refuses 64 '--temperature: has no effect without --dual-softmax' vtr-retrieve score --similarity sim.npy --temperature 1
refuses 64 "--ks: '1' is given twice" vtr-retrieve score --similarity sim.npy --ks 1,5,1
# By hand: with the largest of each column at 0, caption 0 stands at -6000, -4000, -5500, caption 1 at 0, -1000, -2600, caption 2 at -2000, 0, 0.
python3 -c "
import struct
head = b\"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3), }\" + b' ' * 59 + b'\n'
open('far.npy', 'wb').write(b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head + struct.pack('<9d', 30, 20, 10, 90, 50, 39, 70, 60, 65))"
ok "similarities that are not normalised" vtr-retrieve score --similarity far.npy --dual-softmax; cp out far.json
is "$(field far.json rows/5/name) $(field far.json rows/5/value)" "mean rank 2.0" "dual softmax beyond the range of its exponentials"
ok "vtr threads" vtr-retrieve score --similarity sim.npy --no-provenance --threads 3; same out one.json
ok "equal similarities" vtr-retrieve score --similarity equal.npy; cp out equal.json
is "$(field equal.json rows/0/value)" 0.0 "an all-equal matrix"
is "$(field equal.json rows/0/protocol/queries)" 500 "a query counts once"
refuses 65 'names 2 videos, there are 500 rows' vtr-retrieve score --similarity equal.npy --captions queries.txt --videos queries.txt
refuses 64 'not both' vtr-retrieve score --similarity equal.npy --text q.npy

ok vhd vhd-score score --truth truth.jsonl --predictions scores.jsonl
grep -qE 'info: highlight mAP [0-9.]+ %, HIT@1 [0-9.]+ % \(6 videos, 2 domains\)' err && pass || { fail "no headline"; cat err; }
refuses 64 '--top: has no effect without --protocol auto or tvsum' vhd-score score --truth truth.jsonl --predictions scores.jsonl --protocol youtube --top 3
refuses 64 '--top: has no effect on truth.jsonl' vhd-score score --truth truth.jsonl --predictions scores.jsonl --top 3
sed '2s/: \[[0-9.]*/: [NaN/' scores.jsonl > nan.jsonl; refuses 65 'nan.jsonl:2: is not JSON: NaN at byte' vhd-score score --truth truth.jsonl --predictions nan.jsonl
: > void.jsonl; refuses 65 'void.jsonl: is empty' vhd-score score --truth truth.jsonl --predictions void.jsonl
{ printf '\xef\xbb\xbf'; cat scores.jsonl; } > marked.jsonl; ok "a byte order mark" vhd-score score --truth truth.jsonl --predictions marked.jsonl
head -4 scores.jsonl > few.jsonl; refuses 65 'no scores for v4' vhd-score score --truth truth.jsonl --predictions few.jsonl
ok "a part of the set" bash -c "cut -d, -f1 few.jsonl | sed 's/\$/}/' > part.jsonl; vhd-score score --truth truth.jsonl --predictions few.jsonl --videos part.jsonl"
refuses 66 'none.jsonl' vhd-score score --truth none.jsonl --predictions scores.jsonl

ok sts sts-score score --truth sts.csv --predictions p.txt
grep -qE 'info: Spearman 0\.[0-9]+, Pearson 0\.[0-9]+ \(50 pairs\)' err && pass || { fail "no headline"; cat err; }
grep -q warning err && fail "a warning without a cause" || pass
sed '1s/[0-9.]*$/7.5/' sts.csv > high.csv; ok "beyond the scale" sts-score score --truth high.csv --predictions p.txt
grep -q 'high.csv: 1 of the 50 scores lie outside of 0 to 5, the scale of STS, 7.5 for one' err && pass || { fail "a score beyond the scale is not told of"; cat err; }
ok "constant predictions" sts-score score --truth sts.csv --predictions same.txt; cp out same.json
is "$(field same.json rows/0/value)" None "no correlation"
is "$(field same.json "rows/0/protocol/not defined")" "the predicted scores are all equal" "the reason"
head -3 p.txt > few.txt; refuses 65 '3 predictions for the 50 pairs' sts-score score --truth sts.csv --predictions few.txt
finish
