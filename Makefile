# The two commands of a fresh clone are `make demo` and `make test`; everything they
# install or write stays in this folder (.venv, .cache, build, data).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "make pins"

export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: help install demo check test test-operations test-lake test-all soak torture record pins clean debian
.PHONY: bench bench-warehouse bench-import bench-orchestration

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 28

install: $(STAMP) ## A virtual environment in .venv with everything pinned

$(STAMP): deploy/constraints.txt pyproject.toml
	@echo "Installing copydesk and its pinned dependencies into $(VENV) (a minute or two, once)"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("copydesk needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

debian: ## What some tests use of the system, where it is missing (needs root): PostgreSQL, systemd
	@set --; ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || set -- "$$@" postgresql; \
	command -v systemd-analyze >/dev/null || set -- "$$@" systemd; \
	[ $$# = 0 ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@"; }

demo: install ## The main job, offline: newsstand -> Prefect -> DuckDB, kept in build/demo
	@rm -rf build/demo
	@$(BIN)/copydesk demo --keep build/demo

check: install ## ruff, mypy strict
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

test: check ## check, then the tests: unit, contract, end to end (5 minutes)
	@$(BIN)/python -m tests

test-operations: install ## Schedules, backfills, kills and lost servers, for real (8 minutes)
	@$(BIN)/python -m tests.e2e

test-lake: .cache/lake/.installed ## The schema and the upsert on DuckLake, whose wheels need duckdb 1.5.5
	@.cache/lake/bin/python -m pytest -p no:cacheprovider tests/unit/warehouse/test_ducklake.py

.cache/lake/.installed: $(STAMP) deploy/lake.txt
	@echo "Installing duckdb 1.5.5 and its extensions into .cache/lake, over the packages of $(VENV)"
	@rm -rf .cache/lake && $(BIN)/python -m venv --without-pip .cache/lake
	@$(BIN)/python -m pip --python .cache/lake/bin/python install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/lake.txt
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	    > "$$(.cache/lake/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/other-packages.pth"
	@touch $@

test-all: install .cache/lake/.installed ## All of these and a sample of the soak side by side, as CI does (12 minutes)
	@$(BIN)/python -m tests.side_by_side '$(MAKE) test-operations' '$(MAKE) soak MINUTES=2' \
	    '$(MAKE) test' '$(MAKE) test-lake' --at-once 2

soak: install ## serve against a misbehaving newsstand, with kills: make soak MINUTES=2
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30)

bench: install .cache/peers/.installed ## The fetcher against bare requests, urllib3, aiohttp and Scrapy (needs nginx)
	@$(BIN)/python tests/bench/fetch.py --peers .cache/peers/bin/python

bench-warehouse: install .cache/peers/.installed ## The warehouse against dlt, sqlite-utils and pandas; publishing (6 GB)
	@$(BIN)/python tests/bench/warehouse.py --peers .cache/peers/bin/python
	@$(BIN)/python tests/bench/publishing.py

bench-import: install ## Import and export of 37,000 posts: time, memory, size
	@$(BIN)/python tests/bench/importing.py

bench-orchestration: install ## What Prefect costs a run
	@$(BIN)/python tests/bench/orchestration.py

torture: install ## Kill the warehouse's writer 200 times at random points
	@DESK_TORTURE_KILLS=200 $(BIN)/python -m pytest tests/unit/warehouse/test_promises.py -k killing

.cache/peers/.installed: tests/bench/peers.txt
	@echo "Installing what is compared with into .cache/peers"
	@$(PYTHON) -m venv .cache/peers
	@.cache/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

record: install ## make record ARGS="finews page.json --case name": save a page as a fixture
	@$(BIN)/python -m tests.record $(ARGS)

pins: ## Resolve deploy/constraints.txt and deploy/lake.txt again (needs uv)
	@$(COMPILE) --no-annotate --extra dev --constraint deploy/pins.in pyproject.toml --output-file deploy/constraints.txt
	@sed -n '/^lake = /,/^]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml | $(COMPILE) --no-deps - --output-file deploy/lake.txt

clean: ## Remove what the commands above made; your data/ stays
	@rm -rf $(VENV) .cache build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
