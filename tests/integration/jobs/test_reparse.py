"""Reading again: archived pages with today's parsers, quarantine after a fix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.pipeline.field_changes import WHOLE_ARTICLE
from flows.pipeline.reparse_steps import require_pages
from parsers.errors import LayoutChanged
from parsers.sources import finews, ofweek
from tests.site import Fault
from warehouse.care.compact import compact
from warehouse.errors import WarehouseMissing

ALL = "SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id"
MANY_PAGES = "30500850"


def test_same_parsers_change_nothing_and_fetch_nothing(project):
    project.sync("ofweek", "woshipm")
    before = project.rows(ALL)
    project.news_site.clear_requests()

    compared = project.reparse_diff("ofweek", "woshipm")
    done = project.reparse("ofweek", "woshipm")

    assert project.news_site.requests == ()
    assert (compared.exit_code, compared.changed) == (0, {"ofweek": {}, "woshipm": {}})
    assert done.totals()["discovered"] == len(before)
    assert (done.totals()["new"], done.totals()["updated"], done.totals()["failed"]) == (0, 0, 0)
    assert project.rows(ALL) == before


def test_article_over_several_pages_is_read_again_whole(project, another_parser):
    project.sync("ofweek")
    sql = f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'"
    before = project.rows(sql)
    another_parser(lambda article: replace(article, language="zh"))

    project.reparse("ofweek")

    assert project.rows(sql) == before
    assert set(project.rows("SELECT language, parser_version FROM articles")) == {("zh", "other")}


def test_better_parser_mends_what_is_stored_under_the_time_it_was_seen(project, another_parser):
    project.sync("ofweek")
    seen = project.rows("SELECT article_id, first_seen_at, last_seen_at FROM articles ORDER BY ALL")
    another_parser(lambda article: replace(article, authors=("示例",)))

    compared = project.reparse_diff("ofweek")
    assert set(project.rows("SELECT parser_version FROM articles")) == {(ofweek.PARSER.version,)}
    project.reparse("ofweek")

    assert compared.exit_code == 0
    assert compared.changed["ofweek"]["authors"] > 0
    assert all(authors == ["示例"] for (authors,) in project.rows("SELECT authors FROM articles"))
    assert (
        project.rows("SELECT article_id, first_seen_at, last_seen_at FROM articles ORDER BY ALL")
        == seen
    )


def test_worse_parser_is_reported_with_exit_code_4_and_stores_nothing(project, another_parser):
    project.sync("ofweek")
    before = project.rows(ALL)
    another_parser(lambda article: replace(article, publisher=None, text=article.text[:10]))

    compared = project.reparse_diff("ofweek")

    assert compared.exit_code == 4
    fields = {one.field for one in compared.regressions}
    assert {"publisher", "text"} <= fields
    assert compared.as_json()["regressions"] == len(compared.regressions)
    change = next(one for one in compared.regressions if one.field == "publisher")
    assert (change.new, change.old_version, change.new_version) == (
        None,
        ofweek.PARSER.version,
        "other",
    )
    assert change.old
    assert change.article_id.startswith("ofweek:")
    assert compared.errors[0].startswith("worse: ofweek:")
    assert project.rows(ALL) == before


def test_page_that_today_cannot_be_read_is_worse_and_the_stored_article_stays(
    project, another_parser
):
    project.sync("ofweek")
    before = project.rows(ALL)

    def refuse(_article):
        raise LayoutChanged("expected a moon, found none", expected="a moon", found="none")

    another_parser(refuse)

    compared = project.reparse_diff("ofweek")
    assert compared.exit_code == 4
    assert any("expected a moon" in str(one.new) for one in compared.regressions)
    assert project.rows("SELECT count(*) FROM quarantine") == [(0,)]

    project.reparse("ofweek")
    assert project.rows(ALL) == before
    assert project.rows("SELECT DISTINCT reason FROM quarantine") == [("layout_changed",)]


def test_older_page_read_again_does_not_replace_newer_content(project):
    project.sync("finews")
    project.news_site.edition = 2
    project.age(hours=2)
    assert project.sync("finews").totals()["updated"] == 2
    before = project.rows(
        "SELECT article_id, content_hash, revision_count FROM articles ORDER BY ALL"
    )

    project.reparse("finews")

    after = project.rows(
        "SELECT article_id, content_hash, revision_count FROM articles ORDER BY ALL"
    )
    assert after == before


@pytest.mark.parametrize("diff", [True, False], ids=["diff", "stored"])
def test_failed_page_that_was_parsed_afterwards_is_resolved(project, faults, diff):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    faults["/woshipm/latest"] = Fault(body=b"<html>busy</html>")
    assert project.sync("ofweek", "woshipm").totals()["quarantined"] == 2
    faults.clear()
    project.sync("ofweek", "woshipm")
    assert open_entries(project) == set()

    report = (project.reparse_diff if diff else project.reparse)("ofweek", "woshipm")

    assert (report.exit_code, report.errors) == (0, ())
    assert (report.totals()["quarantined"], report.totals()["failed"]) == (0, 0)
    assert any("woshipm: 1 unreadable page" in message for message in report.warnings)
    assert open_entries(project) == set()


def test_page_that_only_todays_parser_reads_makes_up_for_the_one_before(
    project, faults, another_parser
):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    project.sync("ofweek")
    faults.clear()
    with pytest.MonkeyPatch.context() as broken:
        from parsers import registry

        def refuse(_source, _page):
            raise LayoutChanged("expected a moon, found none")

        parser = replace(ofweek.PARSER, parse=refuse)
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        project.sync("ofweek")
    assert open_entries(project)

    compared = project.reparse_diff("ofweek")
    done = project.reparse("ofweek")

    assert (compared.exit_code, done.exit_code) == (0, 0)
    assert open_entries(project) == set()


def test_page_that_fails_as_often_as_it_was_fetched_is_one_failure(project, faults):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    project.sync("ofweek")
    project.sync("ofweek")
    assert len(open_entries(project)) == 1

    report = project.reparse("ofweek")

    assert (report.exit_code, report.totals()["quarantined"]) == (3, 1)
    assert len(report.errors) == 1
    assert "30500850" in report.errors[0]
    counted = "SELECT quarantined FROM runs ORDER BY started_at DESC LIMIT 1"
    assert project.rows(counted) == [(1,)]


@pytest.mark.parametrize("merged", [False, True], ids=["apart", "merged"])
def test_page_that_never_could_be_read_did_not_get_worse(project, faults, merged):
    project.sync("ofweek")
    project.age(hours=2)
    for body in (b"<html>busy</html>", b"<html>still busy</html>"):
        faults[f"/2021-05/ART-260009-8420-{MANY_PAGES}.html"] = Fault(body=body)
        project.sync("ofweek")
    if merged:
        faults.clear()
        project.sync("ofweek")
        compact(project.settings.warehouse.path)
        sql = "SELECT resolved_at IS NULL FROM quarantine"
        assert project.rows(sql) == [(False,)]

    compared = project.reparse_diff("ofweek")

    assert compared.regressions == ()
    assert compared.exit_code == (0 if merged else 3)  # an open failure needs a person


def test_page_that_was_parsed_once_repaired_got_worse_and_is_reported_once(
    project, faults, another_parser, monkeypatch
):
    """Quarantine holds the page, and yet it was read: by the run that resolved it."""
    from parsers import registry

    def refuse(*_arguments):
        raise LayoutChanged("expected a moon, found none")

    broken = {**registry.PARSERS, "ofweek": replace(ofweek.PARSER, parse=refuse)}
    with monkeypatch.context() as before:
        before.setattr(registry, "PARSERS", broken)
        project.sync("ofweek")
    assert project.replay().totals()["new"] > 5
    project.sync("ofweek")
    monkeypatch.setattr(registry, "PARSERS", broken)

    compared = project.reparse_diff("ofweek")

    articles = {one.article_id for one in compared.regressions if one.field == WHOLE_ARTICLE}
    assert compared.exit_code == 4
    assert (
        len(compared.regressions)
        == len(articles)
        == project.rows("SELECT count(*) FROM articles")[0][0]
    )


def test_failure_already_in_quarantine_is_no_new_regression(project, another_parser):
    project.sync("ofweek")

    def refuse(_article):
        raise LayoutChanged("expected a moon, found none")

    another_parser(refuse)
    assert project.reparse_diff("ofweek").exit_code == 4
    project.reparse("ofweek")

    reported = project.reparse_diff("ofweek")

    assert (reported.exit_code, reported.regressions) == (3, ())


def test_field_that_each_fetch_lost_is_reported_once(project, another_parser):
    project.sync("ofweek")
    project.sync("ofweek")
    another_parser(lambda article: replace(article, publisher=None))

    compared = project.reparse_diff("ofweek")

    assert compared.exit_code == 4
    assert len({one.article_id for one in compared.regressions}) == len(compared.regressions) > 5


def test_page_whose_following_pages_cannot_be_reported_is_quarantined_and_worse(
    project, monkeypatch
):
    from parsers import registry

    project.sync("ofweek")

    def refuse(*_arguments):
        raise LayoutChanged("expected a moon, found none")

    parser = replace(ofweek.PARSER, parse=refuse, next_pages=refuse)
    monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})

    compared = project.reparse_diff("ofweek")

    assert (compared.exit_code, compared.totals()["failed"]) == (4, 0)
    assert compared.totals()["quarantined"] == len(compared.regressions) > 5


def test_without_a_warehouse_there_is_nothing_to_reparse(project):
    project.settings.warehouse.path.unlink()
    with pytest.raises(WarehouseMissing, match="backfill SOURCE --archive"):
        require_pages(project.settings)
    assert not project.settings.warehouse.path.exists()


def test_source_without_archived_pages_is_reported(project):
    project.sync("ofweek")

    report = project.reparse_diff("woshipm")

    assert report.exit_code == 0
    assert report.warnings == ("woshipm: no page is archived",)


def test_since_takes_later_pages_only(project):
    project.sync("ofweek")
    ((last,),) = project.rows("SELECT max(fetched_at) FROM fetches")

    assert project.reparse("ofweek", since=last).totals()["discovered"] <= 2


# --- quarantine replay -----------------------------------------------------------------


def open_entries(project):
    return {
        (article, reason)
        for article, reason in project.rows(
            "SELECT article_id, reason FROM quarantine WHERE resolved_at IS NULL"
        )
    }


def test_replay_after_a_fix_stores_the_article_and_resolves(project, another_parser):
    def refuse(article):
        if article.source_article_id == MANY_PAGES:
            raise LayoutChanged("expected a moon, found none")
        return article

    with pytest.MonkeyPatch.context() as broken:
        from parsers import registry

        parser = replace(ofweek.PARSER, parse=lambda s, p: refuse(ofweek.parse(s, p)))
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        project.sync("ofweek")
        assert open_entries(project) == {(f"ofweek:{MANY_PAGES}", "layout_changed")}
        still = project.replay()
        assert (still.exit_code, still.totals()["quarantined"]) == (3, 1)
        assert project.rows("SELECT attempts, octet_length(page) > 1000 FROM quarantine") == [
            (2, True)
        ]
    project.news_site.clear_requests()

    replayed = project.replay(reason="layout_changed")

    assert project.news_site.requests == ()
    assert (replayed.exit_code, replayed.totals()["new"]) == (0, 1)
    assert open_entries(project) == set()
    ((text,),) = project.rows(f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'")
    ((resolved_by,),) = project.rows("SELECT resolved_by FROM quarantine")
    assert resolved_by == replayed.run_id
    project.sync("ofweek")
    assert project.rows(f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'") == [
        (text,)
    ]


def test_replay_of_what_is_still_broken_keeps_it_and_counts_another_attempt(project):
    project.sync("finews")
    before = open_entries(project)

    report = project.replay(source="finews")

    assert report.totals()["discovered"] == report.totals()["quarantined"] == len(before) == 3
    assert open_entries(project) == before
    assert set(project.rows("SELECT attempts FROM quarantine")) == {(2,)}


def test_listing_that_can_be_read_now_leads_to_its_articles(project, monkeypatch):
    from parsers import registry
    from parsers.errors import BadListing

    def refuse(_source, _listing, _page):
        raise BadListing("expected a list, found another")

    with monkeypatch.context() as broken:
        parser = replace(ofweek.PARSER, entries=refuse)
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        project.sync("ofweek")
        assert open_entries(project) == {(None, "bad_listing")}

    report = project.replay()

    assert report.totals()["new"] > 5
    assert open_entries(project) == set()


def test_lines_that_can_be_read_now_lead_to_their_articles(project, faults, monkeypatch):
    from parsers import registry

    faults["/newmarket/web/webapi?marketType=38"] = Fault(rename=(b'"medianame"', b'"mediaName"'))
    project.sync("finews")
    faults.clear()
    before = [one for one in open_entries(project) if one[1] == "layout_changed"]
    lines = project.rows("SELECT count(*) FROM quarantine WHERE reason = 'layout_changed'")[0][0]
    assert lines >= 5

    # The archive has the broken listing: the same parser still refuses its lines.
    same = project.replay(reason="layout_changed")
    assert same.totals()["quarantined"] == lines
    assert [one for one in open_entries(project) if one[1] == "layout_changed"] == before

    def entries(source, listing, page):
        replayed = page.text.replace("mediaName", "medianame")
        return finews.entries(source, listing, replace(page, text=replayed))

    parser = replace(finews.PARSER, entries=entries)
    monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "finews": parser})
    report = project.replay(reason="layout_changed")

    assert report.totals()["new"] > 0
    assert [one for one in open_entries(project) if one[1] == "layout_changed"] == []


def test_replay_of_an_imported_post(project, tmp_path):
    post = tmp_path / "2022-03-14-x.md"
    post.write_text("---\ntitle: [\n---\nWords of it.\n", encoding="utf-8")
    project.import_posts(post)
    assert len(open_entries(project)) == 1

    report = project.replay()

    assert report.exit_code == 3
    assert len(open_entries(project)) == 1


def test_replay_without_a_warehouse_makes_none(project):
    project.settings.warehouse.path.unlink()
    with pytest.raises(WarehouseMissing, match="no such warehouse"):
        project.replay()
    assert not project.settings.warehouse.path.exists()
