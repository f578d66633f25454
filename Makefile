# Needs Python 3.11 or later, make and pip's package index; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Test processes side by side; each starts its own frameworks, so two do on a small machine.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint format clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.netparity-all ## install with every framework and run the seven stories
	$(BIN)/netparity demo

test: $(VENV)/.netparity-dev lint ## install with every framework and the tools, then run every check
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.netparity-dev ## run ruff and mypy, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.netparity-dev ## let ruff put the sources in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "netparity needs Python 3.11 or later; $(PYTHON) is older or missing." >&2; \
	  echo "hint: name another one, for example: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "hint: $(PYTHON) lacks the venv module; on Debian and Ubuntu it is in python3-venv" >&2; exit 2; }

# The stamps make a second run quick: packages are looked at again only when pyproject.toml changes.
$(VENV)/.netparity-all: pyproject.toml | $(BIN)/python
	@echo "Installing netparity and the frameworks into $(VENV): several minutes the first time."
	$(PIP) install --quiet --editable '.[all]'
	@touch $@

$(VENV)/.netparity-dev: pyproject.toml | $(BIN)/python
	@echo "Installing netparity, the frameworks and the tools into $(VENV): several minutes the first time."
	$(PIP) install --quiet --editable '.[all,dev]'
	@touch $@ $(VENV)/.netparity-all
