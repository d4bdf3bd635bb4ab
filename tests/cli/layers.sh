# A layer uses only layers above it in CONTRIBUTING.md's table, and tools without tensors do not link LibTorch.
. "$(dirname "$0")/lib.sh"
libs=$here/../../libs
order="core manifest weights metrics data score report dist nn kernels train methods tasks"
allowed=""
for layer in $order; do
  allowed="$allowed $layer"
  used=$(grep -rhoE '^#include "[a-z]+/' "$libs/$layer" | sed 's/#include "//; s,/,,' | sort -u)
  for one in $used; do
    case " $allowed " in *" $one "*) pass ;; *) fail "libs/$layer includes $one, which is not above it" ;; esac
  done
done
for layer in core manifest weights metrics data score report; do
  if grep -rlE '#include (<(torch|ATen|c10)/|"libtorch)' "$libs/$layer"; then fail "libs/$layer includes LibTorch"; else pass; fi
done
for tool in ssl-data ssl-report vos-segment seg-parse lvis-detect reid-eval vtr-retrieve vhd-score sts-score; do
  if ldd "$BIN/$tool" | grep -q torch; then fail "$tool links LibTorch"; else pass; fi
done
for main in "$here"/../../apps/*.cpp; do
  [ "$(wc -l < "$main")" -le 150 ] && pass || fail "$(basename "$main") has more than 150 lines"
done
finish
