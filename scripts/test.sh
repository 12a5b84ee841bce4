#!/usr/bin/env bash
# test.sh: everything `make test` does: the packages that real peers come
# from, vet, staticcheck, then all tests, those with the race detector where
# goroutines share memory.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/test-deps.sh
scripts/test-tools.sh
go vet ./...
go tool staticcheck ./...
export GAPURA_PEERS=required # a missing peer fails a test instead of skipping it
CGO_ENABLED=1 go test -race -timeout 10m ./gateway/... ./plugins/... ./config/...
# What the race detector has seen is not run again, but for the packages with
# tests that it would spoil.
go test -timeout 15m $(go list ./... | grep -vE '/(gateway|plugins|config)(/|$)') \
	$(grep -rl --include='*_test.go' '^//go:build !race' gateway plugins config | xargs -n1 dirname | sort -u | sed 's,^,./,')
# What keeps rows does so in PostgreSQL, too.
GAPURA_TEST_DATABASE=postgres go test -timeout 10m ./filters/spam/learned ./gateway/account ./gateway/outbound/... ./gateway/queue \
	./gateway/quota ./gateway/returnpath ./gateway/signing ./gateway/suppress
