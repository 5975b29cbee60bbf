"""A reparse right after the demo changes nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from flows import demo_site
from flows.cli import demo_run
from tests.e2e.project import Project

ARTICLES = "SELECT * FROM articles ORDER BY article_id"
REVISIONS = "SELECT * FROM revisions ORDER BY ALL"


def test_reparse_of_the_demo_updates_nothing(tmp_path):
    with demo_site.serve() as url:
        port = urlsplit(url).port
        demo_run.write_config(tmp_path, port=port, article_url=demo_run.ARTICLE_URL)
        project = Project(folder=tmp_path, news_site=None, faults={})
        synced = project.sync(*project.settings.sources)
    assert synced.totals()["new"] > 50
    before = project.rows(ARTICLES), project.rows(REVISIONS)

    diff = project.reparse_diff(*project.settings.sources)
    report = project.reparse(*project.settings.sources)

    assert diff.regressions == ()
    assert all(changes == {} for changes in diff.changed.values())
    totals = report.totals()
    assert (totals["new"], totals["updated"], totals["duplicate"], totals["failed"]) == (0, 0, 0, 0)
    assert totals["unchanged"] > 50
    assert (project.rows(ARTICLES), project.rows(REVISIONS)) == before
