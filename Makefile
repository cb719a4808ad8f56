# Everything there is to do. `make` explains it. Every target fetches what it needs, on a fresh machine too.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
BIN := $(CURDIR)/.tools/bin
export PATH := $(BIN):$(PATH)
BUF_VERSION := 1.75.0
BUF_PACKAGE := @bufbuild/buf-$(shell uname -s | tr A-Z a-z)-$(shell uname -m | sed s/x86_64/x64/)
VALIDATE := third_party/proto/buf/validate/validate.proto
GENERATORS := $(addprefix $(BIN)/,protoc-gen-go protoc-gen-connect-go exportproto)
# The API that a change may not break: that of the last release, or of the commit before this one while there is none.
RELEASED = $(shell git describe --tags --abbrev=0 2>/dev/null || git rev-parse --quiet --verify HEAD^ || echo HEAD)
FILE ?=
ARGS ?=

.PHONY: help
help: ## Explain the targets
	@echo "Tallystick: a loyalty points and partner-benefit ledger. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '  make %-9s %s\n' "$$t" "$$d"; done
	@echo "The database is DATABASE_URL, or else a local one that starts by itself."

.PHONY: run
run: database ## Keep the service up: lasting local database, the example of a VIP club; prints what to try
	go run ./cmd/tallystick run $(ARGS)

.PHONY: demo
demo: database ## Play the main job on real orders and check the books; FILE=orders.csv plays others
	go run ./cmd/tallystick demo $(if $(FILE),--orders "$(FILE)") $(ARGS)

.PHONY: test
test: database ## Run every test (under 10 minutes on 2 cores)
	go test -timeout 20m ./...
	@$(MAKE) --no-print-directory engine

.PHONY: race
race: database compiler ## Run every test under the race detector
	go test -race -timeout 40m ./...

.PHONY: bench
bench: database ## Measure what a posting costs, beside the limit of the same database; ARGS='--only accrue --json'
	go run ./cmd/tallystick bench $(ARGS)

.PHONY: torture
torture: database ## Long proofs: a million operations, kill -9 of the server and of PostgreSQL, lost answers
	go test -tags torture -timeout 120m -count 1 ./... $(ARGS)

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/crdbcheck breaking ## Check the code, the protos, and that CockroachDB would take every statement
	golangci-lint run ./...
	crdbcheck .
	buf lint

breaking: $(BIN)/buf $(VALIDATE)
	rm -rf .tools/released && mkdir .tools/released
	git archive $(RELEASED) buf.yaml proto | tar -x -C .tools/released
	cp -r third_party .tools/released/ # it is in no commit
	buf breaking --against .tools/released

.PHONY: fmt
fmt: $(BIN)/golangci-lint $(BIN)/buf ## Format the code and the protos
	golangci-lint fmt
	buf format -w proto

.PHONY: gen
gen: $(BIN)/buf $(GENERATORS) $(VALIDATE) ## Generate the Go code of the protos, which is committed
	buf format -w proto
	buf generate

.PHONY: schema
schema: go ## Write docs/programme.schema.json, which is committed
	go run ./cmd/tallystick schema >docs/programme.schema.json.new && mv docs/programme.schema.json.new docs/programme.schema.json

.PHONY: drift
drift: gen ## Fail when what is generated is not what is committed
	go mod tidy -diff
	@git diff --exit-code -- proto && [ -z "$$(git status --porcelain -- proto)" ] || { echo "run make gen, and commit proto/"; exit 1; }

.PHONY: walkthrough
walkthrough: database ## Write docs/walkthrough.md by running the commands in it
	docs/walkthrough.sh

.PHONY: check
check: test lint drift race demo ## Everything that CI does
	docs/walkthrough.sh --check
	cd internal/tools/crdbcheck && go test ./...
	d=$$(mktemp -d) && chmod 755 "$$d" && trap 'rm -rf "$$d"' EXIT && \
		$(MAKE) --no-print-directory demo FILE=cmd/tallystick/demo/orders.csv ARGS="--dir $$d/demo"
	$(MAKE) --no-print-directory bench ARGS='--only accrue,limit_single --seconds 1 --members 1000'
	.ci/starts-and-ends

.PHONY: clean
clean: ## Remove the tools; the data of make run stays
	rm -rf .tools third_party

# --- what the targets stand on ---------------------------------------------------------------------------------------

.PHONY: go database compiler engine breaking
go:
	@command -v go >/dev/null || { echo "Install Go 1.26 or newer."; exit 1; }

database: go
	@if [ -n "$${DATABASE_URL:-}" ] || command -v "$${COCKROACH_BINARY:-cockroach}" >/dev/null || command -v initdb >/dev/null \
		|| compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; \
	else echo "Install PostgreSQL 15 or newer (Debian: apt-get install -y --no-install-recommends postgresql), or set DATABASE_URL."; exit 1; fi

compiler: # the race detector is C
	@if command -v "$$(go env CC)" >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev; \
	else echo "Install a C compiler (Debian: apt-get install -y --no-install-recommends gcc libc6-dev)."; exit 1; fi

engine:
	@if [ -n "$${DATABASE_URL:-}" ]; then echo "Tested on the server of DATABASE_URL."; \
	elif command -v "$${COCKROACH_BINARY:-cockroach}" >/dev/null; then echo "Tested on CockroachDB."; \
	else echo "Tested on PostgreSQL. CockroachDB: SKIPPED, none here (set DATABASE_URL or COCKROACH_BINARY)."; fi

$(GENERATORS) &: internal/tools/gen/go.mod internal/tools/gen/exportproto/main.go | go
	cd internal/tools/gen && GOBIN=$(BIN) go install tool ./exportproto

$(BIN)/golangci-lint: internal/tools/lint/go.mod | go
	cd internal/tools/lint && GOBIN=$(BIN) go install tool

$(BIN)/crdbcheck: $(wildcard internal/tools/crdbcheck/*.go) internal/tools/crdbcheck/go.mod | go
	cd internal/tools/crdbcheck && GOBIN=$(BIN) go install .

$(BIN)/buf: Makefile
	@command -v npm >/dev/null || { echo "Install Node with npm: the proto compiler comes from there."; exit 1; }
	npm install --silent --no-save --no-package-lock --prefix .tools $(BUF_PACKAGE)@$(BUF_VERSION)
	mkdir -p $(BIN) && rm -f $@ && cp .tools/node_modules/$(BUF_PACKAGE)/bin/buf $@

$(VALIDATE): $(BIN)/exportproto
	exportproto third_party/proto
