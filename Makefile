# Everything starts here: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast bench lint format types imports docs tools chromium clean

VENV  := .venv
BIN   := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest
# Two workers fit two cores; a file's tests with Ray share one, and so do all with a browser
# (tests/conftest.py).
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## make .venv and install the pinned packages; a second call does nothing

run: setup  ## set up, then start the service on loopback and print a sign-in link
	@$(BIN)/rlhf up

test: tools chromium  ## all tests
	@$(PYTEST) -n $(WORKERS) --dist loadgroup

test-fast: tools  ## the tests that need neither Ray nor a browser and take seconds
	@$(PYTEST) -n $(WORKERS) --dist loadgroup -m "not slow and not browser and not ray"

bench: tools  ## every benchmark in its full form; JSON and Markdown land in build/benchmarks
	@mkdir -p build/benchmarks
	@for file in $$(ls tests/benchmarks/[a-z]*.py 2>/dev/null); do \
		name=$$(basename $$file .py); echo "benchmark $$name"; \
		$(BIN)/python -m tests.benchmarks.$$name --json build/benchmarks/$$name.json; \
	done

lint: tools  ## ruff: rules and formatting
	@$(BIN)/ruff check --no-cache
	@$(BIN)/ruff format --check --no-cache

format: tools  ## let ruff format and fix what it can
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

types: tools  ## mypy --strict
	@$(BIN)/mypy --strict

imports: tools  ## the import rules of the house
	@$(BIN)/lint-imports

docs: setup  ## write the pages that a program can write
	@$(BIN)/python docs/generate.py

clean:  ## remove .venv, build output and caches
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

tools: $(VENV)/.tools

chromium:
	@.ci/chromium

# A stamp is newer than what it was made from, so that a second call does nothing.
$(VENV)/.installed: pyproject.toml constraints.txt
	@.ci/install $(VENV) .
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	@.ci/install $(VENV) '.[test]'
	@touch $@
