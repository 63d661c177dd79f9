# make case   sets everything up, runs the medical case, says where the results are
# make test   sets everything up, lints, and runs the whole suite
# make quick  lint and the quick part of the suite
# make test-browser  JupyterLab in a real browser
# make docs   the documentation, into build/docs
# make public-api  writes docs/public_api.txt again, after an intended change of the public API
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CASE ?= medical_coding
# what a case needs beyond the extras `adapters` and `offline`
EXTRA_multilingual_sentiment := multilingual
EXTRA := $(EXTRA_$(CASE))
RUNS ?= runs
SOURCES := $(shell find toolkit plugins notebooks -name '*.py' -o -name '*.yaml' -o -name '*.ipynb' -o -name '*.j2')
LINTED := toolkit plugins templates tests notebooks docs

.PHONY: case test quick lint test-tf5 test-browser docs public-api clean

case: $(RUNS)/.$(CASE)
	@$(BIN)/tunebook show "$$(cat $<)" --runs-dir $(RUNS)

# the stamp holds the id of the run: nothing is run twice while no source has changed
$(RUNS)/.$(CASE): $(VENV)/.case $(EXTRA:%=$(VENV)/.%) $(SOURCES)
	@mkdir -p $(RUNS)
	@$(BIN)/tunebook run $(CASE) --runs-dir $(RUNS) --json > $@.json
	@$(BIN)/python -c 'import json, sys; print(json.load(sys.stdin)["run_id"])' < $@.json > $@.tmp
	@mv $@.tmp $@ && rm $@.json

test: lint
	$(BIN)/python -m pytest -n 2

# what is about the documentation, templates, the kit and agents, which `make test` looks at as well
NOT_QUICK := tests/docs tests/templates tests/examples tests/testing tests/mcp_server tests/strategies
quick: lint
	$(BIN)/python -m pytest -n 2 -m "not slow" $(NOT_QUICK:%=--ignore=%)

lint: $(VENV)/.dev
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb

# the core's tests on transformers 5, without adapters and dask; plans, kernels, the cache, the doors
# and the kit's own proof are the same there, so that their tests are left to the first lane
SAME_ON_TF5 := $(wildcard tests/plugins/test_dask*) \
  $(filter-out tests/notebooks/test_cases.py,$(wildcard tests/notebooks/test_*.py)) \
  $(wildcard tests/testing/test_broken_* tests/testing/test_check_*) \
  tests/audition tests/batch tests/kernels tests/cache tests/cli tests/config tests/docs tests/errors \
  tests/examples tests/handles tests/host tests/mcp_server tests/planning tests/templates \
  tests/widgets
test-tf5: .venv-tf5/.core
	.venv-tf5/bin/python -m pytest -n 2 -m "not adapters" $(SAME_ON_TF5:%=--ignore=%)

# a person in JupyterLab; pictures of it lie in test-screenshots/
test-browser: $(VENV)/.browser
	TUNEBOOK_BROWSER=1 $(BIN)/python -m pytest tests/browser

# the site, strictly: a link that leads nowhere is an error
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/mkdocs.yml
	@echo "build/docs/index.html"

public-api: $(VENV)/.dev
	PYTHONPATH=docs $(BIN)/python docs/write_public_api.py

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[docs]"
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	@command -v chromium > /dev/null || { apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium; } || \
	  { echo "install chromium, as your system does it" >&2; exit 6; }
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[browser]"
	@touch $@

$(VENV)/.case: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[adapters,offline]"
	@touch $@

$(VENV)/.multilingual: $(VENV)/.case
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[multilingual]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.case

.venv-tf5/.core: pyproject.toml constraints-tf5.txt
	@$(MAKE) --no-print-directory VENV=.venv-tf5 .venv-tf5/bin/python
	.venv-tf5/bin/python -m pip install -q -c constraints-tf5.txt -e ".[offline,test]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tunebook needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 6; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .venv-tf5 $(RUNS) build
