# Two commands matter: `make demo` (the main job, on this machine) and `make test` (everything that is checked).
# Each sets up what it needs in .venv; `uv` is used where it is installed, else venv and pip.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
ROOTS := engine actions schemas tests benchmarks examples
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test format lint types unit docs soak bench system-deps clean

help:  ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed  ## Watch policies act on real processes of this machine (two minutes)
	$(BIN)/scrimp plan --snapshot examples/fleet.json
	$(BIN)/scrimp demo

test: $(VENV)/.installed-dev  ## Format, lint, strict types, tests, doc checks
	$(BIN)/ruff format --check $(ROOTS)
	$(BIN)/ruff check $(ROOTS)
	$(BIN)/mypy
	$(BIN)/scrimp check --strict policies
	$(BIN)/scrimp test policies
	$(BIN)/pytest -q -m "not soak"

format: $(VENV)/.installed-dev  ## Rewrite code and policies in the canonical layout
	$(BIN)/ruff format $(ROOTS)
	$(BIN)/ruff check --fix $(ROOTS)
	$(BIN)/scrimp fmt policies

soak: $(VENV)/.installed-dev  ## Tests that take minutes
	$(BIN)/pytest -q -m soak

bench: $(VENV)/.installed  ## Every benchmark, quick form
	unmet=0; for file in $$(grep -l 'sys.exit(run(' benchmarks/*.py); do \
	 echo "$$file"; $(BIN)/python $$file --quick || unmet=1; done; exit $$unmet

system-deps:  ## Debian packages that some tests need (as root)
	apt-get update -q
	xargs -a system-deps.txt apt-get install -y -q --no-install-recommends

$(VENV)/bin/python:
	@if command -v uv >/dev/null; then uv venv -q --seed $(VENV); else $(PYTHON) -m venv $(VENV); fi

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing scrimp into $(VENV) (first time only, about a minute)" >&2
	@if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python -e .; else $(BIN)/pip install -q -e .; fi
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.installed
	@if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python --group dev; \
	 else $(BIN)/pip install -q -U 'pip>=25.1' && $(BIN)/pip install -q --group dev; fi
	@touch $@

clean:  ## Remove what was built
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
