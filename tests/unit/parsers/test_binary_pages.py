"""Compressed and other binary data in the place of a page, and pages with broken markup."""

from __future__ import annotations

import gzip
import random
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import registry
from parsers.errors import IncompleteArticle, NotText, WrongPage
from parsers.model import Page
from parsers.text.characters import is_binary
from parsers.text.charset import decode
from tests.unit.parsers.generic_pages import PARAGRAPHS, TEXT, URL, page, read

NOISE = random.Random(1).randbytes(3000)  # noqa: S311  # no secret
BINARY = {
    "gzip": gzip.compress(page().encode() + NOISE),
    "deflate": zlib.compress(NOISE),
    "picture": b"\x89PNG\r\n\x1a\n" + NOISE,
    "noise": NOISE,
}
GENERIC = registry.make_source("press", "generic", {})


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY)
@pytest.mark.parametrize("call", [registry.parse, registry.next_pages])
def test_binary_data_is_no_text_for_any_parser(data, call):
    binary = Page(url=URL, text=decode(data).text, fetched_at=datetime(2026, 1, 1, tzinfo=UTC))
    sources = [GENERIC, registry.make_source("finews", "finews", {})]

    for source in sources:
        with pytest.raises(NotText) as caught:
            call(source, binary)
        assert caught.value.reason == "not_text"
        assert URL in caught.value.expected


@given(st.binary(max_size=3000))
def test_no_bytes_break_the_generic_parser(data):
    with suppress(IncompleteArticle, NotText, WrongPage):
        assert read(page(body=PARAGRAPHS + decode(data).text)).text


@pytest.mark.parametrize("name", ["{x", "{}y", "a{b}", "{", '"', "x:y:z", "字"])
def test_attribute_with_a_name_that_is_none_is_removed(name):
    link = f'<a {name}="1" href="https://press.example/2">harbour</a>'
    article = read(page(body=PARAGRAPHS.replace("harbour", link, 1)))

    assert article.text == TEXT
    assert '<a href="https://press.example/2">harbour</a>' in article.body_html


@pytest.mark.parametrize(
    "text", ["", "央行降准\x07", "a\x00b" * 3, "央行宣布降准。\x0c\n" * 100 + "\x01" * 9]
)
def test_text_with_few_control_characters_is_text(text):
    assert not is_binary(text)
