# make demo    grades a bundled class of samples and says where its pages are
# make test    checks style, types, layers and all tests
# make lint    the same without the tests
# make clean   removes what the others made, the environment included
#
# The environment is made on first use in .venv, with any Python from 3.11 on: make PYTHON=python3.12 test

PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One thread to a process: a forked worker with more would hang, and small tensors are slower with them.
export OMP_NUM_THREADS := 1
export OMP_WAIT_POLICY := passive
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: demo test lint clean

demo: $(READY)
	$(BIN)/grader demo

# The files in the order of tests/conftest.py, not by their number of tests.
test: lint
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info reports/out .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "torchgrader needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Give one: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Setting up $(VENV) (once; PyTorch is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $@
