# Everything a contributor runs. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# The longest test of a package may wait for a busy machine; a hang must end before CI does.
TEST_TIMEOUT ?= 30m
# Packages tested at once: each one starts servers.
TEST_PACKAGES ?= 2
FUZZTIME ?= 30s
SEEDS ?= 500
E2E ?= .
GOLANGCI_LINT_VERSION := v2.15.0
CYCLONEDX_VERSION := v1.10.0
# What a build may leave out, each with all that it brings along: make build TAGS="$(LEAN)".
LEAN := no_consul no_git no_mongodb no_mysql no_secrets no_sqlite
TAGS ?=
PLATFORMS ?= linux/amd64 linux/arm64 darwin/arm64
BIN := $(or $(SCHEMAGATE_TEST_CACHE),$(CURDIR)/.cache)/bin

.PHONY: help setup build build-lean docs man test e2e e2e-kube lint setup-lint audit fuzz chaos bench release demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install and build what the tests need (as root on Debian)
	@test/setup/setup.sh

build: ## build the static binary ./schemagate; TAGS leaves parts out
	CGO_ENABLED=0 go build -trimpath -tags '$(TAGS)' -ldflags '-s -w -X main.version=$(VERSION)' -o schemagate ./cmd/schemagate

docs: ## write the pages of docs/ that are made of the code
	go test -count=1 -run TestPages ./cmd/schemagate -update

man: ## write a man page for each command, in dist/man
	mkdir -p dist/man && go test -count=1 -run TestManPages ./cmd/schemagate -man $(CURDIR)/dist/man

test: ## all tests, with the race detector, against real servers
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt is needed on:"; echo "$$unformatted"; exit 1; }
	@$(MAKE) --no-print-directory setup
	go vet ./...
	go test -race -count=1 -p $(TEST_PACKAGES) -timeout $(TEST_TIMEOUT) ./...

e2e: ## image, Compose and Swarm in a Docker engine of their own (as root on Debian); E2E=REGEXP picks tests
	@$(MAKE) --no-print-directory setup
	go test -count=1 ./test/docker # compiles outside of the engine's namespace, which has no network
	test/docker/engine.sh with go test -count=1 -v -timeout 1h -run '$(E2E)' ./test/docker

e2e-kube: ## the manifests and the chart on a real single-node Kubernetes, built from Go modules (as root on Debian; long)
	@$(MAKE) --no-print-directory setup
	test/kubernetes/build.sh node
	test/kubernetes/build.sh helm
	go test -count=1 ./test/kubernetes # compiles outside of the namespaces, which have no network
	test/docker/engine.sh with test/kubernetes/cluster.sh with go test -count=1 -v -timeout 1h ./test/kubernetes

lint: ## golangci-lint where installed (make setup-lint), else go vet
	@if [ -x $(BIN)/golangci-lint ]; then $(BIN)/golangci-lint run ./...; \
	elif command -v golangci-lint >/dev/null; then golangci-lint run ./...; \
	else echo "golangci-lint is not installed (make setup-lint): only go vet"; go vet ./...; fi

setup-lint: ## build the pinned golangci-lint (minutes)
	GOBIN=$(BIN) nice -n 10 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

audit: ## known vulnerabilities (GOVULNDB names a database), and secrets in the tree and its history; builds its tools (minutes)
	@test/setup/audit.sh

fuzz: ## run every fuzz test for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u | while read -r package; do \
		grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$package"/*_test.go | cut -d ' ' -f 2 | while read -r f; do \
			echo "$$package $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
		done; \
	done

bench: setup ## measure, and write bench/RESULTS.md
	go run ./bench

chaos: setup ## SEEDS (500) runs with faults at exact points, against real servers
	SCHEMAGATE_TEST_SEEDS=$(SEEDS) go test -race -count=1 -run '^TestChaos$$' -v -timeout 6h ./test/chaos

release: ## static binaries for each platform, an SBOM of each (CycloneDX), man pages, and the checksums of all, in dist/
	@[ -x $(BIN)/cyclonedx-gomod-$(CYCLONEDX_VERSION) ] || { mkdir -p $(BIN)/new && \
		GOBIN=$(BIN)/new nice -n 10 go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION) && \
		mv $(BIN)/new/cyclonedx-gomod $(BIN)/cyclonedx-gomod-$(CYCLONEDX_VERSION); }
	rm -rf dist && mkdir dist
	@$(MAKE) --no-print-directory man
	@for platform in $(PLATFORMS); do \
		out=dist/schemagate-$(VERSION)-$${platform/\//-}; echo "$$out"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -trimpath -buildvcs=false \
			-ldflags '-s -w -buildid= -X main.version=$(VERSION)' -o "$$out" ./cmd/schemagate; \
		$(BIN)/cyclonedx-gomod-$(CYCLONEDX_VERSION) bin -json -std -noserial -notimestamp -version $(VERSION) -output "$$out.cdx.json" "$$out" 2>/dev/null; \
		for module in $$(go version -m "$$out" | awk '$$1 == "dep" { print $$2 "@" $$3 }'); do \
			grep -qF "pkg:golang/$$module" "$$out.cdx.json" || { echo "$$module is not in the SBOM of $$out"; exit 1; }; \
		done; \
	done
	cd dist && sha256sum schemagate-* >SHA256SUMS && sha256sum --quiet -c SHA256SUMS

build-lean: ## build it for PostgreSQL and folders alone: smaller, and quicker to start
	@$(MAKE) --no-print-directory build TAGS='$(LEAN)'

demo: build ## five replicas against an embedded database, shown live
	./schemagate demo

clean: ## remove what was built; .cache, which took minutes to fill, goes with `rm -rf .cache`
	rm -rf schemagate dist
