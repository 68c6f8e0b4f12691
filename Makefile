# Every target works on a fresh clone. `make demo` and `make test` are the two to know.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SPEED ?= 30
DURATION ?=
TESTS ?=
# on a CI machine the tests also get what they need from outside: packages of Debian, and the control plane
IN_CI := $(if $(filter true,$(CI)),system)
CONTROL_PLANE ?= ../shared/control-plane/build

# bytecode is written when a module is first imported: writing it for every module doubles the installation
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --no-compile
UV := $(VENV)-lock/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --python-version 3.11 --constraint requirements/constraints.in

.PHONY: help
help:  ## Say what can be made
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

.PHONY: demo
demo: $(VENV)/.runtime  ## Run the sandbox: the real daemon against an emulated fleet, no cluster needed
	@$(BIN)/autoscaler run --sandbox --speed $(SPEED) $(if $(DURATION),--duration $(DURATION))

.PHONY: test
test: $(IN_CI) $(VENV)/.dev check  ## Check the code, then run every test
	@assets="$${KUBEBUILDER_ASSETS:-}"; \
	if [[ -n "$(IN_CI)" && -z "$$assets" ]]; then \
		[[ -x $(CONTROL_PLANE) ]] || { echo "Set KUBEBUILDER_ASSETS to a folder with kube-apiserver, kube-controller-manager and etcd" >&2; exit 1; }; \
		echo "Building the control plane for tests (minutes the first time, nothing afterwards) ..."; \
		assets=$$($(CONTROL_PLANE)); \
	fi; \
	if [[ -n "$$assets" ]]; then export KUBEBUILDER_ASSETS="$$assets"; fi; \
	$(BIN)/python -m pytest $(TESTS)

.PHONY: check
check: $(VENV)/.dev  ## Lint, formatting, types, import layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: e2e
e2e: $(VENV)/.dev  ## Run only the tests against a real control plane and Prometheus
	@$(BIN)/python -m pytest -m cluster $(TESTS)

.PHONY: bench
bench: $(VENV)/.dev  ## Measure what the budgets promise; benchmarks/README.md names what else can be measured
	@for name in start decision simulator; do echo "$$name"; $(BIN)/python "benchmarks/$$name.py"; done

.PHONY: docs
docs: $(VENV)/.dev  ## Write docs/reference from the models
	@$(BIN)/python docs/generate.py

# the versions already in an output file are kept where they fit: so the smaller files agree with dev.txt
.PHONY: lock
lock: $(UV)  ## Choose the newest versions that fit, and pin them by hash
	@$(COMPILE) --upgrade --extra sim --extra tune --extra dev pyproject.toml --output-file requirements/dev.txt
	@for file in runtime sim build; do cp requirements/dev.txt requirements/$$file.txt; done
	@$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	@$(COMPILE) --extra sim pyproject.toml --output-file requirements/sim.txt
	@$(COMPILE) --group pyproject.toml:build --output-file requirements/build.txt
	@git --no-pager diff --stat -- requirements

.PHONY: system
system:  ## Install what the tests need from Debian (root): Prometheus, etcd, kubectl, venv
	@missing=(); \
	command -v prometheus >/dev/null || missing+=(prometheus); \
	command -v etcd >/dev/null || missing+=(etcd-server); \
	command -v kubectl >/dev/null || missing+=(kubernetes-client); \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv); \
	if (( $${#missing[@]} )); then \
		command -v apt-get >/dev/null || { echo "Please install: $${missing[*]}" >&2; exit 1; }; \
		sudo=(); [[ $$(id -u) == 0 ]] || sudo=(sudo); \
		echo "Installing from Debian: $${missing[*]} ..."; \
		"$${sudo[@]}" apt-get update -qq; \
		"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi

.PHONY: clean
clean:  ## Remove what the targets above made
	rm -rf $(VENV) $(VENV)-lock build dist .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python: | $(IN_CI)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (once, up to a minute) ..."
	@$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) with the tools of development (once, a minute or two) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt -r requirements/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/.runtime

$(UV):
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip -qq --disable-pip-version-check install uv
