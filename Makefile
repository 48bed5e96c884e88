# Two commands for a newcomer:  make demo  (a study with its report)  and  make test.
# Everything goes into $(VENV); a stamp file remembers what was installed there.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt

# Two tests at a time; each would like all cores for its linear algebra otherwise.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1

.PHONY: demo test docs lint help

help:
	@echo "make demo   run studies/demo.toml: a ranking on the terminal and a report to open"
	@echo "make test   the quick tests (the slow ones: $(BIN)/pytest -m slow)"
	@echo "make docs   the documentation, into docs/_build/html"
	@echo "make lint   ruff and the import contracts"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 on the PATH. Install one, or: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing sbml-hybrid into $(VENV) (a few minutes the first time) ..."
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing sbml-hybrid and its tests' tools into $(VENV) (a few minutes the first time) ..."
	$(INSTALL) -e ".[dev,docs,dask]"
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/sbml-hybrid run studies/demo.toml

test: $(VENV)/.installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
