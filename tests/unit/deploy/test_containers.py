"""Container files, which are not run here: checked against the schemas of their programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.30"
INSTRUCTION = re.compile(r"^([A-Z]+) ((?:.*\\\n)*.*)", re.MULTILINE)


def instructions(*names: str) -> list[str]:
    """The arguments of these instructions in the Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    return [rest for name, rest in INSTRUCTION.findall(text) if name in names]


def test_compose_file_is_what_the_compose_specification_allows():
    pytest.importorskip("check_jsonschema")

    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         str(DEPLOY / "compose.yaml")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_manifests_are_what_kubernetes_takes():
    validate = pytest.importorskip("kubernetes_validate").validate
    text = (DEPLOY / "kubernetes" / "copydesk.yaml").read_text("utf-8")

    documents = list(yaml.safe_load_all(text))

    assert [one["kind"] for one in documents] == ["ConfigMap", "StatefulSet", "Service"]
    for document in documents:
        validate(document, KUBERNETES, strict=True)


def test_image_is_built_from_pinned_images_and_files_that_exist():
    bases = [one.split(" AS ")[0] for one in instructions("FROM")]
    copied = [
        word for one in instructions("COPY") if "--from" not in one for word in one.split()[:-1]
    ]

    assert bases
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", one) for one in bases)
    assert "deploy/constraints.txt" in copied
    assert [one for one in copied if not (ROOT / one).exists()] == []
    assert any("--require-hashes" in one for one in instructions("RUN"))


def test_image_runs_without_rights_and_its_health_is_the_servers():
    assert [one.strip() for one in instructions("USER")] == ["10001"]
    (check,) = instructions("HEALTHCHECK")
    assert "/api/health" in check


def test_services_that_listen_nowhere_have_no_health_check_of_the_image():
    compose: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))

    for name, service in compose["services"].items():
        if service.get("image") == "copydesk":
            is_server = "server" in service["command"]
            assert service["healthcheck"].get("disable", False) is not is_server, name


def test_every_unit_of_one_machine_works_in_the_same_folder():
    wanted = {
        line
        for line in (DEPLOY / "systemd" / "copydesk.service").read_text("utf-8").splitlines()
        if line.startswith("Environment=COPYDESK_")
    }

    assert len(wanted) == 4
    backup = (DEPLOY / "systemd" / "copydesk-backup.service").read_text("utf-8")
    assert wanted <= set(backup.splitlines())


def test_unit_of_a_worker_has_the_paths_of_its_configuration_file():
    """The warehouse is a lake: a path of a file beside its url is refused."""
    worker = (DEPLOY / "systemd" / "copydesk-worker.service").read_text("utf-8")

    assert re.findall(r"^Environment=(COPYDESK_\w+)", worker, re.MULTILINE) == ["COPYDESK_CONFIG"]
