"""Posts of this warehouse's own export are recognized, whatever the article."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from flows.import_export.find_posts import PostPath
from flows.import_export.own_posts import known_outcomes
from flows.import_export.read_posts import PostOutcome, PostReader
from flows.pipeline.rows import article_row
from parsers.content_hash import content_hash
from parsers.frontmatter import Dialect, write_post
from parsers.model import Article
from tests.unit.import_export.conftest import make_article
from warehouse import connect, observe, transaction, upsert_articles

FETCHED_AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
WORDS = st.text(
    st.sampled_from("ab  \"'\\:#{}%-降准、。<>&\u2028\u00a0[]|é😀1"), min_size=1, max_size=12
).filter(str.strip)
ARTICLES = st.builds(
    lambda title, text, own_id, **fields: make_article(
        article_id=f"feed:{own_id}", source="feed", source_article_id=own_id, title=title,
        text=text, body_html=f"<p>{text}</p>", content_hash=content_hash(title, text),
        url="https://example.org/1", tags=(), parser="feed", **fields,
    ),
    title=WORDS.map(lambda text: " ".join(text.split())),
    text=WORDS.map(lambda text: text.replace("<", "").replace("&", "")).filter(str.strip),
    own_id=st.sampled_from(["1", "https://example.org/1", "a:b", "标 题"]),
    language=st.sampled_from([None, "fr", "zh-CN"]),
    categories=st.lists(WORDS, max_size=2).map(tuple),
    authors=st.lists(WORDS, max_size=2).map(tuple),
    published_at=st.sampled_from([None, datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC)]),
    published_precision=st.sampled_from(["second", "minute", "day"]),
)  # fmt: skip


def outcome_of(article: Article, dialect: Dialect) -> PostOutcome:
    """The outcome of reading the post of an article."""
    post = write_post(article, dialect)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "post"
        file.write_bytes(post.data)
        return PostReader("posts").read(PostPath(file=file, relative=post.path))


@given(ARTICLES, st.sampled_from(get_args(Dialect)))
def test_a_post_of_a_stored_article_or_of_its_earlier_revision_is_known(
    article: Article, dialect: Dialect
) -> None:
    if article.published_at is None:
        article = replace(article, published_precision="unknown")
    changed = replace(article, title="other", content_hash=content_hash("other", article.text))
    with connect(":memory:") as db:
        with transaction(db):
            rows = [
                article_row(one, channel="feed", seen_at=FETCHED_AT) for one in (article, changed)
            ]
            upsert_articles(db, map(observe, rows), run_id="r")

        edited = replace(article, title=f"{article.title} edited")
        outcomes = [outcome_of(one, dialect) for one in (article, changed, edited)]
        assert known_outcomes(db, outcomes) == {0, 1}
