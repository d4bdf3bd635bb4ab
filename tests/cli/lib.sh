# Sourced by every script of this folder: runs the real binaries and says what went wrong.
# BIN: folder of the executables. Each script works in a folder of its own, removed at the end.
set -uo pipefail
: "${BIN:?set BIN to the folder of the executables}"
BIN=$(cd "$BIN" && pwd) || exit 1
PATH=$BIN:$PATH
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

fail() { failed=$((failed + 1)); echo "FAIL: $*"; }
pass() { passed=$((passed + 1)); }
skip() { echo "skipped: $*"; exit 77; }

# ok WHAT COMMAND...: must exit with 0
ok() {
  local what=$1; shift
  if "$@" >out 2>err; then pass; else fail "$what: exit $? of: $*"; tail -n 5 err; fi
}
# refuses CODE PATTERN COMMAND...: must exit with CODE, say PATTERN on stderr and print nothing on stdout
refuses() {
  local code=$1 pattern=$2; shift 2
  "$@" >out 2>err </dev/null
  local status=$?
  if [ $status != "$code" ]; then fail "exit $status instead of $code: $*"; tail -n 3 err; return; fi
  if ! grep -qE -- "$pattern" err; then fail "no '$pattern' in the message of: $*"; tail -n 3 err; return; fi
  if [ -s out ]; then fail "something on stdout of: $*"; return; fi
  pass
}
# The same of a run that is held to an amount of memory, of which sanitizers need more for themselves (SANITIZED, from CTest).
ok_bounded() { [ -n "${SANITIZED:-}" ] || ok "$@"; }
refuses_bounded() { [ -n "${SANITIZED:-}" ] || refuses "$@"; }
same() { if cmp -s "$1" "$2"; then pass; else fail "$1 and $2 differ"; fi; }
finish() { echo "$passed passed, $failed failed"; [ $failed = 0 ]; }

# pngs FOLDER N: N small images that differ
pngs() {
  mkdir -p "$1"
  python3 - "$1" "$2" <<'P'
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
for n in range(int(sys.argv[2])):
    rows = b''.join(b'\0' + bytes((x * (n + 3) + y * 7) % 256 for x in range(20)) for y in range(16))
    with open(f'{sys.argv[1]}/{n}.png', 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>2I5B', 20, 16, 8, 0, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
P
}

# masks FOLDER IMAGE...: FOLDER/00000.png and so on, an indexed PNG for each IMAGE: ROW/ROW/... of digits, one a pixel ('#': 255), or
# WIDTHxHEIGHT for one full of 1
masks() {
  mkdir -p "$1"
  python3 - "$@" <<'P'
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
for n, image in enumerate(sys.argv[2:]):
    width, cross, height = image.partition('x')
    rows = [bytes([1]) * int(width)] * int(height) if cross else [bytes(255 if c == '#' else int(c) for c in row) for row in image.split('/')]
    head = struct.pack('>2I5B', len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    with open(f'{sys.argv[1]}/{n:05}.png', 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'PLTE', bytes(768)) + chunk(b'IDAT', zlib.compress(b''.join(b'\0' + r for r in rows))) + chunk(b'IEND', b''))
P
}
# value FILE NAME: the value of a row of a metrics manifest
value() { python3 -c 'import json, sys; print(next(r["value"] for r in json.load(open(sys.argv[1]))["rows"] if r["name"] == sys.argv[2]))' "$1" "$2"; }
# is FILE NAME VALUE
is() { local seen; seen=$(value "$1" "$2"); [ "$seen" = "$3" ] && pass || fail "$2 in $1 is $seen instead of $3"; }

fashion=/usr/share/datasets/fashion-mnist
# A run of seconds: tiny_run METHOD DATASET FOLDER [options]
tiny_options="--profile small --arch resnet10 --stem stride2 --width 0.25 --images 1024 --batch 64 --epochs 2 --warmup-epochs 0 --knn-every 0 --no-provenance --quiet"
tiny_run() {
  local method=$1 data=$2 folder=$3; shift 3
  # shellcheck disable=SC2086
  ssl-pretrain "$method" $tiny_options -o "$folder" "$@" "$data"
}
# The same in the background; $! is the program itself.
start_tiny_run() {
  local method=$1 data=$2 folder=$3; shift 3
  # shellcheck disable=SC2086
  ssl-pretrain "$method" $tiny_options -o "$folder" "$@" "$data" >/dev/null 2>err &
}

# prepare_subjects: data.json, its part.json (512 images), and what some methods need: a teacher, a plan of batches
prepare_subjects() {
  ssl-data fashion-mnist -o data.json >/dev/null 2>&1
  ssl-data split --count 512 --name part -o part.json data.json >/dev/null 2>&1
  tiny_run simclr part.json teacher --split part --images 0 --epochs 1 >/dev/null 2>err || { cat err; fail "no teacher"; }
  ssl-plan batches --by random --batch 64 --no-provenance -o plan.json <(ssl-embed --split part --quiet -o features teacher/model.json) \
    >/dev/null 2>err || { cat err; fail "no plan"; }
}
# all_subjects: every method, and the modifier around SimCLR: NAME METHOD OPTIONS..., a line each, for runs on the split 'part'
all_subjects() {
  local method options
  for method in $(ssl-pretrain --list=json | python3 -c "import json, sys; print(*(m['name'] for m in json.load(sys.stdin) if m['kind'] == 'method'))"); do
    case $method in
      bingo) options="--teacher teacher/model.json --queue 128" ;;
      g-simclr) options="--plan plan.json" ;;
      moco | hsa | interclr) options="--queue 128" ;;
      mae) options="--arch vit-tiny --depth 2 --vit-dim 48 --vit-heads 3 --patch 7" ;;
      *) options="" ;;
    esac
    echo "$method $method --split part --images 0 $options"
  done
  echo "hallucinator simclr --split part --images 0 --with hallucinator"
}
