# make run: load the sample and serve it. make help: the rest.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean

help: ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

run: $(VENV)/installed ## load the sample, show recommendations, serve the API (PORT=8000)
	@$(BIN)/recommender load samples/movies.csv --catalogue movies
	@$(BIN)/recommender similar movies toy-story
	@$(BIN)/recommender serve --port $(PORT)

test: $(VENV)/installed-dev ## run the tests
	@$(BIN)/python -m pytest -q

check: $(VENV)/installed-dev ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/installed-dev ## measure speed and relevance, as JSON lines; fails where a bar is missed
	@$(BIN)/python -m benchmarks

clean: ## remove what was installed and cached here (the local Redis keeps its data)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@$(INSTALL) --editable '.[embedded]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@$(INSTALL) --editable '.[embedded,dev]'
	@touch $(VENV)/installed $@
