# default < profile < --config < environment < command line, as the saved configuration shows.
. "$(dirname "$0")/lib.sh"
ssl-data fashion-mnist -o data.json >/dev/null 2>&1
echo '{"temperature": 0.31, "dim": 24, "hidden": 40, "lr": 0.011}' > config.json
saved() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' run/config.json "$1"; }
SELFSIGHT_DIM=32 SELFSIGHT_HIDDEN=48 tiny_run simclr data.json run --config config.json --hidden 56 --max-steps 1 >/dev/null 2>err || { cat err; fail "the run failed"; }
[ "$(saved temperature)" = 0.31 ] && pass || fail "--config does not win over the profile"
[ "$(saved dim)" = 32 ] && pass || fail "the environment does not win over --config"
[ "$(saved hidden)" = 56 ] && pass || fail "the command line does not win over the environment"
[ "$(saved view-blur)" = 0.0 ] && pass || fail "the profile does not win over the default"

# A run's own configuration starts another like it; one of another method does not.
ok "a saved configuration" tiny_run simclr data.json again --config run/config.json --max-steps 1
same run/config.json again/config.json
refuses 64 'configuration of a run of simclr, not of byol' tiny_run byol data.json other --config run/config.json
finish
