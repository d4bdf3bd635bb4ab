# Every tool explains itself, and refuses what it does not know.
. "$(dirname "$0")/lib.sh"
for tool in "$BIN"/*; do
  name=$(basename "$tool")
  ok "$name --help" "$name" --help
  for part in "Usage: $name" "Examples:" "See also:" "--config FILE" "--version"; do
    grep -qF -- "$part" out || fail "$name --help lacks '$part'"
  done
  [ "$(grep -c "^  .*$name" out)" -ge 2 ] || fail "$name --help has fewer than two examples"
  ok "$name --version" "$name" --version
  grep -q 'selfsight [0-9]' out || fail "$name --version tells no version"
done
for method in $(ssl-pretrain --list=json | sed -n '/"kind": "method"/,/"name"/s/^ *"name": "\(.*\)",*/\1/p'); do
  ok "ssl-pretrain $method --help" ssl-pretrain "$method" --help
  grep -q 'Paper: ' out || fail "ssl-pretrain $method --help names no paper"
done
# The README's table of methods is what the programs say of themselves.
ok "--list=markdown" ssl-pretrain --list=markdown
while read -r line; do
  grep -qxF -- "$line" "$here/../../README.md" || fail "README.md lacks this line of ssl-pretrain --list=markdown: $line"
done <out
refuses 64 "unknown option '--temprature'.*--temperature" ssl-pretrain simclr --temprature 1
refuses 64 "did you mean 'simclr'" ssl-pretrain simclrr
refuses 64 "--temperature: 'abc'" ssl-pretrain simclr --temperature abc -o x
refuses 64 "0.001 to 10" ssl-pretrain simclr --temperature 11 -o x
refuses 64 "ssl-pretrain METHOD" ssl-pretrain
echo '{"temprature": 1}' > config.json
refuses 64 "config.json.*temprature.*temperature" ssl-pretrain simclr --config config.json -o x
SELFSIGHT_TEMPERATURE=eleven refuses 64 "SELFSIGHT_TEMPERATURE.*eleven" ssl-pretrain simclr -o x
finish
