"""Make feeds of the articles and corrections of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape

from duckdb import DuckDBPyConnection

from flows import word_diff
from flows.import_export.feeds.atom import render_atom
from flows.import_export.feeds.json_feed import render_json_feed
from flows.import_export.feeds.model import Feed, FeedEntry, entry_of, urn_of
from flows.pipeline.rows import article_of
from warehouse.read import feed_articles as read
from warehouse.read.feed_articles import Correction, FeedArticle

RENDERERS: Mapping[str, Callable[[Feed], bytes]] = {
    "atom": render_atom,
    "jsonfeed": render_json_feed,
}
SUFFIXES: Mapping[str, str] = {"atom": ".atom", "jsonfeed": ".json"}
DEFAULT_LENGTH = 100

# Stored texts hold none of these: ``word_diff`` escapes control characters.
_TAGS = {"\x01": "<del>", "\x02": "</del>", "\x03": "<ins>", "\x04": "</ins>"}


def articles_feed(
    db: DuckDBPyConnection,
    *,
    name: str,
    title: str,
    sources: Sequence[str] = (),
    since: datetime | None = None,
    limit: int | None = DEFAULT_LENGTH,
    home_url: str = "",
    feed_url: str = "",
) -> Feed:
    """Return the feed of the newest articles.

    Args:
        db: A snapshot or a warehouse.
        name: What identifies the feed; its id is made of it.
        title: For readers.
        sources: Only of these; all if none is named.
        since: Only articles published then or later.
        limit: How many entries; ``None`` for all.
        home_url: The page with the same articles.
        feed_url: The address of the feed.
    """
    found = read.read_newest(db, sources=sources, since=since, limit=limit)
    return feed_of(found, name=name, title=title, home_url=home_url, feed_url=feed_url)


def corrections_feed(
    db: DuckDBPyConnection,
    *,
    name: str,
    title: str,
    sources: Sequence[str] = (),
    since: datetime | None = None,
    limit: int | None = DEFAULT_LENGTH,
    home_url: str = "",
    feed_url: str = "",
) -> Feed:
    """Return the feed of the latest corrections; ``since`` is the time when they were seen."""
    found = read.read_corrections(db, sources=sources, since=since, limit=limit)
    entries = tuple(map(_correction_entry, found))
    return _feed(entries, name=name, title=title, home_url=home_url, feed_url=feed_url)


def feed_of(
    articles: Sequence[FeedArticle],
    *,
    name: str,
    title: str,
    home_url: str = "",
    feed_url: str = "",
) -> Feed:
    """Return the feed of some articles, in their order."""
    entries = tuple(
        entry_of(
            article_of(one.row), first_seen_at=one.first_seen_at, corrected_at=one.corrected_at
        )
        for one in articles
    )
    return _feed(entries, name=name, title=title, home_url=home_url, feed_url=feed_url)


def _feed(entries: tuple[FeedEntry, ...], *, name: str, **values: str) -> Feed:
    languages = {one.language for one in entries}
    language = languages.pop() if len(languages) == 1 else None
    return Feed(id=urn_of("feed", name), entries=entries, language=language, **values)


def _correction_entry(one: Correction) -> FeedEntry:
    return FeedEntry(
        id=urn_of(one.article_id, one.valid_from.isoformat()),
        title=one.title,
        url=one.url,
        updated_at=one.valid_from,
        published_at=one.valid_from,
        categories=(one.source,),
        language=one.language,
        content_html=_changes(one),
    )


def _changes(one: Correction) -> str:
    """Return what changed, as HTML: the lengths, the title and the paragraphs of the text."""
    old, new = one.old_text or "", one.text or ""
    lines = [f"{one.article_id}, revision {one.revision}: {len(old)} → {len(new)} characters"]
    if one.old_title != one.title:
        lines += word_diff.render(word_diff.diff(one.old_title or "", one.title or ""), _marked)
    if old != new:
        lines += word_diff.render(word_diff.diff(old, new), _marked)
    html = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
    for mark, tag in _TAGS.items():
        html = html.replace(mark, tag)
    return html


def _marked(kind: word_diff.Kind, text: str) -> str:
    if kind == "equal":
        return text
    return f"\x01{text}\x02" if kind == "delete" else f"\x03{text}\x04"
