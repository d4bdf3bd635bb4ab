# seg-parse score: pairs of PNG files, names of classes, void, and what is refused.
. "$(dirname "$0")/lib.sh"
masks truth 0011/22## 0000/1111
masks results 0011/2112 0000/1112
ok "score --help" seg-parse score --help
ok "score" seg-parse score --truth truth --classes 3 -o scores.json results
grep -q 'info: results: mIoU 68.3 %, pixel accuracy 85.7 % (2 images)' err && pass || { fail "no headline"; cat err; }
grep -q warning err && fail "a warning without a cause" || pass
is scores.json "pixel accuracy" 85.71428571428571
is scores.json "mIoU" 68.25396825396827 # (1 + 5/7 + 1/3) / 3
printf 'sky\nroad\ntree\n' > names.txt
ok "names" seg-parse score --truth truth --labels names.txt results
grep -q '"name": "road"' out && pass || fail "the classes are not named"
ok "the same names" seg-parse score --truth truth --labels sky,road,tree results
for threads in 1 4; do seg-parse score --truth truth --classes 3 --no-provenance --threads $threads results >threads$threads.json 2>err; done
same threads1.json threads4.json
printf '{"manifest": "predictions", "version": 1, "task": "semantic segmentation", "data": {"path": "results"}}' |
  seg-parse score --truth truth --classes 3 2>err | ssl-report -o page.html >out 2>>err && pass || { fail "the pipe broke"; tail -n 3 err; }
grep -q 'frequency-weighted' page.html && pass || fail "the page does not show the score"
ok_bounded "a bound on memory" seg-parse score --truth truth --classes 3 --max-memory 64M results

masks more 0011/2112 0000/1112 0000/1112 0000/1112
ok "predictions without a truth" seg-parse score --truth truth --classes 3 more
grep -q 'warning: .*more: 2 of its label images have no truth in truth and are passed over, 00002.png for one' err && pass || fail "unpaired predictions are passed over without a word"
is out mIoU 68.25396825396827
ok "names for the legend" bash -c 'seg-parse score --truth truth --labels names.txt results | ssl-report -o legend.html'
grep -q '</b>road</span>' legend.html && pass || fail "the overlays have no legend"

refuses 64 'give a verb: score' seg-parse
refuses 66 '--labels nams.txt: no such file' seg-parse score --truth truth --labels nams.txt results
: > none.txt; refuses 65 'none.txt: is empty' seg-parse score --truth truth --labels none.txt results
refuses 64 "--labels: 'sky' is given twice" seg-parse score --truth truth --labels sky,road,sky results
refuses 65 'truth/00000.png: is a picture' seg-parse score --truth truth --classes 3 truth/00000.png
refuses 65 'is a file, where a folder is expected' seg-parse score --truth truth --classes 3 --images names.txt results
refuses 64 '--classes N' seg-parse score --truth truth results
refuses 64 '3 names for --classes 4' seg-parse score --truth truth --classes 4 --labels names.txt results
refuses 65 'truth/00000.png: label 2 at column 0, row 1: neither a class \(0 to 1\)' seg-parse score --truth truth --classes 2 results
refuses 65 'truth/00000.png: label 255' seg-parse score --truth truth --classes 3 --void 9 results
refuses 66 'nowhere' seg-parse score --truth nowhere --classes 3 results
rm results/00001.png
refuses 65 'results/00001.png: missing' seg-parse score --truth truth --classes 3 results
masks results 00/11
refuses 65 'results/00000.png: 2 x 2 pixels, but the truth truth/00000.png has 4 x 2' seg-parse score --truth truth --classes 3 results
finish
