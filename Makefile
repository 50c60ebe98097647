# Works with plain python3 and venv; uses uv where it is installed.  `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.sweepfarm-installed
UV := $(shell command -v uv 2>/dev/null)
SOURCES := sweeps farm analysis tests bench examples
# Much of the tests' time is waiting for processes.  Tests of a group share a worker.
PYTEST_ARGS ?= -n 2 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check format bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment and install everything into it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] < (3, 14); \
	sys.exit(0 if ok else "Sweepfarm needs Python 3.11, 3.12 or 3.13; this is %s. " \
	"Name another one: make PYTHON=python3.12 ..." % sys.version.split()[0])'
ifdef UV
	@test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV)
	uv pip install --quiet --python $(BIN)/python -e '.[dev]'
else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "python cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
endif
	@touch $(STAMP)

demo: $(STAMP) ## the main job: real kernels on this machine, then four simulated cards with faults
	$(BIN)/python examples/demo.py

test: $(STAMP) ## all tests; PYTEST_ARGS='-k store' selects, and runs one after the other
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP) ## format, rules, types, imports, docstrings
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(find sweeps farm analysis -name '*.py')

check: lint test ## lint and test: what a commit must pass

format: $(STAMP) ## rewrite the sources in the house format
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(STAMP) ## measure the figures that the project reports about itself
	$(BIN)/python bench/first_light.py

clean: ## remove the virtual environment, caches and the demo's output; never a sweep of yours
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
