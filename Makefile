# Each target works from nothing but Python 3.11 and make; the first one to run sets the packages up.

PYTHON ?= python3
WORKERS ?= auto
VENV := .venv
RUN := $(VENV)/bin/python -m
PACKAGES := $(VENV)/.packages
BROWSER := $(VENV)/.browser
POSTGRES := $(VENV)/.postgres
PRIVATE_BROWSER := $(wildcard build/browser)
PYTEST := $(RUN) pytest -n $(WORKERS) --dist loadgroup
# The tests wait for a disk more than for anything else: they work in memory where there is room.
ROOM := $(shell test -w /dev/shm && df -Pk /dev/shm | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')
SCRATCH := scratch=$$(mktemp -d "$(or $(ROOM),$${TMPDIR:-/tmp})/bt.XXXXXX") && chmod 711 "$$scratch" && \
	trap 'rm -rf "$$scratch"' EXIT && export TMPDIR="$$scratch" &&

.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench lock reference catalogues clean check

help:
	@echo "make demo       run every system on the sandbox and show what happened"
	@echo "make test       format, lint, types, layers, fast tests with coverage"
	@echo "make test-all   the same, and the slow tests"
	@echo "make bench      measure against other ways of doing the same"
	@echo "make reference  write docs/reference anew from the code"
	@echo "make catalogues compile the languages' catalogues"
	@echo "make lock       renew requirements.lock"
	@echo "make clean      remove what the targets made"

$(PACKAGES): requirements.lock pyproject.toml tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py packages
	@touch $@

$(BROWSER): $(PACKAGES)
	@$(PYTHON) tools/bootstrap.py browser
	@touch $@

$(POSTGRES): $(PACKAGES)
	@$(PYTHON) tools/bootstrap.py postgres
	@touch $@

demo: $(PACKAGES)
	@$(RUN) backhaul demo

check: $(PACKAGES)
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

test: check $(BROWSER) $(POSTGRES)
	@$(MAKE) --no-print-directory fast-tests

test-all: check $(BROWSER) $(POSTGRES)
	@$(MAKE) --no-print-directory all-tests

# Targets of their own, because a private Chromium may exist only after $(BROWSER) is made.
.PHONY: fast-tests all-tests
ifneq ($(PRIVATE_BROWSER),)
fast-tests all-tests: export CHROME_BIN ?= $(abspath $(PRIVATE_BROWSER)/chromium-headless-shell)
fast-tests all-tests: export PLAYWRIGHT_NODEJS_PATH ?= $(abspath $(PRIVATE_BROWSER)/node)
endif

fast-tests:
	$(SCRATCH) $(PYTEST) -m "not slow" --cov --cov-report=term:skip-covered

all-tests:
	$(SCRATCH) $(PYTEST) --cov --cov-report=term:skip-covered

bench: $(PACKAGES) $(BROWSER) .venv-bench/.packages
	@$(RUN) benchmarks --peer-python .venv-bench/bin/python

.venv-bench/.packages: benchmarks/requirements.txt $(PACKAGES)
	@echo "Setting up the packages that we are measured against (about two minutes, once) ..."
	@$(RUN) venv --clear --without-pip .venv-bench
	@$(RUN) pip --python .venv-bench/bin/python install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

lock: $(PACKAGES)
	@$(RUN) pip install --quiet --disable-pip-version-check uv
	@$(RUN) uv pip compile pyproject.toml --quiet --upgrade --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock

reference: $(PACKAGES)
	@$(RUN) tools.reference

catalogues: $(PACKAGES)
	@$(RUN) tools.catalogues

clean:
	rm -rf .venv .venv-bench build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
