# Every target prepares what it needs by itself: the virtual environment, the pinned dependencies, the native modules.
# Stamps live inside the environment, so `rm -rf .venv` starts afresh. Pass options with ARGS="...".

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# The first interpreter that really starts and is new enough: a shim of a version manager may exist without its version.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3; do \
	$$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$candidate && break; done)
NATIVE := $(shell sed -n 's/^    "\([a-z0-9_.]*\)",$$/\1/p' pipeline/native.py | tr . / | sed 's/$$/.py/')

CREATED := $(VENV)/.stamp-created
RUNTIME := $(VENV)/.stamp-runtime
DEVELOP := $(VENV)/.stamp-develop
BUILT := $(VENV)/.stamp-built

.NOTPARALLEL:
.PHONY: help setup build demo run check format test test-pure test-all bench golden fuzz fuzz-asan docs dashboards dashboards-preview servers clean

help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: $(BUILT) ## prepare the virtual environment with the weir command in it
	@echo "ready: $(BIN)/weir"

build: $(RUNTIME) ## compile the native modules in place
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $(BUILT)

demo: $(BUILT) ## six simulated services through the real pipeline; ARGS=--check
	@$(BIN)/weir demo $(ARGS)

run: $(BUILT) ## run a configuration; ARGS="--config my.yaml"
	@$(BIN)/weir run $(ARGS)

check: $(DEVELOP) $(BUILT) ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEVELOP) ## rewrite the sources in the house format
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

test: $(DEVELOP) $(BUILT) ## the tests that need nothing but this machine; ARGS="-k edges"
	$(BIN)/python -m pytest -m "not e2e" $(ARGS)

# Not where no native module is at work, nor simulations, whose kernels have tests of their own that run in both ways.
NOT_NATIVE := benchmarks config dashboards deploy docs extensions rules test_import_directions.py

test-pure: $(DEVELOP) $(BUILT) ## the fast tests with the native modules uncompiled
	WEIR_PURE_PYTHON=1 $(BIN)/python -m pytest -m "not e2e and not simulation" tests/unit tests/contract tests/golden \
		$(NOT_NATIVE:%=--ignore=tests/unit/%) $(ARGS)

test-all: test-pure ## all tests: uncompiled, compiled, and with real components (Prometheus, Node) where they are installed
	$(BIN)/python -m pytest $(ARGS)

bench: $(DEVELOP) $(BUILT) ## measure; ARGS="--quick" or ARGS="--only decode"
	@$(BIN)/python -m benchmarks.run $(ARGS)

golden: $(DEVELOP) $(BUILT) ## rewrite the expected outputs of tests/golden and of the chart (with helm); read the diff
	WEIR_REWRITE_GOLDEN=1 $(BIN)/python -m pytest tests/golden tests/unit/deploy $(ARGS)

fuzz: $(DEVELOP) $(BUILT) ## hostile bytes against the compiled decoders; ARGS="--seconds 600"
	$(BIN)/python -m tests.fuzz $(ARGS)

fuzz-asan: $(DEVELOP) ## the same against a build with the address sanitizer, in a copy of the tree
	sh tests/fuzz/asan.sh $(BIN)/python $(ARGS)

docs: $(DEVELOP) $(BUILT) ## check the pages (links, Python, YAML) and write the reference of all components to build/reference
	$(BIN)/python -m pytest -q tests/unit/docs $(ARGS)
	@mkdir -p build/reference
	@for name in $$($(BIN)/weir components | sed -n 's/^- name: //p' | sort -u); do \
		$(BIN)/weir components show $$name > build/reference/$$name.yaml || exit 1; done
	@echo "written: build/reference"

dashboards: $(DEVELOP) $(BUILT) ## write the Grafana dashboards and the bundled rules anew
	$(BIN)/python -m dashboards.build
	$(BIN)/weir rules generate --config deploy/config/slo.yaml --output deploy/prometheus/rules/weir.yaml
	$(BIN)/weir rules generate --config deploy/config/gateway.yaml --operator --output deploy/kubernetes/overlays/production/prometheusrule.yaml
	$(BIN)/weir rules generate --config deploy/config/gateway.yaml --output deploy/helm/weir/files/rules.yaml
	cp deploy/config/gateway.yaml deploy/helm/weir/files/config.yaml
	cp deploy/config/gateway.yaml deploy/kubernetes/base/config.yaml

dashboards-preview: $(DEVELOP) $(BUILT) ## draw the dashboards from a real Prometheus; ARGS="--edition tempo-native"
	@$(BIN)/python -m dashboards.preview $(ARGS)

# Real components for the end-to-end tests, from their Go modules. Prometheus without service discovery and pages, which nobody needs here;
# VictoriaMetrics from a module of our own, because `go install` takes no module that replaces others.
SERVERS := build/servers
GO_BUILD := env GOFLAGS=-buildvcs=false GOBIN=$(abspath $(SERVERS)) nice go
PROMETHEUS_MODULE := github.com/prometheus/prometheus/cmd
PROMETHEUS_VERSION := v0.316.0
HELM_MODULE := helm.sh/helm/v3/cmd/helm@v3.19.5
VICTORIA_MODULE := github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics
VICTORIA_VERSION := v0.0.0-20250718125606-9d9bea03485e

servers: $(addprefix $(SERVERS)/,prometheus3 promtool3 helm victoria-metrics) ## build real servers for the tests (needs go; minutes)

$(SERVERS)/prometheus3 $(SERVERS)/promtool3: $(SERVERS)/%3:
	$(GO_BUILD) install -tags netgo,builtinassets_no,remove_all_sd $(PROMETHEUS_MODULE)/$*@$(PROMETHEUS_VERSION)
	@mv $(SERVERS)/$* $@

$(SERVERS)/helm:
	$(GO_BUILD) install $(HELM_MODULE)

$(SERVERS)/victoria-metrics:
	@mkdir -p $(SERVERS)/module
	cd $(SERVERS)/module && rm -f go.mod go.sum && go mod init servers && go get $(VICTORIA_MODULE)@$(VICTORIA_VERSION) && \
		$(GO_BUILD) build -o ../victoria-metrics $(VICTORIA_MODULE)

clean: ## remove what was built, keep the environment
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(BUILT)
	rm -f $(NATIVE:.py=.c) $(foreach module,$(NATIVE:.py=),$(wildcard $(module).*.so))

$(CREATED):
	@test -n "$(PYTHON)" || { echo "Weir needs Python 3.11 or newer with venv and ensurepip, and none was found" \
		"(python3 is: $$(python3 -V 2>&1)). On Debian: apt install python3-venv. Or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Weir needs Python 3.11 or newer; $(PYTHON) is" \
		"$$($(PYTHON) -V 2>&1). Name another: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The build requirements come from the same constraints, hence no build isolation. The native modules are compiled in place afterwards, so
# that only changed ones are; a missing C compiler costs speed and nothing else.
PIP := WEIR_SKIP_NATIVE=1 PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
$(RUNTIME): pyproject.toml setup.py constraints.txt | $(CREATED)
	$(PIP) setuptools wheel Cython numpy
	$(PIP) --no-build-isolation -e '.[speed]'
	@touch $@

$(DEVELOP): $(RUNTIME)
	$(PIP) --no-build-isolation -e '.[speed,arrow,dev]'
	@touch $@

$(BUILT): $(RUNTIME) $(NATIVE) $(wildcard pipeline/*.pxd pipeline/*/*.pxd processors/*/*.pxd)
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $@
