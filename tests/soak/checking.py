"""Compares a warehouse with the test site's oracle: lost, doubled, wrong and unreported rows.

The corpus is read by SQL from the views that people use, the oracle is made from the
stories; nothing of the way from the one to the other is used here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.pipeline.revisit import retry_interval
from tests.site import ExpectedArticle, Oracle
from tests.site.editions import CHANNELS
from warehouse import connect_read_only
from warehouse.care.integrity import verify

WAYS: dict[str, tuple[str, Any]] = {
    "finews": ("finews", "api"),
    "woshipm": ("woshipm", "feed"),
    "woshipm_direct": ("woshipm", "direct"),
    "ofweek": ("ofweek", "direct"),
    "ofweek_feed": ("ofweek", "feed"),
}
"""Each source of the project: whose it is, and how it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When an edition was on show: every source was read whole at least once in it."""

    edition: int
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One revision of an article."""

    title: str
    text: str
    valid_from: datetime


@dataclass(slots=True, kw_only=True)
class Corpus:
    """The rows of a warehouse, as plain values.

    Attributes:
        articles: Source and id of each row of the view, as often as it is there.
        revisions: By source and id, in the order the view gives them.
        sightings: Article and content of each row, as often as it is there.
        last_seen: By source and id.
        gaps: Source, channel and when it was noticed.
        retried: When a page that failed was first asked for again at the earliest, by source and id.
        waiting: The quarantine: source, and a text that names the article or line.
        unfinished: Runs that neither ended nor were found dead.
        broken_rules: The problems that the warehouse itself reports.
    """

    articles: list[tuple[str, str]]
    revisions: dict[tuple[str, str], list[Row]]
    sightings: list[tuple[str, str]]
    last_seen: dict[tuple[str, str], datetime]
    gaps: list[tuple[str, str, datetime]]
    retried: dict[tuple[str, str], datetime]
    waiting: list[tuple[str, str]]
    unfinished: list[str]
    broken_rules: list[str]


def read_corpus(path: Path, *, leave_out: Iterable[str] = ()) -> Corpus:
    """Read the rows of a warehouse (or a snapshot of it).

    Args:
        path: The file; no process may be writing it.
        leave_out: Ids that the oracle does not know: those of shared links.
    """
    out = frozenset(leave_out)
    with connect_read_only(path) as db:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return [row for row in db.execute(sql).fetchall() if row[1] not in out]

        seen = rows("SELECT source, source_article_id, last_seen_at FROM articles")
        revisions: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for source, number, *version in rows(
            "SELECT source, split_part(article_id, ':', 2), title, text, valid_from "
            "FROM revisions ORDER BY article_id, revision"
        ):
            revisions[source, number].append(Row(*version))
        return Corpus(
            articles=[(source, number) for source, number, _ in seen],
            revisions=dict(revisions),
            sightings=rows("SELECT article_id, content_hash FROM sightings"),
            last_seen={(source, number): at for source, number, at in seen},
            gaps=rows("SELECT source, channel, detected_at FROM gaps"),
            retried={
                (source, number): at + retry_interval(1)
                for source, number, at in rows(
                    "SELECT source, split_part(article_id, ':', 2), first_failed_at "
                    "FROM quarantine WHERE article_id IS NOT NULL"
                )
            },
            waiting=[
                (source, f"{number or ''} {message} {page}")
                for source, number, message, page in rows(
                    "SELECT source, article_id, message, decode(page) FROM quarantine "
                    "WHERE resolved_at IS NULL"
                )
            ],
            unfinished=[
                one for (one, _) in rows("SELECT run_id, 1 FROM runs WHERE state = 'running'")
            ],
            broken_rules=list(verify(db, is_deep=True).problems),
        )


def differences(corpus: Corpus, oracle: Oracle, windows: Sequence[Window]) -> list[str]:
    """The differences between the warehouse and the oracle, one sentence each.

    Args:
        corpus: What was stored.
        oracle: Of the last edition that was shown.
        windows: One for each edition that was shown, 1 to the last.
    """
    return [
        *_articles(corpus, oracle),
        *_revisions(corpus, oracle, windows),
        *_sightings(corpus),
        *_last_seen(corpus, oracle, windows),
        *_gaps(corpus, oracle, windows),
        *_quarantine(corpus, oracle),
        *(f"run {one} neither ended nor was found dead" for one in corpus.unfinished),
        *(f"the warehouse breaks a rule: {one}" for one in corpus.broken_rules),
    ]


