SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.cache/tools/node_modules/.bin:$(PATH)

PNPM := .cache/tools/node_modules/.bin/pnpm
PNPM_VERSION := 12.21.0

##@ Run

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build

$(PNPM):
	npm install --no-save --no-audit --no-fund --silent --prefix .cache/tools pnpm@$(PNPM_VERSION)

node_modules/.modules.yaml: pnpm-lock.yaml pnpm-workspace.yaml package.json $(wildcard libs/*/package.json services/*/package.json cli/package.json e2e/package.json) | $(PNPM)
	$(PNPM) install --frozen-lockfile
	touch $@

.PHONY: install
install: node_modules/.modules.yaml ## Install pinned packages

libs/gen/descriptor.binpb: $(shell find proto -type f) | node_modules/.modules.yaml
	rm -rf libs/gen/src && mkdir -p libs/gen/src
	(cd proto && buf generate && buf build -o ../libs/gen/descriptor.binpb)

.PHONY: proto
proto: libs/gen/descriptor.binpb ## Generate message types from proto/

.PHONY: build
build: install proto ## Compile everything
	tsc -b
