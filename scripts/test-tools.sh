#!/bin/sh
# test-tools.sh installs what the tests use as real peers and Debian does not
# have, into the user's cache folder: versitygw, an S3 server.
set -eu

dir=${XDG_CACHE_HOME:-$HOME/.cache}/gapura-peers
version=v1.8.0
[ -x "$dir/versitygw" ] && exit 0
command -v versitygw >/dev/null && exit 0
echo "test-tools: installing versitygw $version" >&2
mkdir -p "$dir"
cd / # not in our module
GOBIN="$dir" GOFLAGS= exec go install "github.com/versity/versitygw/cmd/versitygw@$version"
