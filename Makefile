# Everything a person does with this repository. `make` alone lists it.

SHELL    := /bin/sh
GO       ?= go
PORT     ?= 4222
ARGS     ?=
FUZZTIME ?= 30s
SOAKTIME ?= 20m

BINARY := bin/dunlin

.DEFAULT_GOAL := help
.PHONY: help run serve build test test-costs test-race test-net fuzz soak bench bench-cluster bench-scaling bench-watched conformance lint fmt docs clean

##@ Use it
run: build ## start a cluster of three servers on ports 4222 to 4224 (PORT=…, ARGS="--demo …")
	@if [ -t 1 ]; then b=$$(printf '\033[1m'); c=$$(printf '\033[36m'); n=$$(printf '\033[0m'); fi; \
	printf '%s\n' \
	  "$${b}Dunlin$$n at $${c}nats://localhost:$(PORT)$$n — stop it with Ctrl-C. A first try, in two other terminals:" \
	  "" \
	  "    $${c}$(urlvar)go run ./examples/subscriber$$n" \
	  "    $${c}$(urlvar)go run ./examples/publisher$$n" \
	  ""
	@exec $(BINARY) dev --nodes 3 -p $(PORT) $(ARGS)

serve: build ## start one server on port 4222, as in production (PORT=…, ARGS="-m 8222 …")
	@exec $(BINARY) -p $(PORT) $(ARGS)

build: ## build bin/dunlin
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BINARY) ./cmd/dunlin

##@ Check it
test: lint test-costs ## everything that must be green: format, vet, all tests with the race detector
	$(GO) test -race -timeout 20m ./...
	$(GO) -C bench test -timeout 5m ./...
	$(GO) -C conformance test -timeout 15m ./...
	@conformance/setup.sh --missing

test-costs: ## what a message allocates and what a subscription holds, which the race detector would distort
	@set -e; files=$$(git ls-files -co --exclude-standard '*_test.go' ':!bench' ':!conformance' | xargs grep -l '^//go:build .*!race'); \
	tests=$$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' $$files | paste -s -d '|' -); \
	rooms=$$(printf './%s\n' $$files | sed 's,/[^/]*$$,,' | sort -u | paste -s -d ' ' -); \
	echo "$(GO) test -run '^($$tests)\$$' $$rooms"; \
	$(GO) test -timeout 10m -run "^($$tests)\$$" $$rooms

test-race: ## all tests of the server with the race detector, none taken from the cache
	$(GO) test -race -count 1 -timeout 20m ./...

lint: ## gofmt, go vet, and the rules of the house
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) -C bench vet ./...
	$(GO) -C conformance vet ./...
	$(GO) test ./internal/archtest

fuzz: ## every fuzz target for FUZZTIME (30s); new inputs that matter are kept in Go's cache
	@set -e; for file in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
	    echo "$$target ($${file%/*})"; \
	    (cd "$${file%/*}" && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .); \
	  done; \
	done

conformance: ## the same conversations with Dunlin and as recorded from a real nats-server; official clients
	$(GO) -C conformance test -count 1 -timeout 30m -v ./...

test-net: ## clusters whose servers are killed, frozen and cut off, each in a network namespace (needs root and iproute2)
	$(GO) -C conformance test -count 1 -timeout 20m -v ./netlab -net

soak: ## clients that come, talk and die at random for SOAKTIME (20m); nothing may be lost or left behind
	$(GO) test -run '^TestSoak$$' -count 1 -timeout 0 -v ./internal/testkit/soak -args -soak $(SOAKTIME)

##@ Measure it
bench: ## measure against nats-server side by side, and renew the table in bench/README.md (half an hour)
	cd bench && $(GO) run . -update-readme

bench-cluster: ## the same for clusters of three nodes, pure and mixed (a quarter of an hour)
	cd bench && $(GO) run . -set cluster -update-readme

bench-scaling: ## what a message and a subscription cost on 1, 2, 3, 5 and 9 nodes (a quarter of an hour)
	cd bench && $(GO) run . -set scaling -update-readme

bench-watched: ## what a loop of /connz?subs=1 over 10,000 connections does to messages, and what the machine does by itself (a few minutes)
	cd bench && $(GO) run ./watched && $(GO) run ./watched -control

##@ Keep it
fmt: ## format all Go files
	git ls-files -co --exclude-standard '*.go' | xargs gofmt -w

docs: ## show the documentation of the embeddable package
	$(GO) doc -all ./server

clean: ## remove what was built
	rm -rf bin

help:
	@if [ -t 1 ]; then b=$$(printf '\033[1m'); c=$$(printf '\033[36m'); n=$$(printf '\033[0m'); fi; \
	awk -v b="$$b" -v c="$$c" -v n="$$n" 'BEGIN { FS = ":.*## "; printf "%sDunlin%s: a server for every NATS client.\n", b, n } \
	  /^##@ / { printf "\n%s%s%s\n", b, substr($$0, 5), n } \
	  /^[a-z-]+:.*## / { printf "  %smake %-13s%s %s\n", c, $$1, n, $$2 }' $(firstword $(MAKEFILE_LIST))

# What the example programs need to be told when the port is another one.
urlvar = $(if $(filter-out 4222,$(PORT)),NATS_URL=nats://localhost:$(PORT) )
