# make demo    set up, and run the main job for Swahili
# make test    set up, and run all checks and tests
# make oldest  run the tests with the oldest versions that pyproject.toml allows, in .venv-oldest (uv finds them)
# make bench   set up, and print the figures of docs/benchmarks.md as measured on this machine (about three hours)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that share the tests.
WORKERS ?= 2
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test oldest bench clean

demo: $(VENV)/.installed
	$(BIN)/mlilt quickstart --lang sw

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

oldest: $(VENV)/.installed-test
	$(INSTALL) --quiet uv
	$(BIN)/uv venv --quiet --allow-existing --seed --python $(PYTHON) .venv-oldest
	$(BIN)/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct --editable '.[train]' --group test
	OMP_WAIT_POLICY=passive .venv-oldest/bin/python -m pytest -n $(WORKERS) --dist worksteal

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .venv-oldest build dist data runs reports

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mlilt needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@echo "Installing torch, transformers, timm and their kin: about 6 GB on Linux, a few minutes."
	$(INSTALL) --quiet --editable '.[train]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --quiet --group test
	@touch $@
