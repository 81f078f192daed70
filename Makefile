# Every command of the project. Needs Python 3.11 or later and make; installs into .venv alone.

SHELL := /bin/bash
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)
BIN := .venv/bin
# Each worker takes whole groups: the tests on the Odoo server are one, for some of them stop it.
WORKERS ?= 2
SCALE ?= 1
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard crm_core/__init__.py connectors/*/__init__.py plugins/*/__init__.py))
# Texts still change: what the catalogues lack is told and fails nothing. Empty it when they are done.
MESSAGES ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo demo-serve screenshots test nightly services services-19 test-19 lint format types contracts docs docs-check \
	messages messages-check wheel bench \
	check clean

help:  ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later found: name one with make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

install: .venv/installed  ## Create .venv with everything a developer needs

demo: .venv/installed  ## Build a trading company in a database of its own and show one customer whole
	@$(BIN)/crm demo --path demo
	@echo "To look at it in the browser: make demo-serve"

demo-serve: .venv/installed  ## Open it in the browser: says the address and who can sign in
	$(BIN)/crm serve --demo --path demo

screenshots: .venv/installed  ## Take the pictures of the README again, from a demo of their own
	$(BIN)/python docs/pictures/take.py

test: .venv/installed  ## Run all tests with the services there are; says at the end what was left out
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

nightly: .venv/installed  ## Drive both sides of a sync at random for thousands of steps
	$(BIN)/python -m pytest tests/crm_core/sync/test_convergence.py tests/crm_core/sync/test_broken_engines.py \
	tests/odoo/test_convergence_odoo.py --hypothesis-profile=nightly --timeout 7200 $(ARGS)

services: .venv/installed  ## Bring up PostgreSQL, a real Odoo and a browser for the tests
	$(BIN)/python tests/services/postgres.py up
	$(BIN)/python tests/services/documents.py up
	$(BIN)/python tests/services/browser.py up
	@$(BIN)/python tests/services/odoo.py up || { code=$$?; test $$code -eq 75 || exit $$code; \
	echo; echo "*** NO ODOO: the Debian mirror no longer serves its suite. Its tests are left out. ***"; echo; }

services-19: .venv/installed  ## Bring up an Odoo 19 beside the other; CRM_TEST_ODOO=19 makes tests use it
	CRM_TEST_ODOO=19 $(BIN)/python tests/services/odoo.py up

test-19: .venv/installed  ## Run the tests against a real Odoo on 19; CI runs them on 14 only
	CRM_TEST_ODOO=19 $(BIN)/python -m pytest tests/odoo $(ARGS)

lint: .venv/installed  ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed  ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/installed  ## Static types
	$(BIN)/mypy

contracts: .venv/installed  ## Who may import whom
	$(BIN)/lint-imports --no-logo

docs: .venv/installed  ## Write the generated documents again
	$(BIN)/python -m crm_hooks.catalogue --write hooks/README.md

docs-check: .venv/installed  ## Whether the generated documents are current
	$(BIN)/python -m crm_hooks.catalogue --check hooks/README.md

messages: .venv/installed  ## Gather all texts into the catalogues of translations, and compile them
	$(BIN)/python -m crm_core.testing.catalogues update $(PACKAGES)

messages-check: .venv/installed  ## Whether the catalogues are complete, right and current
	$(BIN)/python -m crm_core.testing.catalogues check $(MESSAGES) $(PACKAGES)

wheel: .venv/installed  ## Build the distribution into dist/; tests/architecture looks into it
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	$(BIN)/python -m zipfile --list dist/*.whl

bench: .venv/installed  ## Measure; SCALE=0.01 for one hundredth of the size
	$(BIN)/python bench/run.py --scale $(SCALE) $(ARGS)

check: lint types contracts docs-check messages-check  ## All that needs no test run

clean:  ## Remove all that make made; the services' cache stays
	rm -rf .venv build dist demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
