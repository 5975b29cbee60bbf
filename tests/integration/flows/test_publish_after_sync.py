"""Each sync publishes, without Prefect and as a flow run."""

from __future__ import annotations

import json
import sys

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
)

from flows.serve.run_local import sync_without_prefect

COUNT = "open('commands', 'a').write('x')"


def add_publication(project, name, *, code=COUNT, **options):
    lines = {"format": "jekyll", "folder": name, "command": [sys.executable, "-c", code]} | options
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    with project.config.open("a", encoding="utf-8") as file:
        file.write(f"\n[publish.{name}]\n{text}")


def posts_of(project, name):
    return sorted(one.name for one in (project.folder / name / "_posts").glob("*.md"))


def test_sync_publishes_its_sources_and_does_nothing_when_nothing_is_new(stored):
    add_publication(stored, "all")
    add_publication(stored, "other", sources=["finews"])
    add_publication(stored, "timed", schedule="every 10 minutes")

    first, second = stored.sync("ofweek"), stored.sync("ofweek")

    (published,) = first.as_json()["publications"]
    assert (published["name"], published["state"]) == ("all", "published")
    assert published["written"] == len(stored.rows("SELECT 1 FROM articles"))
    assert posts_of(stored, "all")
    assert "publications" not in second.as_json()
    assert (stored.folder / "all/commands").read_text() == "x"
    assert posts_of(stored, "other") == posts_of(stored, "timed") == []


def test_failed_command_fails_the_sync_names_itself_and_is_repeated(stored):
    add_publication(stored, "blog", code="raise SystemExit('remote rejected')")

    first, second = stored.sync("ofweek"), stored.sync("ofweek")

    for report in (first, second):
        assert (report.state, report.exit_code) == ("failed", 1)
        (error,) = [one for one in report.errors if one.startswith("publish blog: ")]
        assert "exit code 1" in error
        assert "remote rejected" in error
    assert second.as_json()["publications"][0]["written"] == 0


def test_publication_of_an_unknown_source_fails_the_sync_and_stores_its_articles(stored):
    add_publication(stored, "blog", sources=["ofweek", "ofwek"])

    report = sync_without_prefect(stored.settings, ["ofweek"])

    assert report.state == "failed"
    assert "did you mean 'ofweek'" in report.errors[-1]


@pytest.mark.e2e
@pytest.mark.usefixtures("prefect_server")
def test_flow_runs_a_publication_that_has_work_as_a_flow_run_with_a_table(stored):
    add_publication(stored, "blog")

    reports = [stored.sync_with_prefect("ofweek") for _ in range(2)]

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["publish"])),
        )
        config = str(stored.config)  # of this project: the server is shared
        (run,) = [one for one in runs if one.parameters["config"] == config]
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        (artifact,) = client.read_artifacts(artifact_filter=of_run)
    (row,) = json.loads(artifact.data)
    (published,) = reports[0].as_json()["publications"]
    assert run.state.is_completed()
    assert run.parent_task_run_id is not None
    assert (artifact.key, row["publication"]) == ("copydesk-publish", "blog")
    assert row["written"] == published["written"] > 0
    assert "publications" not in reports[1].as_json()
