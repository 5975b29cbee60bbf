"""The main path: test site, Prefect, parsers, DuckDB; compared with the test site's oracle."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest

from flows.cli import demo_run
from flows.pipeline.stats import OUTCOMES
from tests import site
from tests.integration.flows.conftest import Project
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

# Which of the test site's publications, and read how, each configured source is.
WAYS = {
    "finews": ("finews", "api"),
    "woshipm": ("woshipm", "feed"),
    "woshipm_direct": ("woshipm", "direct"),
    "ofweek": ("ofweek", "direct"),
    "ofweek_feed": ("ofweek", "feed"),
}
SHARED = "NW202203082300310099"
ARTICLES = """
    SELECT source_article_id, title, text, published_at, published_precision, publisher, revision_count
    FROM articles WHERE source = '{}'
"""


def differences(project, edition):
    """The differences between the warehouse and the oracle, as text."""
    oracle, found = site.oracle(edition), []
    for source, (publication, via) in WAYS.items():
        articles = oracle.of(publication, via)
        rows = {row[0]: row[1:] for row in project.rows(ARTICLES.format(source))}
        rows.pop(SHARED, None)
        found += [f"{source}:{one} is missing" for one in articles.keys() - rows.keys()]
        found += [f"{source}:{one} does not exist" for one in rows.keys() - articles.keys()]
        for one in articles.keys() & rows.keys():
            title, text, at, precision, publisher, revisions = rows[one]
            expected = articles[one]
            checks = {
                "words": expected.differs_from(title, text),
                "time": (at, precision) != (expected.published_at, expected.precision) and at,
                "publisher": _folded(publisher) != _folded(expected.publisher) and publisher,
                "revisions": revisions != expected.revisions and revisions,
            }
            found += [f"{source}:{one} {what}: {how}" for what, how in checks.items() if how]
    return found


def unaccounted(report):
    """The sources of which an entry has no outcome, or more than one."""
    return {
        stats.source: stats.counts
        for stats in report.stats
        if stats.counts["discovered"] != sum(stats.counts[name] for name in OUTCOMES)
    }


def _folded(name):
    return " ".join((name or "").split())


@pytest.fixture(scope="module")
def read_once(tmp_path_factory):
    """A project that has read the first edition; not to be changed."""
    folder = tmp_path_factory.mktemp("read_once")
    with site.serve() as news_site:
        demo_run.write_config(folder, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        project = Project(folder, news_site)
        project.first = project.sync()
        yield project


@pytest.fixture
def read_project(read_once, tmp_path):
    """A copy of it of one's own, at the same test site, which shows the first edition again."""
    folder = shutil.copytree(read_once.folder, tmp_path / "project", symlinks=True)
    read_once.news_site.edition = 1
    project = Project(folder, read_once.news_site)
    project.first = read_once.first
    return project


def test_first_run_holds_what_a_perfect_reader_holds(read_project):
    counts = read_project.counts(read_project.first, "new", "failed")

    assert differences(read_project, 1) == []
    assert unaccounted(read_project.first) == {}
    assert all(count["new"] > 0 and count["failed"] == 0 for count in counts.values()), counts


def test_second_run_on_the_same_pages_finds_nothing_new(read_project):
    before = read_project.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")

    again = read_project.sync()

    assert unaccounted(again) == {}
    assert (again.totals()["new"], again.totals()["updated"], again.totals()["duplicate"]) == (
        0,
        0,
        0,
    )
    assert again.totals()["unchanged"] > 30
    assert again.totals()["fetched"] == 2  # the pages in quarantine
    after = read_project.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")
    assert after == before


def test_unchanged_pages_move_last_seen_and_nothing_else(read_project):
    sql = "SELECT article_id, first_seen_at, last_seen_at FROM articles ORDER BY article_id"
    before = read_project.rows(sql)

    read_project.sync("finews")

    after = read_project.rows(sql)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    moved = {one for (one, _, then), (_, _, now) in zip(before, after, strict=True) if now > then}
    listed = {one for one, *_ in before if one.startswith("finews:")} - {f"finews:{SHARED}"}
    assert listed == moved


def test_three_editions_in_turn_hold_what_a_perfect_reader_holds(read_project):
    for edition in (2, 3):
        read_project.news_site.edition = edition
        read_project.age(hours=23)
        report = read_project.sync()

        assert differences(read_project, edition) == []
        assert unaccounted(report) == {}
        assert report.totals()["failed"] == 0


def test_corrected_and_rewritten_articles_show_two_revisions(read_project):
    read_project.news_site.edition = 2
    read_project.age(hours=2)
    report = read_project.sync()

    revised = site.oracle(2).of("finews", "api")
    expected = {f"finews:{one}" for one, articles in revised.items() if articles.revisions == 2}
    rows = read_project.rows(
        "SELECT article_id, count(*), count(valid_to), min(valid_to) = max(valid_from) "
        "FROM revisions WHERE source = 'finews' GROUP BY article_id HAVING count(*) > 1"
    )
    assert len(expected) == 2
    assert {(one, 2, 1, True) for one in expected} == set(rows)
    assert read_project.counts(report, "updated")["finews"] == {"updated": 2}


def test_share_link_leads_to_the_article_page(read_project):
    row = read_project.rows(
        "SELECT title, publisher, published_at, published_precision, url, canonical_url, categories "
        f"FROM articles WHERE source_article_id = '{SHARED}'"
    )

    share_page = f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={SHARED}"
    at = datetime(2022, 3, 8, 8, 20, tzinfo=UTC)
    assert row == [
        (
            "雾江大桥主塔封顶 预计年底合龙",
            "示例日报",
            at,
            "minute",
            share_page,
            share_page,
            ["shiliribao"],
        )
    ]


