"""Addresses to answers: every path of every source, on one host and port.

An answer depends on the edition and the address alone, so its validators do too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from tests.site import eastmoney, finews, ofweek, rsshub, woshipm
from tests.site.answers import NOT_FOUND, Answer

FIRST_EDITION_AT = datetime(2022, 5, 27, 0, 0, tzinfo=UTC)
BETWEEN_EDITIONS = timedelta(hours=6)
MAX_REMEMBERED = 65536  # an edition that changes nothing costs an entry, not a page
ROBOTS = b"User-agent: *\nDisallow: /__test_site__/\n"

Route = Callable[[int, Mapping[str, str], re.Match[str]], Answer | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """An answer and its validators, which change with its content only."""

    answer: Answer
    etag: str
    last_modified: datetime


ROUTES: tuple[tuple[re.Pattern[str], Route], ...] = tuple(
    (re.compile(pattern), route)
    for pattern, route in (
        (r"/robots\.txt", lambda _e, _q, _m: Answer(body=ROBOTS, content_type="text/plain")),
        # finews and the Eastmoney pages its articles come from
        (r"/web/webapi", lambda e, q, _m: finews.webapi(e, q)),
        (r"/newmarket/web/webapi", lambda e, q, _m: finews.market(e, q)),
        (r"/NewsData/GetNewsText\.do", lambda e, q, _m: finews.news_text(e, q)),
        (r"/html_News/NewsShare\.html", lambda e, q, _m: finews.share_page(e, q)),
        (r"/a/(\d{18})\.html", lambda e, _q, m: eastmoney.article(e, m[1])),
        (r"/news/(\d+),(\d{18})\.html", lambda e, _q, m: eastmoney.old_address(e, m[1], m[2])),
        # RSSHub
        (r"/woshipm/latest", lambda e, _q, _m: rsshub.woshipm_latest(e)),
        (r"/ofweek/news", lambda e, _q, _m: rsshub.ofweek_news(e)),
        # woshipm and OFweek themselves
        (r"/__api/v1/stream-list", lambda e, _q, _m: woshipm.stream(e)),
        (r"/__api/v1/stream-list/page/(\d{1,3})", lambda e, _q, m: woshipm.stream(e, m[1])),
        (r"/([a-z][a-z-]{1,20})/(\d{4,9})\.html", lambda e, _q, m: woshipm.article(e, m[1], m[2])),
        (r"/CATList-8100-CHANGYIEXINWE\.html", lambda e, _q, _m: ofweek.news_list(e)),
        (
            r"/((?:[a-z]+/)?\d{4}-\d\d/ART-\d+-\d+)-(\d{4,9})(?:_(\d{1,2}))?\.html",
            lambda e, _q, m: ofweek.article(e, m[1], m[2], m[3] or ""),
        ),
    )
)


@lru_cache(maxsize=MAX_REMEMBERED)
def represent(target: str, edition: int) -> Representation:
    """The answer to a request target (path and query) in an edition."""
    before = represent(target, edition - 1) if edition > 1 else None
    answer = _answer(target, edition)
    if before is not None and before.answer == answer:
        return before
    return Representation(
        answer=answer,
        etag=sha256(answer.content_type.encode() + b"\n" + answer.body).hexdigest()[:32],
        last_modified=FIRST_EDITION_AT + BETWEEN_EDITIONS * (edition - 1),
    )


def _answer(target: str, edition: int) -> Answer:
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    for pattern, route in ROUTES:
        if match := pattern.fullmatch(parts.path):
            return route(edition, query, match) or NOT_FOUND
    return NOT_FOUND
