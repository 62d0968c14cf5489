# Words for what is done often. README and .ci/run work without it, but for the guests.

GO       ?= go
BENCH    ?= .
COUNT    ?= 6
SOAK     ?= 10m
FUZZTIME ?= 30s

.PHONY: all build test lint fuzz guests guests-check guests-test guests-large guests-third-party guests-components ucan-peer homestar-clients bench soak ci
all: build

build:
	$(GO) build -o ipvm ./cmd/ipvm

test:
	$(GO) test ./...

lint:
	.ci/run format vet lint

fuzz:
	FUZZ_TIME=$(FUZZTIME) .ci/run fuzz

# The guest functions of the examples, from their sources; the check builds
# them aside and compares them with the committed ones.
guests: guests/node_modules/.package-lock.json
	node guests/build.mjs

guests-check: guests/node_modules/.package-lock.json
	node guests/build.mjs --check

# Each guest function in node's own engine.
guests-test: guests/node_modules/.package-lock.json
	cd guests && npm test

# The guests that are too large to be committed, into guests/build; then each in
# node.
guests-large: guests/node_modules/.package-lock.json guests/javascript/node_modules/.package-lock.json
	node guests/build.mjs --large guests/build
	cd guests && npm run --silent test-large

# Programs that others wrote and built, as npm packages.
guests-third-party: guests/third-party/node_modules/.package-lock.json

# Some of these, and one of ours, as components of WASI 0.2, into guests/build.
guests-components: guests/node_modules/.package-lock.json guests/javascript/node_modules/.package-lock.json guests-third-party
	node guests/build.mjs --components guests/build

guests/third-party/node_modules/.package-lock.json: guests/third-party/package.json guests/third-party/package-lock.json guests/third-party/.npmrc
	cd guests/third-party && npm ci
	touch $@

guests/javascript/node_modules/.package-lock.json: guests/javascript/package.json guests/javascript/package-lock.json guests/javascript/.npmrc
	cd guests/javascript && npm ci
	touch $@

guests/node_modules/.package-lock.json: guests/package.json guests/package-lock.json guests/.npmrc
	cd guests && npm ci
	touch $@

# Another implementation of UCAN, which package ucan is tested with.
ucan-peer: ucan/testdata/iso-ucan/node_modules/.package-lock.json

ucan/testdata/iso-ucan/node_modules/.package-lock.json: ucan/testdata/iso-ucan/package.json ucan/testdata/iso-ucan/package-lock.json ucan/testdata/iso-ucan/.npmrc
	cd ucan/testdata/iso-ucan && npm ci
	touch $@

# The clients of Homestar, which package homestar is tested with.
homestar-clients: homestar/testdata/clients/node_modules/.package-lock.json

homestar/testdata/clients/node_modules/.package-lock.json: homestar/testdata/clients/package.json homestar/testdata/clients/package-lock.json homestar/testdata/clients/.npmrc
	cd homestar/testdata/clients && npm ci
	touch $@

# Compare two outputs of this with: go tool -modfile=tools.mod benchstat OLD NEW
bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

# Some 4,000 kills of the program, then the other faults of docs/faults.md at full
# length, with a summary; hostile guests for as long as SOAK says, without the race
# detector to see what memory they leave behind; then all tests again and again, in
# another order each time, until SOAK has passed.
soak: SHELL := /bin/bash
soak:
	IPVM_CRASHES=120 $(GO) test -count=1 -timeout 3h -run Kill ./internal/crashtest
	set -o pipefail; IPVM_LONG=1 $(GO) test -count=1 -timeout 2h -parallel 2 -v -run '^(TestNode|TestAbort|TestPeerBrowser|TestFewTasks)' ./internal/crashtest . | grep -v '^=== '
	IPVM_SOAK=$(SOAK) $(GO) test -count=1 -timeout 30h -v -run Survival ./wasm
	end=$$(( $$(date +%s) + $$(echo '$(SOAK)' | sed 's/h/*3600/; s/m/*60/; s/s//' | xargs -I N sh -c 'echo $$((N))') )); \
	while [ $$(date +%s) -lt $$end ]; do $(GO) test -race -count=1 -shuffle=on ./... || exit 1; done

ci:
	.ci/run
