"""The promises of the house itself: pins, hosts, the top level, what CI runs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PINS = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8")
TOP_LEVEL = {
    "pyproject.toml", "README.md", "flows", "parsers", "warehouse", "tests", "deploy",
    "Makefile", "LICENSE", "DECISIONS.md",
}  # fmt: skip
# In pieces, so that this file does not name them itself.
HOSTS = ["pythonhosted" + ".org", "pypi" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org"]


def tracked() -> list[str]:
    """The files git tracks; outside a checkout, none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [name for name in listed.stdout.split("\0") if name]


def pinned() -> dict[str, str]:
    """Package names and versions of the constraints file."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", PINS, re.MULTILINE))


def test_every_pin_is_exact_and_has_a_hash():
    lines = re.sub(r"\\\n\s*", "", PINS).splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]

    assert len(requirements) > 80
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


def test_pins_name_no_index_and_no_host():
    assert not re.search(r"https?:|index-url|find-links|file:", PINS)


def test_every_dependency_is_pinned_and_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    decisions = (ROOT / "DECISIONS.md").read_text(encoding="utf-8").lower()
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=~!\[; ]", one)[0].lower().replace("_", "-") for one in wanted}

    assert {name for name in names if name.replace(".", "-") not in pinned()} == set()
    unexplained = {
        name for name in names if name not in decisions and not name.startswith("types-")
    }
    assert unexplained - {"lxml-stubs"} == set()


def test_no_file_names_a_package_registry():
    if not tracked():
        pytest.skip("not a git checkout")
    named = [
        (name, host)
        for name in tracked()
        for host in HOSTS
        if host in (ROOT / name).read_bytes().decode("utf-8", "replace")
    ]

    assert named == []


def test_top_level_is_as_agreed():
    if not tracked():
        pytest.skip("not a git checkout")
    top = {name.partition("/")[0] for name in tracked()}

    assert {name for name in top if not name.startswith(".")} - TOP_LEVEL == set()


def test_ci_runs_what_anybody_can_run():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "make test" in script
    assert "install" not in script
