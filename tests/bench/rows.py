"""Article rows of the made corpora."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from warehouse import ArticleRow


def article_row(
    source: str,
    number: int,
    *,
    title: str,
    text: str,
    published_at: datetime,
    fetched_at: datetime,
) -> ArticleRow:
    """Return the row of an article that has nothing but a title, a text and a time."""
    url = f"https://example.org/{number}"
    return ArticleRow(
        article_id=f"{source}:{number}",
        source=source,
        source_article_id=str(number),
        url=url,
        canonical_url=url,
        title=title,
        published_at=published_at,
        body_html="",
        text=text,
        content_hash="c1:" + sha256(f"{title}\n{text}".encode()).hexdigest(),
        parser="bench",
        parser_version="1",
        channel="bench",
        fetched_at=fetched_at,
    )
