"""The recipes for CI of ``deploy/publish``, run as their services run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.generators import ROOT, STARTERS

GITHUB, GITLAB = STARTERS / "github-actions.yml", STARTERS / "gitlab-ci.yml"
WHO = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
# Installs and clones: a test has copydesk already.
_NOT_HERE = ("make -C", "git clone")
_SAVES = "${{ !cancelled() && steps.update.outputs.SYNC_STATUS }}"
_SOURCE_FAILED = "steps.update.outputs.SYNC_STATUS == '1'"


def commit_all(folder: Path) -> None:
    """Make a folder a repository with one commit."""
    for arguments in (("init",), ("add", "--all"), ("commit", "--message", "site")):
        quiet = () if arguments[0] == "add" else ("--quiet",)
        subprocess.run([*WHO, arguments[0], *quiet, *arguments[1:]], cwd=folder, check=True)


class Runner:
    """Runs the steps of a recipe: a new clone, the cache before it, and one shell for each step.

    Args:
        folder: Has the clone ``work`` and the cache ``cache``.
        recipe: ``github`` or ``gitlab``.
        site: The repository.
        commands: Scripts by name, before the commands of this machine.
    """

    def __init__(
        self, folder: Path, recipe: str, *, site: Path, commands: Mapping[str, str]
    ) -> None:
        self.folder, self.recipe, self.site = folder, recipe, site
        self.work, self.cache = folder / "work", folder / "cache"
        self.printed = ""
        (folder / "commands").mkdir()
        for name, script in commands.items():
            (folder / "commands" / name).write_text(script, encoding="utf-8")
            (folder / "commands" / name).chmod(0o755)

    def run(self, **variables: str) -> int:
        """One job; the exit code of its first step that failed."""
        shutil.rmtree(self.work, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", self.site, self.work], check=True, timeout=60)
        (self.work / ".copydesk").mkdir()
        (self.work / ".copydesk" / "deploy").symlink_to(ROOT / "deploy")
        (self.folder / "log").unlink(missing_ok=True)
        if self.cache.exists():
            shutil.copytree(self.cache, self.work / "data", symlinks=True)
        return self._github(variables) if self.recipe == "github" else self._gitlab(variables)

    def _github(self, variables: dict[str, str]) -> int:
        job = yaml.safe_load(GITHUB.read_text("utf-8"))["jobs"]["publish"]
        output = self.folder / "output"
        output.write_text("")
        inputs = {"${{ inputs.new_corpus }}": variables.pop("NEW_CORPUS", "")}
        code = 0
        for step in job["steps"]:
            status = _variables(output).get("SYNC_STATUS")
            condition = step.get("if")
            if "cache/save" in step.get("uses", ""):
                assert condition == _SAVES
                if status:
                    self._save()
            is_due = condition is None or (condition == _SOURCE_FAILED and status == "1")
            if "run" not in step or code or not is_due:
                continue
            own = {key: inputs.get(value, value) for key, value in step.get("env", {}).items()}
            known = job["env"] | own | variables | {"GITHUB_OUTPUT": str(output)}
            code = self._shell(step["run"].splitlines(), known)
        return code

    def _gitlab(self, variables: dict[str, str]) -> int:
        pipeline: dict[str, Any] = yaml.safe_load(GITLAB.read_text("utf-8"))
        given = {
            key: one["value"] if isinstance(one, dict) else one
            for key, one in pipeline["variables"].items()
        }
        if code := self._shell(pipeline["pages"]["script"], given | variables):
            return code
        self._save()
        report = self.work / pipeline["pages"]["artifacts"]["reports"]["dotenv"]
        return self._shell(pipeline["sources"]["script"], _variables(report))

    def _shell(self, lines: list[str], variables: dict[str, str]) -> int:
        script = "\n".join(line for line in lines if not line.startswith(_NOT_HERE))
        path = f"{self.folder / 'commands'}:{os.environ['PATH']}"
        ours = {"PATH": path, "LOG": str(self.folder / "log")}
        if "GITHUB_PATH" in script:
            return 0
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.work, env=os.environ | variables | ours, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.printed += done.stdout
        return done.returncode

    def _save(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.work / "data", self.cache, symlinks=True)


def _variables(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text("utf-8").split())
