"""Keys that others add to a post, and posts that a plugin dumped again."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.import_export.post_head import OWN_KEYS, add_keys, keep_added_keys, meaning_of
from parsers.frontmatter import Dialect, write_post
from parsers.model import Media
from tests.unit.import_export.conftest import make_article

WORDS = st.text(
    st.sampled_from("ab  \"'\\:#{}%-降。<>[]|é1\u2028"), min_size=1, max_size=60
).filter(str.strip)
ARTICLES = st.builds(
    lambda title, categories, authors: make_article(
        title=" ".join(title.split()), categories=categories, authors=authors, source="feed",
        article_id="feed:1", source_article_id="1", lead_image="https://example.org/a.png",
    ),
    title=WORDS,
    categories=st.lists(WORDS.map(str.strip), max_size=3, unique=True).map(tuple),
    authors=st.lists(WORDS.map(str.strip), max_size=2, unique=True).map(tuple),
)  # fmt: skip
DIALECTS = st.sampled_from(get_args(Dialect))


def head_of(post: bytes):
    return yaml.safe_load(post.decode().split("---\n", 2)[1])


def dumped_again(post: bytes, **added: object) -> bytes:
    """The post as a plugin writes it: the head dumped, one more key, a local date."""
    _, head, body = post.decode().split("---\n", 2)
    fields = yaml.safe_load(head) | added
    fields["date"] = "2022-03-14 12:43:16"
    return f"---\n{yaml.safe_dump(fields, allow_unicode=True, width=30)}---\n{body}\n".encode()


@given(ARTICLES, DIALECTS)
def test_post_that_was_dumped_again_has_the_same_meaning(article, dialect):
    post = write_post(article, dialect).data

    again = dumped_again(post, abbrlink="1e10")

    assert meaning_of(again).is_same(meaning_of(post))


@given(ARTICLES, DIALECTS, WORDS)
def test_post_with_another_title_or_body_has_another_meaning(article, dialect, word):
    post = write_post(article, dialect).data

    assert not meaning_of(dumped_again(post, title=f"x{word}")).is_same(meaning_of(post))
    assert not meaning_of(dumped_again(post) + b"more").is_same(meaning_of(post))
    assert not meaning_of(dumped_again(post).replace(b"12:43:16", b"12:44:16")).is_same(
        meaning_of(post)
    )


@given(ARTICLES, DIALECTS)
def test_added_keys_are_kept_once_and_as_they_were_written(article, dialect):
    new = write_post(article, dialect).data
    existing = dumped_again(new, title="old", abbrlink="1e10", photos=["a", "b"], pinned=True)

    kept = keep_added_keys(existing, new)

    assert head_of(kept) == head_of(new) | {
        "abbrlink": "1e10",
        "photos": ["a", "b"],
        "pinned": True,
    }
    assert keep_added_keys(kept, new) == kept
    assert keep_added_keys(existing, new, own=["abbrlink", "photos", "pinned"]) == new


@given(ARTICLES, DIALECTS, WORDS)
def test_keys_of_the_configuration_are_added_and_replace_its_own(article, dialect, word):
    post = write_post(article, dialect).data

    found = head_of(
        add_keys(post, {"layout": "x", "note": word, "tags2": (word, "b"), "n": 3, "on_top": True})
    )

    assert found == head_of(post) | {
        "layout": "x", "note": word, "tags2": [word, "b"], "n": 3, "on_top": True,
    }  # fmt: skip


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_keys_of_new_posts_are_known(dialect):
    video = Media(kind="video", url="https://example.org/v.mp4", length=9, duration=1.5)
    article = make_article(
        article_id="feed:1", source="feed", source_article_id="1", authors=("a",),
        lead_image="https://example.org/a.png", published_precision="minute", media=(video,),
    )  # fmt: skip
    post = write_post(article, dialect).data
    other = write_post(replace(article, media=(replace(video, length=8),)), dialect).data

    assert head_of(post).keys() <= OWN_KEYS
    assert "media" in head_of(post)
    assert meaning_of(dumped_again(post)).is_same(meaning_of(post))
    assert not meaning_of(other).is_same(meaning_of(post))


@pytest.mark.parametrize(
    "data",
    [b"", b"no head", b"---\nunclosed", b"\xff\xfe", b"---\n: :\n---\n"],
)
def test_file_without_a_readable_head_has_no_meaning_and_keeps_nothing(data):
    assert not meaning_of(data).is_same(meaning_of(data))
    assert keep_added_keys(data, b"---\na: 1\n---\n") == b"---\na: 1\n---\n"
