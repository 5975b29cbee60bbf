"""The keys of stored records: a changed key makes a reparse call every article modified."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.pipeline.rows import article_row
from parsers import registry
from parsers.model import Article
from tests.recorded import FIXTURES, case_in, parsed
from warehouse.upsert.observations import observe

# Computed by the version before fields and provenance keys were renamed, of the first version of
# each parser.
KEYS = json.loads((FIXTURES / "record_keys.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KEYS)
def test_record_key_of_a_recorded_article_is_that_of_stored_rows(name: str):
    parser = registry.PARSERS[name.partition("/")[0]]
    article = parsed(case_in(parser, FIXTURES / f"{name}.expected.json"))

    assert isinstance(article, Article)
    provenance = {key: how for key, how in article.provenance.items() if key != "media"}
    article = replace(article, media=(), provenance=provenance, parser_version="1")
    row = article_row(article, channel="c", seen_at=datetime(2026, 11, 30, tzinfo=UTC))
    assert observe(row).record_key.hex() == KEYS[name]
