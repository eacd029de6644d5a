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
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build native ## The whole path on a phantom cohort; run it again to go on
	@node tools/demo.mjs

.PHONY: methods
methods: build native ## Every method on the demo cohort, in one table; run it again to go on
	@node tools/demo.mjs --experiment experiments/methods --output .medformer/methods.html

.PHONY: up
up: build native ## Start all services in the foreground
	@node tools/up.mjs

.PHONY: doctor
doctor: build native ## What this machine computes with, and what is missing
	@medformer doctor

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

.PHONY: native
native: install ## Fetch TensorFlow and build its binding (cached)
	@node tools/native/install.mjs

.PHONY: flow-map
flow-map: install ## Draw docs/data-flow.md from the services' packages
	@node tools/flow-map/main.mjs

.PHONY: charts
charts: install ## Make the chart's schema and README of its values.yaml
	@node tools/charts/main.mjs

.PHONY: observability
observability: build ## Write docs/metrics.md and the chart's dashboards from the code
	@node tools/metrics/main.mjs
	node libs/dashboards/dist/main.js

.PHONY: images
images: build native ## OCI images of the stages, without a Docker daemon; needs buildah
	@images/build.sh cpu

.PHONY: clean
clean: ## Remove everything compiled; data stays
	rm -rf libs/*/dist services/*/dist cli/dist e2e/dist libs/gen/src libs/gen/descriptor.binpb test-results
	find . -name '*.tsbuildinfo' -not -path './node_modules/*' -delete

.PHONY: clean-data
clean-data: ## Remove what make demo and make up made (.medformer)
	rm -rf .medformer

##@ Check

.PHONY: test
test: check test-tools ## Everything: install, build, lint, types, boundaries, protos, tests; ends with the counts
	@rm -rf test-results
	failed=0
	vitest run --project pure --project packages --reporter=default --reporter=json --outputFile.json=test-results/packages.json || failed=1
	vitest run --project e2e --project timed --reporter=default --reporter=json --outputFile.json=test-results/e2e.json || failed=1
	node tools/summarise-tests.mjs test-results/packages.json test-results/e2e.json
	exit $$failed

.PHONY: check
check: build ## Lint, types of the specs, import table, flow map, protos
	biome ci .
	tsc -p tsconfig.spec.json
	node tools/check-imports/main.mjs
	node tools/flow-map/main.mjs --check
	node tools/metrics/main.mjs --check
	node tools/charts/main.mjs --check
	buf lint proto
	tools/proto-breaking.sh

.PHONY: test-tools
test-tools: install native ## What tests need besides packages: TensorFlow, Chromium, S3 servers, grpcurl, Prometheus, Helm, Python clients
	@tools/format-samples.sh
	tools/chromium.sh
	tools/minio.sh
	tools/versitygw.sh
	tools/grpcurl.sh
	tools/python-clients.sh >/dev/null
	tools/prometheus.sh
	tools/charts/install.sh

.PHONY: e2e-cluster
e2e-cluster: build ## The chart on a real Kubernetes control plane with played GPU nodes; builds it once, 25 min of one core
	@tools/charts/install.sh
	tools/cluster/build.sh
	vitest run --config e2e/cluster/vitest.config.ts --root .

.PHONY: e2e-real-node
e2e-real-node: images ## A release of these images on a real kubelet, in namespaces; root, buildah, containerd, CNI plugins, cgroup v1
	@tools/charts/install.sh
	tools/cluster/build.sh real-node
	tools/cluster/node/images.sh
	tools/cluster/node/enter.sh vitest run --config e2e/cluster/vitest.config.ts --root . e2e/cluster/real-node.spec.ts

.PHONY: e2e-cluster-scale
e2e-cluster-scale: build ## Trainer control among SCALE (1000x10000) nodes and jobs: its memory and latencies
	@tools/charts/install.sh
	tools/cluster/build.sh
	MEDFORMER_SCALE=$(or $(SCALE),1000x10000) vitest run --config e2e/cluster/vitest.config.ts --root . e2e/cluster/trainer-scale.spec.ts

.cache/bench-venv/installed: tools/bench/requirements.txt
	python3 -m venv .cache/bench-venv
	.cache/bench-venv/bin/pip install --quiet --requirement tools/bench/requirements.txt
	touch $@

.PHONY: bench
bench: build native .cache/bench-venv/installed ## Speed and memory beside PyTorch, timm, ONNX Runtime, lightly, torchvision, MONAI and TorchIO; 25 min
	@node tools/bench/main.mjs

.PHONY: format
format: install ## Format and fix what the linter can
	biome check --write .
