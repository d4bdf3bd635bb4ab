# The pipe of the README, and the same stages through files.
. "$(dirname "$0")/lib.sh"
small="--profile small --arch resnet10 --stem stride2 --width 0.25 --images 1024 --batch 64 --epochs 1 --knn-every 0 --warmup-epochs 0"
probe="--protocol knn,few-labels --labels 100 --draws 2"
# shellcheck disable=SC2086
if ssl-data fashion-mnist $fashion | ssl-pretrain swav $small -o piped | ssl-linear $probe | ssl-report -o page.html >last.json 2>err; then pass; else fail "the pipe broke"; tail err; fi
grep -q '"manifest": "metrics"' last.json && pass || fail "the pipe does not end with a metrics manifest"
grep -q '</html>' page.html && pass || fail "no page"
if grep -qE '(src|href)="https?:' page.html; then fail "the page refers to the network"; else pass; fi

ok "data" ssl-data fashion-mnist $fashion -o data.json
# shellcheck disable=SC2086
ok "pretrain" ssl-pretrain swav $small -o filed data.json
# shellcheck disable=SC2086
ok "linear" ssl-linear $probe -o judged filed/model.json
ok "embed" ssl-embed --split test -o features filed/model.json
ok "report" ssl-report -o page2.html judged/metrics.json
same piped/weights.safetensors filed/weights.safetensors

# A finished run returns its manifest at once and changes nothing.
stamp=$(stat -c %Y-%i filed/weights.safetensors)
# shellcheck disable=SC2086
ok "again" ssl-pretrain swav $small -o filed data.json
[ "$stamp" = "$(stat -c %Y-%i filed/weights.safetensors)" ] && pass || fail "a finished run was trained again"
grep -q '"manifest": "model"' out && pass || fail "a finished run prints no manifest"
# A moved run still finds its weights.
mv filed moved
# shellcheck disable=SC2086
ok "moved" ssl-linear $probe -o judged2 moved/model.json
# A failing stage is named by the next one.
ssl-data fashion-mnist /nowhere 2>/dev/null | ssl-pretrain simclr -o x >out 2>err
grep -q 'nothing arrived on stdin' err && pass || fail "an empty pipe is not named"
finish
