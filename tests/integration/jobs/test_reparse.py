"""Reading again: archived pages with today's parsers, quarantine after a fix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.pipeline.parser_diff import regression_of
from flows.pipeline.reparse_steps import require_warehouse
from parsers.errors import LayoutChanged
from parsers.sources import finews, ofweek
from tests.site import Fault
from warehouse.care.compact import compact
from warehouse.errors import WarehouseMissing

ALL = "SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id"
MANY_PAGES = "30500850"


def test_same_parsers_find_nothing_else_and_ask_nobody(desk):
    desk.sync("ofweek", "woshipm")
    before = desk.rows(ALL)
    desk.stand.forget_requests()

    compared = desk.reparse_diff("ofweek", "woshipm")
    done = desk.reparse("ofweek", "woshipm")

    assert desk.stand.requests == ()
    assert (compared.exit_code, compared.changed) == (0, {"ofweek": {}, "woshipm": {}})
    assert done.totals()["discovered"] == len(before)
    assert (done.totals()["new"], done.totals()["updated"], done.totals()["failed"]) == (0, 0, 0)
    assert desk.rows(ALL) == before


def test_article_over_several_pages_is_read_again_whole(desk, another_parser):
    desk.sync("ofweek")
    sql = f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'"
    before = desk.rows(sql)
    another_parser(lambda article: replace(article, language="zh"))

    desk.reparse("ofweek")

    assert desk.rows(sql) == before
    assert set(desk.rows("SELECT language, parser_version FROM articles")) == {("zh", "2")}


def test_better_parser_mends_what_is_stored_under_the_time_it_was_seen(desk, another_parser):
    desk.sync("ofweek")
    seen = desk.rows("SELECT article_id, first_seen_at, last_seen_at FROM articles ORDER BY ALL")
    another_parser(lambda article: replace(article, authors=("示例",)))

    compared = desk.reparse_diff("ofweek")
    assert set(desk.rows("SELECT parser_version FROM articles")) == {("1",)}
    desk.reparse("ofweek")

    assert compared.exit_code == 0
    assert compared.changed["ofweek"]["authors"] > 0
    assert all(authors == ["示例"] for (authors,) in desk.rows("SELECT authors FROM articles"))
    assert (
        desk.rows("SELECT article_id, first_seen_at, last_seen_at FROM articles ORDER BY ALL")
        == seen
    )


def test_worse_parser_is_told_with_exit_code_4_and_stores_nothing(desk, another_parser):
    desk.sync("ofweek")
    before = desk.rows(ALL)
    another_parser(lambda article: replace(article, publisher=None, text=article.text[:10]))

    compared = desk.reparse_diff("ofweek")

    assert compared.exit_code == 4
    assert any(
        "publisher: was" in words and "missing now" in words for words in compared.regressions
    )
    assert any("text: had" in words for words in compared.regressions)
    assert compared.as_json()["regressions"] == list(compared.regressions)
    assert compared.errors[0].startswith("worse: ofweek:")
    assert desk.rows(ALL) == before


def test_page_that_today_cannot_be_read_is_worse_and_the_stored_article_stays(desk, another_parser):
    desk.sync("ofweek")
    before = desk.rows(ALL)

    def refuse(_article):
        raise LayoutChanged("expected a moon, found none", expected="a moon", found="none")

    another_parser(refuse)

    compared = desk.reparse_diff("ofweek")
    assert compared.exit_code == 4
    assert any("parsed before and fails now" in words for words in compared.regressions)
    assert desk.rows("SELECT count(*) FROM quarantine") == [(0,)]

    desk.reparse("ofweek")
    assert desk.rows(ALL) == before
    assert desk.rows("SELECT DISTINCT reason FROM quarantine") == [("layout_changed",)]


def test_older_page_read_again_does_not_replace_newer_content(desk):
    desk.sync("finews")
    desk.stand.edition = 2
    assert desk.sync("finews").totals()["updated"] == 2
    before = desk.rows("SELECT article_id, content_hash, revision_count FROM articles ORDER BY ALL")

    desk.reparse("finews")

    after = desk.rows("SELECT article_id, content_hash, revision_count FROM articles ORDER BY ALL")
    assert after == before


@pytest.mark.parametrize("diff", [True, False], ids=["diff", "stored"])
def test_page_that_failed_and_was_read_later_needs_nobody(desk, faults, diff):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    faults["/woshipm/latest"] = Fault(body=b"<html>busy</html>")
    assert desk.sync("ofweek", "woshipm").totals()["quarantined"] == 2
    faults.clear()
    desk.sync("ofweek", "woshipm")
    assert standing(desk) == set()

    report = (desk.reparse_diff if diff else desk.reparse)("ofweek", "woshipm")

    assert (report.exit_code, report.errors) == (0, ())
    assert (report.totals()["quarantined"], report.totals()["failed"]) == (0, 0)
    assert any("woshipm: 1 unreadable page" in words for words in report.warnings)
    assert standing(desk) == set()


def test_page_that_only_todays_parser_reads_makes_up_for_the_one_before(
    desk, faults, another_parser
):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    desk.sync("ofweek")
    faults.clear()
    with pytest.MonkeyPatch.context() as broken:
        from parsers import registry

        def refuse(_source, _page):
            raise LayoutChanged("expected a moon, found none")

        parser = replace(ofweek.PARSER, parse=refuse)
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        desk.sync("ofweek")
    assert standing(desk)

    compared = desk.reparse_diff("ofweek")
    done = desk.reparse("ofweek")

    assert (compared.exit_code, done.exit_code) == (0, 0)
    assert standing(desk) == set()


def test_page_that_fails_as_often_as_it_was_fetched_is_one_failure(desk, faults):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(body=b"<html>busy</html>")
    desk.sync("ofweek")
    desk.sync("ofweek")
    assert len(standing(desk)) == 1

    report = desk.reparse("ofweek")

    assert (report.exit_code, report.totals()["quarantined"]) == (3, 1)
    assert len(report.errors) == 1
    assert "30500850" in report.errors[0]
    counted = "SELECT quarantined FROM runs ORDER BY started_at DESC LIMIT 1"
    assert desk.rows(counted) == [(1,)]


@pytest.mark.parametrize("merged", [False, True], ids=["apart", "merged"])
def test_page_that_never_could_be_read_did_not_get_worse(desk, faults, merged):
    desk.sync("ofweek")
    for words in (b"<html>busy</html>", b"<html>still busy</html>"):
        faults[f"/2021-05/ART-260009-8420-{MANY_PAGES}.html"] = Fault(body=words)
        desk.sync("ofweek")
    if merged:
        faults.clear()
        desk.sync("ofweek")
        compact(desk.settings.warehouse.path)
        sql = "SELECT resolved_at IS NULL FROM quarantine"
        assert desk.rows(sql) == [(False,)]

    compared = desk.reparse_diff("ofweek")

    assert compared.regressions == ()
    assert compared.exit_code == (0 if merged else 3)  # what stands needs somebody


def test_page_that_was_read_once_mended_got_worse_and_is_told_once(
    desk, faults, another_parser, monkeypatch
):
    """Quarantine holds the page, and yet it was read: by the run that resolved it."""
    from parsers import registry

    def refuse(*_arguments):
        raise LayoutChanged("expected a moon, found none")

    broken = {**registry.PARSERS, "ofweek": replace(ofweek.PARSER, parse=refuse)}
    with monkeypatch.context() as before:
        before.setattr(registry, "PARSERS", broken)
        desk.sync("ofweek")
    assert desk.replay().totals()["new"] > 5
    desk.sync("ofweek")
    monkeypatch.setattr(registry, "PARSERS", broken)

    compared = desk.reparse_diff("ofweek")

    articles = {words.rpartition(": parsed before")[0] for words in compared.regressions}
    assert compared.exit_code == 4
    assert (
        len(compared.regressions)
        == len(articles)
        == desk.rows("SELECT count(*) FROM articles")[0][0]
    )


def test_what_stands_in_quarantine_did_not_get_worse_again(desk, another_parser):
    desk.sync("ofweek")

    def refuse(_article):
        raise LayoutChanged("expected a moon, found none")

    another_parser(refuse)
    assert desk.reparse_diff("ofweek").exit_code == 4
    desk.reparse("ofweek")

    told = desk.reparse_diff("ofweek")

    assert (told.exit_code, told.regressions) == (3, ())


def test_field_that_each_fetch_lost_is_told_once(desk, another_parser):
    desk.sync("ofweek")
    desk.sync("ofweek")
    another_parser(lambda article: replace(article, publisher=None))

    compared = desk.reparse_diff("ofweek")

    assert compared.exit_code == 4
    assert len(compared.regressions) == len(set(compared.regressions)) > 5


def test_page_whose_following_pages_cannot_be_told_is_quarantined_and_worse(desk, monkeypatch):
    from parsers import registry

    desk.sync("ofweek")

    def refuse(*_arguments):
        raise LayoutChanged("expected a moon, found none")

    parser = replace(ofweek.PARSER, parse=refuse, next_pages=refuse)
    monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})

    compared = desk.reparse_diff("ofweek")

    assert (compared.exit_code, compared.totals()["failed"]) == (4, 0)
    assert compared.totals()["quarantined"] == len(compared.regressions) > 5


def test_without_a_warehouse_there_is_nothing_to_reparse(desk):
    with pytest.raises(WarehouseMissing, match="backfill SOURCE --archive"):
        require_warehouse(desk.settings.warehouse.path)
    assert not desk.settings.warehouse.path.exists()


def test_source_without_archived_pages_is_told(desk):
    desk.sync("ofweek")

    report = desk.reparse_diff("woshipm")

    assert report.exit_code == 0
    assert report.warnings == ("woshipm: no page is archived",)


def test_since_takes_later_pages_only(desk):
    desk.sync("ofweek")
    ((last,),) = desk.rows("SELECT max(fetched_at) FROM fetches")

    assert desk.reparse("ofweek", since=last).totals()["discovered"] <= 2


@pytest.mark.parametrize(
    ("name", "before", "now", "words"),
    [
        ("title", "a", "b", ""),
        ("publisher", "a", None, "was 'a', is missing now"),
        ("publisher", None, "a", ""),
        ("published_precision", "second", "day", "was known to the second, is known to the day"),
        ("published_precision", "day", "minute", ""),
        ("text", "x" * 100, "x" * 49, "had 100 characters, has 49 now"),
        ("text", "x" * 100, "x" * 51, ""),
        ("tags", ("a", "b"), ("c",), "is \"('c',)\" now"),
    ],
)
def test_loss_is_told_from_change(name, before, now, words):
    found = regression_of(name, before, now)

    assert words in found
    assert bool(found) == bool(words)


# --- quarantine replay -----------------------------------------------------------------


def standing(desk):
    return {
        (article, reason)
        for article, reason in desk.rows(
            "SELECT article_id, reason FROM quarantine WHERE resolved_at IS NULL"
        )
    }


def test_replay_after_a_fix_stores_the_article_and_resolves(desk, another_parser):
    def refuse(article):
        if article.source_article_id == MANY_PAGES:
            raise LayoutChanged("expected a moon, found none")
        return article

    with pytest.MonkeyPatch.context() as broken:
        from parsers import registry

        parser = replace(ofweek.PARSER, parse=lambda s, p: refuse(ofweek.parse(s, p)))
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        desk.sync("ofweek")
        assert standing(desk) == {(f"ofweek:{MANY_PAGES}", "layout_changed")}
        still = desk.replay()
        assert (still.exit_code, still.totals()["quarantined"]) == (3, 1)
        assert desk.rows("SELECT attempts, octet_length(page) > 1000 FROM quarantine") == [
            (2, True)
        ]
    desk.stand.forget_requests()

    mended = desk.replay(reason="layout_changed")

    assert desk.stand.requests == ()
    assert (mended.exit_code, mended.totals()["new"]) == (0, 1)
    assert standing(desk) == set()
    ((text,),) = desk.rows(f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'")
    ((resolved_by,),) = desk.rows("SELECT resolved_by FROM quarantine")
    assert resolved_by == mended.run_id
    desk.sync("ofweek")
    assert desk.rows(f"SELECT text FROM articles WHERE source_article_id = '{MANY_PAGES}'") == [
        (text,)
    ]


def test_replay_of_what_is_still_broken_keeps_it_and_counts_another_attempt(desk):
    desk.sync("finews")
    before = standing(desk)

    report = desk.replay(source="finews")

    assert report.totals()["discovered"] == report.totals()["quarantined"] == len(before) == 3
    assert standing(desk) == before
    assert set(desk.rows("SELECT attempts FROM quarantine")) == {(2,)}


def test_listing_that_can_be_read_now_leads_to_its_articles(desk, monkeypatch):
    from parsers import registry
    from parsers.errors import BadListing

    def refuse(_source, _listing, _page):
        raise BadListing("expected a list, found another")

    with monkeypatch.context() as broken:
        parser = replace(ofweek.PARSER, entries=refuse)
        broken.setattr(registry, "PARSERS", {**registry.PARSERS, "ofweek": parser})
        desk.sync("ofweek")
        assert standing(desk) == {(None, "bad_listing")}

    report = desk.replay()

    assert report.totals()["new"] > 5
    assert standing(desk) == set()


def test_lines_that_can_be_read_now_lead_to_their_articles(desk, faults, monkeypatch):
    from parsers import registry

    faults["/newmarket/web/webapi?marketType=38"] = Fault(rename=(b'"medianame"', b'"mediaName"'))
    desk.sync("finews")
    faults.clear()
    before = [one for one in standing(desk) if one[1] == "layout_changed"]
    lines = desk.rows("SELECT count(*) FROM quarantine WHERE reason = 'layout_changed'")[0][0]
    assert lines >= 5

    # What is archived is the broken listing: the same parser still refuses its lines.
    same = desk.replay(reason="layout_changed")
    assert same.totals()["quarantined"] == lines
    assert [one for one in standing(desk) if one[1] == "layout_changed"] == before

    def entries(source, listing, page):
        mended = page.text.replace("mediaName", "medianame")
        return finews.entries(source, listing, replace(page, text=mended))

    parser = replace(finews.PARSER, entries=entries)
    monkeypatch.setattr(registry, "PARSERS", {**registry.PARSERS, "finews": parser})
    report = desk.replay(reason="layout_changed")

    assert report.totals()["new"] > 0
    assert [one for one in standing(desk) if one[1] == "layout_changed"] == []


def test_replay_of_an_imported_post(desk, tmp_path):
    post = tmp_path / "2022-03-14-x.md"
    post.write_text("---\ntitle: [\n---\nWords of it.\n", encoding="utf-8")
    desk.import_posts(post)
    assert len(standing(desk)) == 1

    report = desk.replay()

    assert report.exit_code == 3
    assert len(standing(desk)) == 1


def test_replay_without_a_warehouse_makes_none(desk):
    with pytest.raises(WarehouseMissing, match="no such warehouse"):
        desk.replay()
    assert not desk.settings.warehouse.path.exists()
