"""WARC files in the form of CC-NEWS, with synthetic pages of many sites.

    python -m tests.ccnews FILE RECORDS

writes one. Every record is a gzip member of its own. A request follows each response, as
Common Crawl writes them.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

SITE = "www.harbourgazette.example"
"""The site whose pages a test imports."""

START = datetime(2026, 11, 1, tzinfo=UTC)
_WORDS = [
    "harbour",
    "ferry",
    "council",
    "budget",
    "storm",
    "bridge",
    "market",
    "school",
    "river",
    "museum",
    "engine",
    "station",
    "weather",
    "report",
    "minister",
    "library",
    "garden",
    "winter",
    "summer",
    "traffic",
    "railway",
    "festival",
    "company",
    "worker",
    "island",
]


def article(number: int, words: int = 300) -> bytes:
    """A page with one article, and as much around it as pages have."""
    chance = random.Random(number)  # noqa: S311
    text = [chance.choice(_WORDS) for _ in range(words)]
    text[::12] = [f"{word} {number} {place}." for place, word in enumerate(text[::12])]
    paragraphs = "".join(f"<p>{' '.join(text[at : at + 60])}.</p>" for at in range(0, words, 60))
    links = "".join(f'<li><a href="/section/{n}">{_WORDS[n % 25]} {n}</a></li>' for n in range(60))
    title = f"The {text[1]} and the {text[2]} of day {number}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta property="og:type" content="article"><meta property="article:published_time" '
        f'content="{START + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}"></head><body><nav><ul>'
        f"{links}</ul></nav><article><h1>{title}</h1>{paragraphs}</article></body></html>"
    ).encode()


def http(body: bytes, *, status: str = "200 OK", **fields: str) -> bytes:
    """A response as a crawler stores it."""
    given = {"content_type": "text/html; charset=utf-8", **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def record(
    url: str,
    block: bytes,
    *,
    kind: str = "response",
    at: datetime = START,
    level: int = 1,
    fields: Mapping[str, str] | None = None,
) -> bytes:
    """One record, compressed."""
    given = {
        "WARC-Type": kind,
        "WARC-Date": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "WARC-Record-ID": "<urn:uuid:00000000-0000-4000-8000-000000000000>",
        **({"WARC-Target-URI": url} if url else {}),
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(block)),
        **(fields or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    plain = b"WARC/1.0\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"
    return packer.compress(plain) + packer.flush()


def warcinfo() -> bytes:
    """The first record of a file."""
    return record("", b"software: a crawler\r\n", kind="warcinfo")


def news(count: int, *, wanted_every: int = 50, words: int = 300) -> Iterator[bytes]:
    """Responses of many sites, each with its request; each ``wanted_every``-th is of ``SITE``."""
    bodies = [article(number, words) for number in range(200)]
    for number in range(count):
        is_wanted = number % wanted_every == 0
        host = SITE if is_wanted else f"news{number % 997}.example"
        url = f"https://{host}/2026/11/story-{number}"
        body = article(number, words) if is_wanted else bodies[number % len(bodies)]
        at = START + timedelta(seconds=number)
        yield record(
            url, f"GET /2026/11/story-{number} HTTP/1.1\r\n\r\n".encode(), kind="request", at=at
        )
        yield record(url, http(body), at=at)


def write(path: Path, records: Iterator[bytes]) -> Path:
    """A file of these records, after its warcinfo."""
    with path.open("wb") as file:
        file.write(warcinfo())
        for one in records:
            file.write(one)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), news(int(sys.argv[2])))
