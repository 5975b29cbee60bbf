"""The soak's checker: a corpus that was really read passes, and every loss is noticed.

The corpus is read from the test site over several editions; then rows of the warehouse
file itself are removed, doubled, swapped or changed, and the checker must report it.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from flows import settings
from flows.cli import demo_run
from flows.serve.run_local import sync_without_prefect
from tests import site
from tests.site import Oracle
from tests.site.editions import CHANNELS, listed
from tests.site.router import represent
from tests.soak.__main__ import SoakReport, report
from tests.soak.checking import WAYS, Window, differences, read_corpus
from tests.soak.project import SHARED

pytestmark = pytest.mark.nightly  # of the checker of the soak, which is no part of CI either

LAST = 6


@dataclass(frozen=True)
class Read:
    """A warehouse that read every edition in turn."""

    warehouse: Path
    oracle: Oracle
    windows: list[Window]

    def differences(self, warehouse: Path) -> list[str]:
        corpus = read_corpus(warehouse, leave_out=[SHARED])
        return differences(corpus, self.oracle, self.windows)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder, windows = tmp_path_factory.mktemp("soak"), []
    with site.serve(last_edition=LAST) as news_site:
        config = demo_run.write_config(
            folder, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\n[defaults]\nrevisit = {[f'{hour}h' for hour in range(1, LAST)]}\n")
        chosen = settings.load(config, {})
        for edition in range(1, LAST + 1):
            news_site.edition, began = edition, datetime.now(UTC)
            if edition > 1:
                change(chosen.warehouse.path, AN_HOUR_PASSES)
            sync_without_prefect(chosen, list(chosen.sources), limit=None, dry_run=False)
            windows.append(Window(edition=edition, began=began, ended=datetime.now(UTC)))
    return Read(chosen.warehouse.path, site.oracle(LAST), windows)


@pytest.fixture
def copy(read: Read, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(read.warehouse, tmp_path / "copydesk.duckdb"))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [one.name for one in threading.enumerate() if one.name.startswith("news_site")] == []


def change(warehouse: Path, *statements: str) -> None:
    with duckdb.connect(warehouse) as db:
        for sql in statements:
            db.execute(sql)


def key(article: str) -> str:
    return f"(SELECT article_key FROM _store.article_records WHERE source || ':' || source_article_id = '{article}' LIMIT 1)"


# Corrections of a page alone are found by revisits only.
AN_HOUR_PASSES = (
    "UPDATE _store.entries SET first_fetched_at = first_fetched_at - INTERVAL 61 MINUTE, "
    "last_fetched_at = last_fetched_at - INTERVAL 61 MINUTE"
)
REWRITTEN = "finews:NW202203142308110113"
ONCE = "woshipm:5364101"


def test_corpus_that_read_every_edition_differs_in_nothing(read):
    assert read.differences(read.warehouse) == []
    assert {edition for _, _, edition in read.oracle.gaps} == {3, 4, 6}
    assert max(article.revisions for article in read.oracle.articles) >= 3


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(
            [f"DELETE FROM _store.article_versions WHERE article_key = {key(ONCE)}"],
            f"{ONCE} is missing",
            id="an article is lost",
        ),
        pytest.param(
            [
                "INSERT INTO _store.contents SELECT c.* FROM _store.contents c WHERE content_key ="
                f" (SELECT content_key FROM _store.article_versions WHERE article_key = {key(ONCE)} LIMIT 1)"
            ],
            f"{ONCE} is there 2 times",
            id="an article is doubled",
        ),
        pytest.param(
            [f"UPDATE _store.article_records SET source_article_id = '99' WHERE article_key = {key(ONCE)}"],
            "woshipm:99 does not exist",
            id="an article is invented",
        ),
        pytest.param(
            [
                f"""UPDATE _store.article_versions SET seen_at = (
                        SELECT min(seen_at) + max(seen_at - o.first) FROM (
                            SELECT min(seen_at) AS first FROM _store.article_versions
                            WHERE article_key = {key(REWRITTEN)}) o, _store.article_versions v
                        WHERE v.article_key = {key(REWRITTEN)})
                    WHERE article_key = {key(REWRITTEN)} AND seen_at = (
                        SELECT min(seen_at) FROM _store.article_versions
                        WHERE article_key = {key(REWRITTEN)})""",
                f"""UPDATE _store.article_versions SET seen_at = seen_at - INTERVAL 1 MINUTE
                    WHERE article_key = {key(REWRITTEN)} AND seq = (
                        SELECT max(seq) FROM _store.article_versions WHERE article_key = {key(REWRITTEN)})""",
            ],
            f"{REWRITTEN}, revision 1 of edition 1: text: at",
            id="two revisions are swapped",
        ),
        pytest.param(
            [
                f"""DELETE FROM _store.article_versions WHERE article_key = {key(REWRITTEN)} AND seq = (
                    SELECT min(seq) FROM _store.article_versions WHERE article_key = {key(REWRITTEN)})"""
            ],
            f"{REWRITTEN}: expected 2 revisions, found 1",
            id="a revision is lost",
        ),
        pytest.param(
            [
                f"""UPDATE _store.article_versions SET seen_at = seen_at + INTERVAL 1 DAY
                    WHERE article_key = {key(ONCE)}"""
            ],
            f"{ONCE}, revision 1 of edition 1: expected it to hold from between",
            id="a revision has the wrong time",
        ),
        pytest.param(
            [
                f"""UPDATE _store.contents SET text = replace(text, '17.5', '71.5') WHERE content_key
                    IN (SELECT content_key FROM _store.article_versions WHERE article_key = {key(ONCE)})"""
            ],
            f"{ONCE}, revision 1 of edition 1: text: at",
            id="a figure is changed",
        ),
        pytest.param(
            ["DELETE FROM _store.gaps WHERE channel = 'market-38'"],
            "no gap was reported in finews, market-38, where edition 3 dropped something",
            id="a gap is not reported",
        ),
        pytest.param(
            ["DELETE FROM _store.gaps WHERE source = 'ofweek'"],
            "no gap was reported in ofweek, news, where edition 6 dropped something",
            id="a gap is reported by one of two sources only",
        ),
        pytest.param(
            ["UPDATE _store.gaps SET channel = 'emnews' WHERE channel = 'media'"],
            "a gap was reported in finews, emnews, where edition 4 dropped nothing",
            id="a gap is reported in the wrong place",
        ),
        pytest.param(
            [
                """UPDATE _store.sightings SET first_seen_at = first_seen_at - INTERVAL 1 DAY,
                    last_seen_at = last_seen_at - INTERVAL 1 DAY"""
            ],
            f"before edition {LAST} began",
            id="what is still listed is not seen again",
        ),
        pytest.param(
            ["UPDATE _store.quarantine SET resolved_at = now() WHERE channel = 'media'"],
            "finews: '（此条无编号）示例快讯' of media is not in quarantine",
            id="a line that nobody could read is forgotten",
        ),
        pytest.param(
            ["UPDATE _store.quarantine SET resolved_at = NULL"],
            "finews: in quarantine, although it was read since: finews:202203142307110006",
            id="a line that was read since still waits",
        ),
        pytest.param(
            ["UPDATE _store.runs SET state = 'running' WHERE seconds = (SELECT max(seconds) FROM _store.runs)"],
            "neither ended nor was found dead",
            id="a run never ends",
        ),
        pytest.param(
            [
                f"""INSERT INTO _store.article_records BY NAME SELECT * REPLACE (uuid() AS record_key)
                    FROM _store.article_records WHERE article_key = {key(ONCE)}"""
            ],
            "the warehouse breaks a rule: records without a version: 1",
            id="the warehouse breaks a rule of its own",
        ),
    ],
)  # fmt: skip
def test_difference_is_noticed(read, copy, statements, expected):
    change(copy, *statements)

    found = read.differences(copy)

    assert any(expected in one for one in found), found


def test_report_has_a_row_a_source_with_what_was_expected_and_what_is_held(read):
    corpus = read_corpus(read.warehouse, leave_out=[SHARED])

    text = report(
        SoakReport(windows=read.windows, recoveries=[3, 9, 5]),
        corpus,
        read.oracle,
        7,
        Counter(kill=2),
    )

    assert "editions: 6, requests: 7" in text
    assert re.search(r"^ +2  kill$", text, re.MULTILINE)
    assert re.search(r"^  ofweek_feed +(\d+) +\1 +(\d+) +\2 +1 +1$", text, re.MULTILINE)
    assert "median 5 s, slowest 9 s" in text


# --- the editions that the soak lives on -----------------------------------------------


def test_generated_editions_bring_news_changes_and_floods_without_end():
    oracle = site.oracle(40)

    for source, (publication, via) in WAYS.items():
        article = oracle.of(publication, via).values()
        assert len(article) > 80, source
        assert sum(one.revisions for one in article) > 1.2 * len(article), source
    assert {edition for _, _, edition in oracle.gaps} >= {*range(4, 41, 2)}
    assert {(whose, channel) for whose, channel, _ in oracle.gaps} == {
        (whose, channel) for whose, channels in CHANNELS.items() for channel in channels
    }


def test_article_that_returns_to_an_earlier_text_has_another_revision():
    back = [
        article.history
        for article in site.oracle(40).articles
        for older_listing, newer in zip(article.history, article.history[2:], strict=False)
        if (older_listing.title, older_listing.text) == (newer.title, newer.text)
    ]

    assert back


def test_lists_keep_their_length_and_order_in_every_edition():
    for publication, channels in CHANNELS.items():
        for channel in channels:
            for edition in range(1, 41):
                found = listed(publication, channel, edition)
                assert len(found) == len(listed(publication, channel, 1))
                assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)


def test_every_listed_story_of_a_generated_edition_can_be_opened():
    oracle = site.oracle(12)

    assert oracle.edition == 12
    for channel in CHANNELS["finews"]:
        for story in listed("finews", channel, 12):
            path = f"/NewsData/GetNewsText.do?id=NW{story.id}"
            assert not story.id or represent(path, 12).answer.status == 200


def test_page_keeps_its_validators_until_an_edition_changes_it():
    path = "/NewsData/GetNewsText.do?id=NW202203142308110113"

    tags = [represent(path, edition).etag for edition in range(1, 30)]

    assert tags[0] != tags[1]
    assert len(set(tags[1:])) == 1
