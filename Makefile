# Gangway. `make` alone explains.

PYTHON ?= python3
VENV := .venv
PORT = 5050
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One more than there are cores: a test in a browser mostly waits.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))')

.PHONY: help demo install test check bench clean

help:
	@echo "make demo    install, migrate, seed and serve everything on throw-away data; prints where to click"
	@echo "             (PORT=6060 chooses another port than 5050; it takes that and the next two)"
	@echo "make install install, and nothing else: .venv/bin/gangway is there then"
	@echo "make test    install and run all checks and tests"
	@echo "make check   format, lint and types only"
	@echo "make bench   measure speed and memory, and print a table"
	@echo "make clean   remove what the others made"
	@echo
	@echo "Needs Python 3.11 or newer, git and make. PYTHON=python3.13 chooses another Python."

demo: $(VENV)/run.stamp
	@$(BIN)/gangway demo --port $(PORT)

install: $(VENV)/run.stamp
	@echo "$(BIN)/gangway is there; $(BIN)/gangway --help tells what it does"

# What was compiled is kept, whatever the environment says: each of hundreds of programs would compile it again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/dev.stamp check
	@$(BIN)/python -m tests.what_is_here
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --stack postgres

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) static/vendor test-output .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# Exactly the locked versions, checked by hash; then the project itself, which fetches htmx as it is installed.
$(VENV)/run.stamp: requirements.lock pyproject.toml package-lock.json hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gangway needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing …"
	@$(PIP) --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	@$(PIP) --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@
