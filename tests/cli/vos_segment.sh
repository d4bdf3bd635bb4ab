# vos-segment score: from folders, from a manifest, through a pipe; what is refused; the same bytes for any number of threads.
. "$(dirname "$0")/lib.sh"
left=1100/1100/1100 right=0011/0011/0011
masks davis/Annotations/480p/a $left $left $left $left
masks davis/Annotations/480p/b 1122/1122/1122 1122/1122/1122 1122/1122/1122
masks results/a $right $left $right $right
masks results/b 0000/0000/0000 1122/1122/1122 0000/0000/0000
mkdir -p davis/ImageSets/2017 davis/JPEGImages/480p/a
echo b > davis/ImageSets/2017/val.txt
echo image > davis/JPEGImages/480p/a/00001.jpg

ok "score --help" vos-segment score --help
grep -q -- '--max-memory' out && grep -q -- '--single-object' out && pass || fail "the verb's options are not in its help"
ok "score" vos-segment score --truth davis -o scores.json results
grep -q 'info: results: J&F [0-9.]* %, J 83.3 %, F [0-9.]* % (3 objects, 3 frames, semi-supervised)' err && pass || { fail "no headline"; cat err; }
is scores.json "J mean" 83.33333333333333
ok "a list" vos-segment score --truth davis --set val results
is out "J mean" 100.0
ok "sequences" vos-segment score --truth davis --sequences a results
is out "J mean" 50.0
ok "unsupervised" vos-segment score --truth davis --task unsupervised results
grep -q 'Annotations_unsupervised' err && pass || fail "nothing said of the annotations that stand in for the task's own"
is out "FG-ARI per frame" 66.66666666666666
printf '{"manifest": "predictions", "version": 1, "task": "video object segmentation", "data": {"path": "results"}}' > predictions.json
ok "a manifest" vos-segment score --truth davis predictions.json
is out "J mean" 83.33333333333333
grep -q '"kind": "predictions"' out && pass || fail "the manifest read is not among the inputs"
vos-segment score --truth davis <predictions.json 2>err | ssl-report -o page.html >out 2>>err && pass || { fail "the pipe broke"; tail -n 3 err; }
grep -q 'J&amp;F' page.html && pass || fail "the page does not show the score"
for threads in 1 4; do vos-segment score --truth davis --no-provenance --threads $threads results >threads$threads.json 2>err; done
same threads1.json threads4.json
ok_bounded "a bound on memory" vos-segment score --truth davis --max-memory 64M results
masks large/a 3000x3000 3000x3000 3000x3000
ok_bounded "large frames" vos-segment score --truth large --max-memory 200M large
refuses_bounded 64 'does not fit into --max-memory 24 MiB' vos-segment score --truth large --max-memory 24M large

refuses 64 'give a verb: score' vos-segment
refuses 64 "'scor' is no verb of vos-segment; did you mean 'vos-segment score'" vos-segment scor
refuses 64 "did you mean 'vos-segment score'" vos-segment results
refuses 64 '--truth DIR' vos-segment score results
refuses 64 'semi-supervised, unsupervised' vos-segment score --truth davis --task zero-shot results
refuses 66 'nowhere' vos-segment score --truth davis nowhere
refuses 66 'no list of that name' vos-segment score --truth davis --set test results
refuses 66 '--resolution: davis/Annotations/1080p: no such folder' vos-segment score --truth davis --resolution 1080p results
refuses 64 '--set val: no such file, and davis/Annotations/480p has no lists' vos-segment score --truth davis/Annotations/480p --set val results
refuses 64 '--resolution 480p: .* plain folder' vos-segment score --truth davis/Annotations/480p --resolution 480p results
refuses 64 '--max-proposals: has no effect without --task unsupervised' vos-segment score --truth davis --max-proposals 9 results
refuses 64 "--sequences: 'a' is given twice" vos-segment score --truth davis --sequences a,b,a results
refuses 65 'results/a/00000.png: is a picture, where the folder' vos-segment score --truth davis results/a/00000.png
refuses 65 '--truth results/a/00000.png: is a file, where a folder is expected' vos-segment score --truth results/a/00000.png results
refuses 65 "results/a/00001.png: index 2, but the sequence a has 1 objects" \
  bash -c 'cp results/b/00001.png results/a/00001.png; vos-segment score --truth davis results'
printf 'GIF89a and so on' > results/a/00001.png
refuses 65 'results/a/00001.png: is no PNG' vos-segment score --truth davis results
rm results/a/00001.png
refuses 65 'results/a/00001.png: missing' vos-segment score --truth davis results
refuses 65 'expected a predictions, got a metrics|expected.*predictions' vos-segment score --truth davis scores.json
sed -i 's/video object/pose/' predictions.json
refuses 65 "/task: expected predictions of 'video object segmentation'" vos-segment score --truth davis predictions.json
masks one/truth/a '##/00' '##/00' '##/00'
masks one/results/a '12/00' '12/00' '12/00'
refuses 65 'use --single-object' vos-segment score --truth one/truth one/results
ok "one object" vos-segment score --truth one/truth --single-object one/results
is out "J&F mean" 100.0
finish