def _expected_articles(oracle: Oracle) -> Iterator[tuple[str, str, ExpectedArticle]]:
    for source, (publication, via) in WAYS.items():
        for number, article in oracle.of(publication, via).items():
            yield source, number, article


def _articles(corpus: Corpus, oracle: Oracle) -> Iterator[str]:
    """Every article exactly once."""
    copies = Counter(corpus.articles)
    expected = {(source, number) for source, number, _ in _expected_articles(oracle)}
    for source, number in sorted(expected - copies.keys()):
        yield f"{source}:{number} is missing"
    for source, number in sorted(copies.keys() - expected):
        yield f"{source}:{number} does not exist"
    for (source, number), count in sorted(copies.items()):
        if count != 1:
            yield f"{source}:{number} is there {count} times"


def _revisions(corpus: Corpus, oracle: Oracle, windows: Sequence[Window]) -> Iterator[str]:
    """Every revision in order, each noticed while its edition was on show."""
    shown = {window.edition: window for window in windows}
    for source, number, article in _expected_articles(oracle):
        rows, name = corpus.revisions.get((source, number), []), f"{source}:{number}"
        if len(rows) != len(article.history):
            yield f"{name}: expected {len(article.history)} revisions, found {len(rows)}"
            continue
        for place, (row, version) in enumerate(zip(rows, article.history, strict=True)):
            which = f"{name}, revision {place + 1} of edition {version.edition}"
            if difference := article.differs_from(row.title, row.text, place):
                yield f"{which}: {difference}"
            window = shown[version.edition]
            ended = window.ended
            if retried := corpus.retried.get((source, number)):  # perhaps in a later edition
                ended = max(ended, *(one.ended for one in windows if one.began <= retried))
            if not window.began <= row.valid_from <= ended:
                yield (
                    f"{which}: expected it to hold from between {window.began} and "
                    f"{ended}, found {row.valid_from}"
                )


def _sightings(corpus: Corpus) -> Iterator[str]:
    for (article, content), count in sorted(Counter(corpus.sightings).items()):
        if count != 1:
            yield f"the sighting of {content} in {article} is there {count} times"


def _last_seen(corpus: Corpus, oracle: Oracle, windows: Sequence[Window]) -> Iterator[str]:
    """Every listed article was seen in the last edition."""
    last = windows[-1]
    for source, number, article in _expected_articles(oracle):
        at = corpus.last_seen.get((source, number))
        if article.is_listed and at is not None and at < last.began:
            yield f"{source}:{number} was last seen {at}, before edition {last.edition} began"


def _gaps(corpus: Corpus, oracle: Oracle, windows: Sequence[Window]) -> Iterator[str]:
    """A gap wherever the test site dropped something, and none elsewhere."""
    expected = {
        (source, channel, edition)
        for source, (publication, _) in WAYS.items()
        for whose, channel, edition in oracle.gaps
        if whose == publication
    }
    reported = {
        (source, _channel(source, channel), _edition_at(at, windows))
        for source, channel, at in corpus.gaps
    }
    for source, channel, edition in sorted(expected - reported):
        yield f"no gap was reported in {source}, {channel}, where edition {edition} dropped something"
    for source, channel, edition in sorted(reported - expected):
        yield f"a gap was reported in {source}, {channel}, where edition {edition} dropped nothing"


def _channel(source: str, name: str) -> str:
    """The test site's name of a source's channel; a source with one list has its own name."""
    channels = CHANNELS[WAYS[source][0]]
    return channels[0] if len(channels) == 1 else name


def _edition_at(at: datetime, windows: Sequence[Window]) -> int:
    return max((one.edition for one in windows if one.began <= at), default=0)


def _quarantine(corpus: Corpus, oracle: Oracle) -> Iterator[str]:
    """The quarantine has every unreadable line, and nothing else."""
    left = list(corpus.waiting)
    for publication, channel, line in oracle.waiting:
        for source in (one for one, (whose, _) in WAYS.items() if whose == publication):
            found = next((one for one in left if one[0] == source and line in one[1]), None)
            if found is None:
                yield f"{source}: {line!r} of {channel} is not in quarantine"
            else:
                left.remove(found)
    for source, what in left:
        yield f"{source}: in quarantine, although it was read since: {' '.join(what.split())[:120]}"
