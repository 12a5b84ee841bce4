#!/usr/bin/env bash
# fuzz.sh: every fuzz target of the tree, one after the other, for FUZZTIME
# each (default 5m). A crash leaves its input in the package's testdata.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-5m} only=${1:-}
go list -f '{{.Dir}}' ./... | while read -r dir; do
  for target in $(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/func //' | sort -u); do
    [[ $target == *$only* ]] || continue
    echo "== $target in ${dir#"$PWD"/}, $time"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x -parallel "${FUZZPROCS:-2}" "$dir" </dev/null
  done
done
