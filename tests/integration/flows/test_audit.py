"""``copydesk gaps --audit``: a source compared with its witness."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from flows import cli
from flows.pipeline.backfill_steps import run_backfill
from flows.pipeline.date_range import parse_request
from flows.pipeline.run import RunContext
from flows.serve import run_local
from tests.integration.flows.press import Press
from warehouse import connect
from warehouse.care.erasure import erase


@pytest.fixture
def audit(press, capfd, monkeypatch):
    """Audit the source on the command line: exit code, JSON document, stderr."""

    def backfill(chosen, source, *, urls, **_options):
        with RunContext("backfill", chosen, [source]) as run:
            run_backfill(run, parse_request(chosen, source, urls=urls))
            return run.finish()

    monkeypatch.setattr(run_local, "run_backfill", backfill)  # without Prefect

    def run(*arguments: str) -> tuple[int, Any, str]:
        config = str(press.folder / "copydesk.toml")
        command = ["--config", config, "--json", "gaps", "--audit", "press", *arguments]
        code = cli.run(command)
        out, err = capfd.readouterr()
        return code, json.loads(out), err

    return run


def urls(press: Press, *numbers: int) -> list[str]:
    return [f"{press.url}/a{number}" for number in numbers]


def missing(document: Any) -> list[str]:
    return sorted(one["url"] for one in document["missing"])


def test_audit_names_the_listed_articles_that_are_not_stored_and_opens_a_gap_a_day(press, audit):
    press.sync()

    code, found, _ = audit()

    assert (code, found["stored"], found["listed"]) == (3, 3, 5)
    assert missing(found) == urls(press, 1, 2)
    assert found["gaps_opened"] == 2
    assert press.rows(
        "SELECT source, channel, from_at::DATE::VARCHAR, to_at::DATE::VARCHAR, missing_urls "
        "FROM gaps ORDER BY from_at"
    ) == [
        ("press", "witness", "2026-03-01", "2026-03-02", urls(press, 1)),
        ("press", "witness", "2026-03-02", "2026-03-03", urls(press, 2)),
    ]
    assert press.rows("SELECT flow, state, gaps FROM runs ORDER BY started_at DESC LIMIT 1") == [
        ("audit", "completed_with_warnings", 2)
    ]


def test_text_of_an_audit_counts_and_lists_what_is_missing(press, run_cli):
    press.sync()

    _, out, _ = run_cli("--config", press.folder / "copydesk.toml", "gaps", "--audit", "press")

    first, *lines = out.splitlines()
    assert re.findall(r"\d+", first) == ["3", "5", "2"]
    assert [line.split()[2] for line in lines[:2]] == urls(press, 2, 1)
    assert re.findall(r"\d+", lines[2]) == ["2", "0"]


def test_second_audit_opens_no_gap_again(press, audit):
    press.sync()
    audit()

    code, found, _ = audit()

    assert (code, found["gaps_opened"], found["gaps_closed"]) == (3, 0, 0)
    assert press.rows("SELECT count(*) FROM gaps WHERE closed_at IS NULL") == [(2,)]


def test_backfill_of_an_audit_stores_what_is_missing_and_closes_its_gaps(press, audit):
    press.sync()
    audit()

    code, found, _ = audit("--backfill")

    assert (code, found["stored"], found["missing"]) == (0, 5, [])
    assert found["backfill"]["totals"]["new"] == 2
    assert found["gaps_closed"] == 2
    closed = press.rows(
        "SELECT count(*), max(len(missing_urls)) FROM gaps WHERE closed_at IS NOT NULL"
    )
    assert closed == [(2, 0)]


def test_gap_that_was_closed_opens_again_when_its_article_is_missing_again(press, audit):
    press.sync()
    audit("--backfill")
    press.change("DELETE FROM _store.article_records WHERE url LIKE '%/a2'")
    press.change("DELETE FROM _store.article_versions WHERE article_key NOT IN "
                 "(SELECT article_key FROM _store.article_records)")  # fmt: skip

    code, found, _ = audit()

    assert (code, missing(found), found["gaps_opened"]) == (3, urls(press, 2), 1)


def test_window_limits_an_audit_to_its_days(press, audit):
    press.sync()

    code, found, _ = audit("--from", "2026-03-02", "--to", "2026-03-04")

    assert (code, found["listed"], found["stored"]) == (3, 3, 2)
    assert missing(found) == urls(press, 2)
    assert (found["from"], found["to"]) == ("2026-03-02", "2026-03-04")


def test_window_in_which_nothing_is_listed_misses_nothing(press, audit):
    press.sync()

    code, found, _ = audit("--from", "2026-02-01", "--to", "2026-02-02")

    assert (code, found["listed"], found["missing"]) == (0, 0, [])


def test_article_under_another_address_is_not_missing(press, audit):
    press.write(count=3)
    press.answers["/moved/3"] = (302, "text/plain", f"{press.url}/a3")
    press.sync()
    press.list_in("/all.xml", 1, 2, suffix="?utm_source=witness")

    code, found, _ = audit()

    assert (code, found["stored"], found["missing"]) == (0, 2, [])


def test_address_that_redirects_to_a_stored_article_is_not_missing_once_it_was_fetched(
    press, audit
):
    press.write(count=3)
    press.sync()
    press.answers["/old/a3"] = (302, "text/plain", f"{press.url}/a3")
    text = press.answers["/all.xml"][2].replace(f"{press.url}/a3", f"{press.url}/old/a3")
    press.answers["/all.xml"] = (200, "application/rss+xml", text)

    before, _, _ = audit()
    code, found, _ = audit("--backfill")

    assert (before, code) == (3, 0)
    assert (found["stored"], found["missing"]) == (3, [])


def test_erased_gone_quarantined_and_other_pages_are_named_apart_and_not_missing(press, audit):
    press.write(count=5)
    press.list_in("/feed.xml", 1, 2, 3, 4, 5)
    press.answers["/a2"] = (404, "text/plain", "none")
    press.answers["/a3"] = (200, "text/html", "<html><body><p>Nothing here.</p></body></html>")
    press.sync()
    with connect(press.settings.warehouse.path) as db:
        erase(db, [f"press:{press.url}/a1"])
        db.execute(
            "UPDATE _store.fetches SET error = 'not an article: a gallery' WHERE url LIKE '%/a4'"
        )
        db.execute("DELETE FROM _store.article_records WHERE url LIKE '%/a4'")

    code, found, _ = audit()

    assert (code, found["listed"], found["stored"], found["missing"]) == (0, 5, 1, [])
    assert [found[name] for name in ("erased", "gone", "quarantined", "not_an_article")] == [
        urls(press, 1), urls(press, 2), urls(press, 3), urls(press, 4)
    ]  # fmt: skip


def test_article_that_is_newer_than_the_last_sync_waits_for_the_next_one(press, audit):
    press.sync()
    press.change("UPDATE _store.runs SET started_at = '2026-03-01 12:00:00+00'")

    code, found, _ = audit()

    assert (code, missing(found), found["newer"]) == (3, urls(press, 1), urls(press, 2))


def test_missing_article_stays_in_its_gap_when_the_witness_lists_it_no_more(press, audit):
    press.sync()
    audit()
    press.list_in("/all.xml", 2, 3, 4, 5)

    code, found, _ = audit()
    _, filled, _ = audit("--backfill")

    assert (code, missing(found), found["unlisted"]) == (3, urls(press, 2), urls(press, 1))
    assert (filled["unlisted"], filled["gaps_closed"]) == ([], 2)


def test_another_source_can_be_the_witness(press, audit):
    press.configure(f'[sources.wire]\nparser = "feed"\nurl = "{press.url}/all.xml"\n')
    press.sync()

    code, found, _ = audit("--witness", "wire")

    assert (code, found["witness"], missing(found)) == (3, "wire", urls(press, 1, 2))


def sitemap(
    *entries: tuple[str, str], root: str = "urlset", item: str = "url"
) -> tuple[int, str, str]:
    """A sitemap of addresses and times of their last change."""
    lines = "".join(
        f"<{item}><loc>{url}</loc><lastmod>{at}</lastmod></{item}>" for url, at in entries
    )
    xmlns = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return 200, "application/xml", f'<{root} xmlns="{xmlns}">{lines}</{root}>'


def test_sitemap_index_is_a_witness_and_its_old_files_are_not_read(press, audit):
    press.sync()
    index = [(f"{press.url}/old.xml", "2026-02-01"), (f"{press.url}/new.xml", "2026-03-05")]
    press.answers["/index.xml"] = sitemap(*index, root="sitemapindex", item="sitemap")
    press.answers["/new.xml"] = sitemap(
        *((url, f"2026-03-0{n}") for n, url in enumerate(urls(press, 1, 2, 3, 4, 5), 1))
    )
    days = ["--from", "2026-03-02", "--to", "2026-03-04"]

    code, found, _ = audit("--witness", f"{press.url}/index.xml", *days)
    whole, refused, _ = audit("--witness", f"{press.url}/index.xml")

    assert (code, found["listed"], missing(found)) == (3, 4, urls(press, 2))
    assert (whole, "/old.xml" in refused["error"]) == (1, True)  # without days it is needed


def test_pages_of_a_listing_are_read_until_they_are_before_the_window(press, audit):
    press.configure(
        f'[sources.front]\nparser = "listing"\nurl = "{press.url}/page/1"\nlinks = "li a"\n'
        f'date = "time"\nnext_page = "a.next"\n'
    )
    for page, number in enumerate((5, 4, 3, 2), 1):
        press.answers[f"/page/{page}"] = (
            200,
            "text/html",
            f'<ul><li><a href="/a{number}">The plan of the {number}th harbour</a> <time>2026-03-0'
            f'{number}</time></li></ul><a class="next" href="/page/{page + 1}">older</a>',
        )
    press.sync()
    days = ["--from", "2026-03-04", "--to", "2026-03-05"]

    code, found, _ = audit("--witness", "front", *days)  # page 5 does not exist

    assert (code, found["listed"], found["stored"]) == (0, 2, 2)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, "text/plain", "none"), "answered 404"),
        ((200, "text/html", "<html><body>Sign in</body></html>"), "feed"),
        (
            (200, "application/rss+xml", "<rss><channel><title>x</title></channel></rss>"),
            "no article",
        ),
    ],
)
def test_witness_that_cannot_be_read_is_an_error_and_opens_no_gap(press, audit, answer, reason):
    press.sync()
    press.answers["/all.xml"] = answer

    code, found, _ = audit()

    assert code == 1
    assert reason in found["error"]
    assert "Nothing was compared" in found["error"]
    assert press.rows("SELECT count(*) FROM gaps") == [(0,)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--witness", "press"], "cannot be its own witness"),
        (["--witness", "nobody"], "there is no source 'nobody'"),
        (["--witness", "ftp://press.example/all"], "expected an http or https address"),
        (["--from", "2026-03-02"], "--to"),
        (["--closed"], "--closed"),
    ],
)
def test_audit_that_cannot_run_is_a_usage_error(press, audit, given, message):
    code, found, _ = audit(*given)

    assert code == 2
    assert message in found["error"]


def test_token_of_a_witness_is_in_no_message_and_no_table(press, audit):
    token = "planted-token-4711"
    press.sync()
    press.answers[f"/all.xml?token={token}"] = press.answers["/all.xml"]

    code, found, err = audit("--witness", f"{press.url}/all.xml?token={token}")

    assert (code, found["witness"]) == (3, f"{press.url}/all.xml?token=***")
    kept = [one for one in press.folder.rglob("*") if one.is_file()]
    assert token not in json.dumps(found) + err
    assert [one.name for one in kept if token.encode() in one.read_bytes()] == []


def test_erasure_of_an_article_removes_its_address_from_the_gaps(press, audit):
    press.sync()
    audit()
    with connect(press.settings.warehouse.path) as db:
        erase(db, [f"press:{press.url}/a1"])

    assert press.rows("SELECT missing_urls FROM gaps ORDER BY from_at") == [
        ([],),
        (urls(press, 2),),
    ]
