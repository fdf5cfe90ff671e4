# CacheKit for Swift. Every step a person or CI runs; `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps build demo test interop consumer fuzz bench crash endurance simulate sanitize docs format lint install clean

PREFIX ?= /usr/local
SWIFT ?= swift
SEEDS ?= 20000
FIRST ?= 1
FORMATTED := Sources Tests migrations Plugins Benchmarks/Sources Fuzz/Sources Package.swift Benchmarks/Package.swift Fuzz/Package.swift

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

deps: ## Install the Debian packages that building and testing need (asks for sudo only if not root)
	@Scripts/install-deps.sh

build: deps ## Build the command in release: .build/release/cachekit
	$(SWIFT) build -c release --product cachekit

demo: ## Import a real data set into an encrypted file, offline; then push it to a throwaway Redis
	@Scripts/demo.sh

test: deps ## Run all tests
	$(SWIFT) test --no-parallel

interop: deps ## Prove both ways against the real Python SDK on a throwaway Redis
	@Scripts/interop.sh

consumer: deps ## Build two packages that depend on this one, from nothing: one that swift-syntax is not built for, one with @Cached
	@Scripts/consumer.sh

fuzz: deps ## Run one libFuzzer program per parser, FUZZ_SECONDS each (default 60)
	@Scripts/fuzz.sh

bench: ## Pair every figure with its floor; JSON in .build/bench.json
	@Scripts/install-deps.sh --bench
	$(SWIFT) run -c release --package-path Benchmarks bench

crash: deps ## Kill a writing process at random moments, 300 rounds
	CACHEKIT_CRASH_ROUNDS=300 $(SWIFT) test --filter CrashTests

endurance: deps ## Run the long forms of tests: power cuts, damage, bounds, several processes, cut connections, sync on real servers
	CACHEKIT_ENDURANCE=1 $(SWIFT) test --no-parallel --filter 'CacheKitSQLiteTests|SharedFileTests|RandomCutTests|VerdictEquivalenceTests|IntegrationTests'

simulate: deps ## Run the sync engine on simulated machines: SEEDS of them (default 20,000) from FIRST on
	$(SWIFT) build --product Simulate
	SWIFT_DETERMINISTIC_HASHING=1 .build/debug/Simulate $(FIRST) $(SEEDS)

sanitize: deps ## Run the tests under the address and the thread sanitizer
	@Scripts/sanitize.sh

docs: deps ## Check and build the documentation of the libraries: .build/docs/CacheKit.doccarchive
	@Scripts/docs.sh

format: ## Format every Swift file in place
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

lint: ## Check the format; fails on any finding
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)

install: build ## Put the command into PREFIX/bin (default /usr/local)
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 0755 .build/release/cachekit '$(DESTDIR)$(PREFIX)/bin/cachekit'

clean: ## Remove what was built
	rm -rf .build Benchmarks/.build Fuzz/.build Tests/Consumers/*/.build
