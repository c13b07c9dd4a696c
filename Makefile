# setup, serve, test, lint, bench: everything a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup setup-dev serve test lint bench lock clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.ready ## make .venv from the lock file, with nqi in it

setup-dev: $(VENV)/.ready-dev ## the same with what the tests need

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make setup PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "安装依赖，首次约一分钟…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo "安装测试用的依赖…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@touch $@

serve: setup ## run the whole system embedded, with the simulator
	@NQI_SIMULATOR=$${NQI_SIMULATOR:-true} exec $(BIN)/nqi serve

test: setup-dev ## lint, types, import directions and all tests
	@bash tests/run.sh

lint: setup-dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup-dev ## measure and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

lock: setup-dev ## renew both lock files
	$(BIN)/uv pip compile --quiet pyproject.toml --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --group bench --constraint requirements.lock --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements-dev.lock

clean: ## remove what was built; var/ (the data) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
