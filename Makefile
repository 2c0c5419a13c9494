# Everything a developer or a user runs. The environment is kept in .venv and made on first use;
# `make` alone lists the targets. Settings: PYTHON (3.11 or newer), CMAKE_ARGS, CFLAGS, CXXFLAGS for
# the build of llama.cpp, ARGS for what is run. The user's own pip settings apply.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BENCH_ARGS ?= $(ARGS)
LOCKS := requirements/dev.txt requirements/build.txt
# Hundreds of processes of a test run would compile the sources again, each.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check

# A .venv that was moved or copied here, or whose Python is gone, is made anew.
venv_ok := $(shell grep -qsF ' $(CURDIR)/$(VENV)' $(VENV)/pyvenv.cfg && $(BIN)/python -c 'print("yes")' 2>/dev/null)
ifneq ($(venv_ok),yes)
.PHONY: $(VENV)/pyvenv.cfg
endif

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: setup ## Start a server, stream one answer from it, show its metrics, stop
	@$(BIN)/genai-xapp demo $(ARGS)

.PHONY: demo-big-little
demo-big-little: setup model ## Start two nodes, ask one question little-only, verified, corrected, guided
	@$(BIN)/genai-xapp demo-big-little $(ARGS)

.PHONY: demo-rag
demo-rag: setup model ## Start a node, index some pages, ask one question without and with their passages
	@$(BIN)/genai-xapp demo-rag --embedder "$$($(BIN)/python -m scripts.demo_embedder)" $(ARGS)

.PHONY: demo-voice
demo-voice: setup model ## Ask a node by voice, from a WAV file to a WAV file, without a sound card
	@$(PIP) install --quiet --require-hashes -r requirements/speech.txt
	@$(BIN)/genai-xapp demo-voice $(ARGS)

.PHONY: serve
serve: setup ## Serve the default model on ports 50051 (gRPC) and 8080 (HTTP)
	@exec $(BIN)/genai-xapp serve $(ARGS)

.PHONY: test
test: setup model helm ## Run every test, those with a real model and server as well
	@VENV=$(VENV) scripts/test $(ARGS)

.PHONY: test-fast
test-fast: setup ## Run the tests that need no real model or server
	@$(BIN)/python -m pytest -m 'not slow' $(ARGS)

.PHONY: test-image
test-image: setup ## Build the image and test it with the limits of a small Raspberry Pi
	@$(BIN)/python -m tests.image $(ARGS)

.PHONY: test-image-arm64
test-image-arm64: setup ## Cross-compile the image for arm64 and run it on an emulated Raspberry Pi 5
	@$(BIN)/python -m tests.image.arm64 $(ARGS)

.PHONY: test-full
test-full: setup model helm ## Run every test at its full size, as each night: longer storms, more examples
	@XAPP_TESTS=full VENV=$(VENV) scripts/test $(ARGS)

.PHONY: test-cluster
test-cluster: setup ## Install the chart with the image on a Kubernetes node of its own, and test it there
	@$(BIN)/python -m tests.cluster $(ARGS)

.PHONY: lint
lint: $(VENV)/.installed ## Run every static check
	@VENV=$(VENV) scripts/lint

.PHONY: audit
audit: $(VENV)/.installed ## Look for known vulnerabilities in the locked dependencies
	@$(BIN)/python -m scripts.audit

.PHONY: format
format: $(VENV)/.installed ## Format the code and apply safe fixes
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: setup model ## Measure speed and memory against the bars: JSON and a table
	@$(BIN)/genai-xapp bench serving $(BENCH_ARGS)

.PHONY: bench-promises
bench-promises: setup model ## Measure deadlines, priorities, predictions and typed answers against the bars
	@$(BIN)/genai-xapp bench promises $(BENCH_ARGS)

.PHONY: attacks
attacks: setup model ## Attack a node of its own, and print what its other callers notice
	@$(BIN)/python -m tests.attacks $(ARGS)

# SECONDS is a variable of bash itself, so only make's own counts.
.PHONY: robustness
robustness: setup model ## Random faults under mixed load, and every rule of the checker: SECONDS=180 SEED=N
	@$(BIN)/python -m tests.robustness --seconds $(or $(SECONDS),180) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: fuzz
fuzz: setup ## Fuzz what strangers send, and files of models and tasks: SECONDS=60 SEED=N
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: bench-pool
bench-pool: setup ## Measure several nodes behind one target against the bars
	@$(BIN)/genai-xapp bench pool $(BENCH_ARGS)

.PHONY: bench-smoke
bench-smoke: setup model ## Run every mode of the harness at its smallest, and the report
	@VENV=$(VENV) scripts/bench_suite smoke $(ARGS)

.PHONY: bench-nightly
bench-nightly: setup model ## Run every mode of the harness at full size, and the report
	@VENV=$(VENV) scripts/bench_suite nightly $(ARGS)

.PHONY: image
image: ## Build the image: PLATFORM=linux/arm64, BASE=debian without a registry, ARCHIVE=FILE as an archive
	@docker/build $(ARGS)

.PHONY: peers
peers: setup model ## Build llama-server and install llama-cpp-python's server, to compare with
	@$(BIN)/python -m perf.peers $(ARGS)

.PHONY: model
model: setup ## Fetch the embedded default model
	@$(BIN)/genai-xapp models pull smollm2-135m-q4_1

.PHONY: helm
helm: $(VENV)/.installed ## Build Helm, with which the chart is tested, where the machine has none
	@$(BIN)/python -m tests.cluster.programs helm

.PHONY: setup
setup: $(VENV)/.installed ## Make the environment and build llama.cpp for this CPU
	@$(BIN)/python -m scripts.build_llama

.PHONY: rebuild
rebuild: $(VENV)/.installed ## Build llama.cpp again, whatever is cached
	@$(BIN)/python -m scripts.build_llama --rebuild

.PHONY: proto
proto: $(VENV)/.installed ## Generate the Python stubs from proto/
	@VENV=$(VENV) scripts/proto

.PHONY: proto-baseline
proto-baseline: $(VENV)/.installed ## Accept the contract as it is for the breaking check
	@VENV=$(VENV) scripts/proto --baseline

.PHONY: lock
lock: $(VENV)/.installed ## Pin the dependencies again (ARGS=--upgrade takes the newest)
	@UV=$(BIN)/uv scripts/lock $(ARGS)

.PHONY: clean
clean: ## Remove the environment and everything generated; cached wheels and models stay
	rm -rf $(VENV) .build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; say which: make PYTHON=python3.12")'
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear '$(CURDIR)/$(VENV)' || { echo "on Debian the package python3-venv is needed" >&2; exit 1; }

$(VENV)/.installed: $(VENV)/pyvenv.cfg $(LOCKS) pyproject.toml
	@echo "installing the locked packages (a minute or two, once)"
	@$(PIP) install --quiet --require-hashes $(addprefix -r ,$(LOCKS))
	@$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@
