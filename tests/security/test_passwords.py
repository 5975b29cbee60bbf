"""Passwords and tokens in URLs are not printed."""

from __future__ import annotations

from flows import settings
from flows.admin.check_sources import describe_sources
from flows.pipeline.stats import RunReport, SourceStats


def test_no_report_of_a_run_shows_a_password_of_a_url() -> None:
    stats = SourceStats(source="feed")
    stats.fail("https://project:planted@feeds.example/rss?token=hidden: the record is damaged")
    stats.warnings.append("https://project:planted@feeds.example/rss")
    report = RunReport(run_id="r", flow="sync", state="failed", stats=(stats,))

    text = f"{report.as_json()} {report.errors} {report.warnings}"

    assert "feeds.example/rss" in text
    assert "planted" not in text
    assert "hidden" not in text


def test_list_of_sources_shows_no_password(tmp_path) -> None:
    config = tmp_path / "copydesk.toml"
    config.write_text(
        '[sources.feed]\nparser = "feed"\n'
        'url = "https://reader:hunter2@example.org/rss?token=abc123"\n',
        encoding="utf-8",
    )

    (row,) = describe_sources(settings.load(config, {}))

    assert row["listings"] == ["https://***@example.org/rss?token=***"]
