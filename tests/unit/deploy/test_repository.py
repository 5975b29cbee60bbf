"""The repository: pins, names of registries, the top level, the stages of CI."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PINS = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8")
SCALE_PINS = (ROOT / "deploy" / "scale.txt").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
TOP_LEVEL = {
    "pyproject.toml", "README.md", "flows", "parsers", "warehouse", "tests", "deploy",
    "Makefile", "LICENSE", "DECISIONS.md", "CONTRIBUTING.md", "CHANGELOG.md",
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


def made_targets(text: str) -> set[str]:
    """The Makefile targets that a script or workflow calls."""
    called = re.findall(
        r"\bmake (?:--jobs \d+ )?((?:[a-z][a-z0-9-]*(?: +|$))+)", text, re.MULTILINE
    )
    return {target for line in called for target in line.split()}


@pytest.mark.parametrize(("pins", "fewest"), [(PINS, 80), (SCALE_PINS, 60)])
def test_every_pin_is_exact_and_has_a_hash(pins, fewest):
    lines = re.sub(r"\\\n\s*", "", pins).splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]

    assert len(requirements) >= fewest
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("pins", [PINS, SCALE_PINS])
def test_pins_name_no_index_and_no_host(pins):
    assert not re.search(r"https?:|index-url|find-links|file:", pins)


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


def test_ci_calls_only_targets_of_the_makefile():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert made_targets(script) >= {"test", "test-slow"}
    assert made_targets(script) - TARGETS == set()


def test_all_tests_are_those_of_every_level():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (slow,) = re.findall(r"^SLOW := (.*)$", makefile, re.MULTILINE)
    files = (file.relative_to(ROOT / "tests") for file in (ROOT / "tests").rglob("test_*.py"))

    assert {"tests/unit", "tests/scale", *slow.split()} == {
        f"tests/{file.parts[0]}" for file in files
    }


@pytest.mark.parametrize("name", ["ci", "nightly", "release"])
def test_workflow_is_valid_and_calls_only_targets_of_the_makefile(name):
    file = ROOT / ".github" / "workflows" / f"{name}.yml"
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    jobs = workflow["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    matrix = [
        target.split()[0]
        for job in jobs
        for target in job.get("strategy", {}).get("matrix", {}).get("target", ())
    ]
    called = {target for step in steps for target in made_targets(step.get("run", ""))}

    subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.github-workflows",
            file,
        ],
        check=True,
        capture_output=True,
    )
    assert (called | set(matrix)) - TARGETS == set()


def test_ci_runs_the_script_that_developers_run():
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")

    assert re.search(r"^ +run: \.ci/run$", ci, re.MULTILINE)


def test_pre_commit_runs_the_commands_of_make_check():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]

    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}
    assert {entry.split()[0] for entry in entries} == {".venv/bin/ruff", ".venv/bin/mypy"}


def test_issue_forms_are_valid():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))

    assert [form.stem for form in forms] == ["bug", "feature", "source_broken"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.github-issue-forms",
            *forms,
        ],
        check=True,
        capture_output=True,
    )