def test_share_link_to_a_listed_article_is_left_to_its_listing(project):
    listed = "NW202203142308441556"
    text = project.config.read_text(encoding="utf-8").replace(SHARED, listed)
    project.config.write_text(text, encoding="utf-8")

    project.sync("finews")
    project.news_site.edition = 3
    project.sync("finews")

    assert project.rows(
        f"SELECT published_precision FROM articles WHERE source_article_id = '{listed}'"
    ) == [("second",)]
    assert not [one for one in project.news_site.requests if f"/a/{listed[2:]}" in one.target]


def test_twin_ids_are_one_content_with_two_sightings(read_project):
    rows = read_project.rows(
        "SELECT content_hash, list(DISTINCT article_id ORDER BY article_id) AS ids "
        "FROM sightings WHERE source = 'finews' GROUP BY content_hash "
        "HAVING count(DISTINCT article_id) > 1 ORDER BY ids"
    )

    assert [ids for _, ids in rows] == [
        ["finews:202203122305110004", "finews:NW202203122305990104"],
        ["finews:202203132306110005", "finews:NW202203132306110005"],
    ]
    contents = read_project.rows("SELECT count(*), count(DISTINCT content_hash) FROM articles")
    assert contents[0][0] > contents[0][1]


def test_unusable_lines_wait_in_quarantine_until_a_later_run_repairs_them(read_project):
    sql = "SELECT source, article_id, reason, resolved_at IS NOT NULL FROM quarantine ORDER BY ALL"
    assert read_project.rows(sql) == [
        ("finews", "finews:202203142307110006", "incomplete_article", False),
        ("finews", "finews:NW202203142308110403", "incomplete_article", False),
        ("finews", None, "incomplete_article", False),
    ]
    assert (read_project.first.state, read_project.first.exit_code) == (
        "completed_with_warnings",
        3,
    )

    read_project.news_site.edition = 2
    read_project.sync("finews")

    assert [(row[1], row[3]) for row in read_project.rows(sql)] == [
        ("finews:202203142307110006", True),
        ("finews:NW202203142308110403", True),
        (None, False),
    ]


def test_listing_without_a_known_entry_is_a_gap(read_project):
    for edition in (2, 3):
        read_project.news_site.edition = edition
        report = read_project.sync("finews")

    missed = {channel for _, channel, _ in site.oracle(3).missed}
    assert (
        {row[0] for row in read_project.rows("SELECT channel FROM gaps")} == missed == {"market-38"}
    )
    assert report.totals()["gaps"] == 1
    assert any("market-38" in problem for problem in report.errors)


def test_times_come_back_as_aware_utc_datetimes(read_project):
    path = read_project.settings.warehouse.snapshot
    with connect_read_only(path) as db:
        (at,) = db.execute(
            "SELECT published_at FROM articles WHERE article_id = 'finews:NW202203142308441556'"
        ).fetchone()

    assert at == datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC)
    assert at.utcoffset() is not None
    assert read_project.rows(
        "SELECT published_at FROM articles WHERE article_id = 'finews:NW202203142308441556'"
    ) == [(at,)]
    assert (
        read_project.rows(
            "SELECT published_at FROM articles WHERE article_id = 'finews:NW202203142308441556'"
        )[0][0].tzinfo
        is UTC
    )


def test_every_missing_value_has_its_reason(read_project):
    rows = read_project.rows(
        "SELECT article_id, field FROM (SELECT article_id, provenance, "
        "unnest(['publisher', 'published_at', 'lead_image', 'original_url', 'updated_at', 'language']) "
        "AS field, unnest([publisher IS NULL, published_at IS NULL, lead_image IS NULL, "
        "original_url IS NULL, updated_at IS NULL, language IS NULL]) AS is_missing FROM articles) "
        "WHERE is_missing AND (provenance::JSON ->> field) IS NULL"
    )

    assert rows == []


def test_runs_are_recorded_with_their_counters_and_versions(read_project):
    rows = read_project.rows(
        "SELECT source, state, new, quarantined, parser, parser_version <> '', ended_at >= started_at "
        f"FROM runs WHERE run_id = '{read_project.first.run_id}' AND source = 'finews'"
    )

    finews = read_project.counts(read_project.first, "new", "quarantined")["finews"]
    assert rows == [
        (
            "finews",
            "completed_with_warnings",
            finews["new"],
            finews["quarantined"],
            "finews",
            True,
            True,
        )
    ]


def test_small_batches_give_the_same_corpus(project):
    text = project.config.read_text(encoding="utf-8") + "\n[run]\nbatch_size = 7\n"
    project.config.write_text(text, encoding="utf-8")

    project.sync()

    assert differences(project, 1) == []


def test_dry_run_fetches_listings_and_stores_nothing(project):
    project.settings.warehouse.path.unlink()
    report = project.sync("finews", dry_run=True)

    assert unaccounted(report) == {}

    assert report.totals()["discovered"] > 40
    assert any("would fetch" in note for note in report.warnings)
    assert not project.settings.warehouse.path.exists()
    assert not [one for one in project.news_site.requests if "GetNewsText" in one.target]


def test_limited_run_takes_the_first_entries_and_the_next_run_the_rest(project):
    limited = project.sync("woshipm_direct", limit=5)
    whole = project.sync("woshipm_direct")

    assert (limited.totals()["new"], limited.totals()["skipped"] > 0) == (5, True)
    assert unaccounted(limited) == {}
    assert whole.totals()["gaps"] == 0
    articles = site.oracle(1).of("woshipm", "direct")
    assert project.rows("SELECT count(*) FROM articles") == [(len(articles),)]
