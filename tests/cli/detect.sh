# lvis-detect: the real program on results of its own and other programs' making.
. "$(dirname "$0")/lib.sh"
fixture=$here/../parity/score/detect.json

# The official programs' figures, through the command line.
python3 - "$fixture" <<'P'
import json, sys
for n, case in enumerate(json.load(open(sys.argv[1]))):
    json.dump(case['ground_truth'], open(f'truth{n}.json', 'w'))
    json.dump(case['results'], open(f'results{n}.json', 'w'))
    json.dump(case['figures'], open(f'figures{n}.json', 'w'))
    open(f'arguments{n}', 'w').write(f"--protocol {case['protocol']} --type {case['type']}")
P
for n in $(seq 0 36); do
  # shellcheck disable=SC2046
  ok "case $n" lvis-detect score $(cat arguments$n) -g truth$n.json results$n.json
  python3 - $n <<'P' || fail "case $n has other figures than the official program"
import json, sys
rows = {row['name']: row['value'] for row in json.load(open('out'))['rows']}
for name, value in json.load(open(f'figures{sys.argv[1]}.json')).items():
    assert rows[name] == (None if value == -1 else value), (name, rows[name], value)
P
done

# The same bytes for any number of threads, and for a second run.
score="lvis-detect score --protocol lvis -g truth36.json results36.json --no-provenance"
for threads in 1 2 7; do $score --threads $threads >by$threads 2>/dev/null; done
same by1 by2; same by1 by7
[ -s by1 ] && pass || fail "nothing came out"
lvis-detect score --protocol lvis -g truth36.json --output saved.json results36.json >printed 2>/dev/null
[ -s saved.json ] && pass || fail "--output wrote nothing"

# By way of a manifest, from a file and from a pipe; on to the report.
echo '{"manifest": "predictions", "version": 1, "task": "detection", "data": {"path": "results36.json"}}' > predictions.json
lvis-detect score --protocol lvis -g truth36.json predictions.json --no-provenance 2>/dev/null | grep -v digest | grep -c '"name": "AP"' >count
[ "$(cat count)" -ge 1 ] && pass || fail "a predictions manifest is not read"
lvis-detect score --protocol lvis -g truth36.json < predictions.json 2>/dev/null | ssl-report -o page.html >/dev/null 2>err && [ -s page.html ] && pass || { cat err; fail "the report does not take the metrics"; }

# Bad input.
refuses 64 "'train' is no verb of lvis-detect; did you mean 'lvis-detect score'" lvis-detect train -g truth0.json results0.json
refuses 64 '--oks-sigmas: has no effect without --type keypoints' lvis-detect score --oks-sigmas 0.1 -g truth0.json results0.json
ok_bounded 'threads that would not fit are not started' lvis-detect score --protocol lvis --threads 64 --max-memory 90M -g truth36.json results36.json
refuses 64 'ground-truth' lvis-detect score results0.json
refuses 64 'box, mask, keypoints' lvis-detect score --type boxes -g truth0.json results0.json
refuses 64 'LVIS has none' lvis-detect score --protocol lvis --type keypoints -g truth36.json results36.json
refuses 66 'absent.json' lvis-detect score -g absent.json results0.json
refuses 66 'absent.json' lvis-detect score -g truth0.json absent.json
: > empty.json; refuses 65 'empty.json: is empty' lvis-detect score -g truth0.json empty.json
head -c 500 results0.json > cut.json; refuses 65 'cut.json: /[0-9]+.*byte 500' lvis-detect score -g truth0.json cut.json
head -c 500 truth0.json > cut-truth.json; refuses 65 'cut-truth.json: /' lvis-detect score -g cut-truth.json results0.json
sed 's/"score": [-0-9.e]*/"score": NaN/' results0.json > nan.json; refuses 65 'nan.json: /0/score: expected a number, found NaN' lvis-detect score -g truth0.json nan.json
refuses 65 'are these the results' lvis-detect score -g results0.json results0.json
refuses 65 'is no image of the ground truth' lvis-detect score -g truth0.json results1.json
refuses 65 'pipe' lvis-detect score -g truth0.json /dev/stdin

# More results than the memory allows: said so, and no manifest. With enough of it the file of 100 MB needs less than that.
python3 - <<'P'
import json, random
random.seed(1)
images = [{'id': i, 'height': 500, 'width': 500} for i in range(200)]
annotations = [{'id': i + 1, 'image_id': i % 200, 'category_id': i % 7, 'iscrowd': 0, 'area': 2500, 'bbox': [i % 400, i % 300, 50, 50]} for i in range(2000)]
json.dump({'images': images, 'annotations': annotations, 'categories': [{'id': i, 'name': str(i)} for i in range(7)]}, open('large-truth.json', 'w'))
with open('large.json', 'w') as file:
    file.write('[')
    for n in range(800000):
        file.write(f'{"," if n else ""}{{"image_id":{n % 200},"category_id":{n % 7},"bbox":[{n % 397}.5,{n % 301},50,49.25],"score":{random.random():.9f},"note":"{"x" * 40}"}}')
    file.write(']')
P
refuses_bounded 64 'does not fit into --max-memory' lvis-detect score -g large-truth.json --max-memory 30M large.json
ok_bounded "a bound that is enough" lvis-detect score -g large-truth.json --max-memory 150M large.json
[ -n "${SANITIZED:-}" ] || { [ "$(stat -c %s large.json)" -gt 90000000 ] && [ "$(sed -n 's/.*peak memory \([0-9.]*\) MiB/\1/p' err | cut -d. -f1)" -lt 150 ] && pass || { tail -2 err; fail "more resident memory than the file is large"; }; }

# What the official programs take without a word is told of; a byte order mark is none of the content.
python3 - <<'P'
import json
truth = {'images': [{'id': 1, 'height': 50, 'width': 60}], 'categories': [{'id': 1, 'name': 'a'}],
         'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'area': 100, 'bbox': [5, 5, 10, 10]}]}
results = [{'image_id': 1, 'category_id': 1, 'bbox': box, 'score': 0.5} for box in ([5, 5, 10, 10], [20, 20, -5, 5], [60, 0, 5, 5], [0, -9, 5, 9], [-3, -3, 9, 9])]
open('marked.json', 'w').write('\ufeff' + json.dumps(truth))
open('strange.json', 'w').write('\ufeff' + json.dumps(results))
truth['annotations'][0]['iscrowd'] = 1
json.dump(truth, open('crowd.json', 'w'))
P
ok "a byte order mark" lvis-detect score -g marked.json strange.json
is out AR@1 1.0
grep -q 'info: AP 1, AP50 1, AP75 1 (COCO, box)' err && pass || { fail "no headline"; cat err; }
grep -q 'warning: 1 results have boxes of negative' err && grep -q 'warning: 2 results have boxes that lie outside' err && pass || { fail "strange boxes are not told of"; cat err; }
ok "nothing to be matched" lvis-detect score -g crowd.json strange.json
grep -q 'warning: crowd.json: none of its 1 annotations can be matched' err && pass || { fail "nothing is said of a ground truth without objects"; cat err; }
finish
