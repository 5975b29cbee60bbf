"""Recorded cases: a page, and the result of parsing it.

``<case>.html|json|xml`` is the page as it was sent, byte for byte. ``<case>.expected.json`` has
how it is parsed and the result::

    url, fetched_at          of the page
    content_type, options    when they are not the defaults
    entry                    the entry of a listing that led to the page
    more                     the following pages: [{"file": ..., "url": ...}]
    page                     the file of the page, when it is another case's
    item                     for a feed: the item to parse as an article

and one of::

    article                  the whole article
    channel and entries      a listing of that channel, and all of its entries
    error                    {"type": ..., "expected": ..., "found": ...}

``versions.json`` beside the cases has the parser's version and a digest of the article of each
case. It shows a change of what ``parse`` returns under an old version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from flows.pipeline.rows import make_entry
from parsers import registry
from parsers.errors import ParseError
from parsers.model import Article, BadEntry, Entry, Listing, Page, Parser, Source
from parsers.text import charset

SUFFIX = ".expected.json"
OUTCOMES = ("article", "entries", "error")
VERSIONS = "versions.json"
PAGE_SUFFIXES = (".html", ".json", ".xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recorded case: its page and its expected result."""

    parser: Parser
    name: str
    page: Path
    expected: Mapping[str, Any]

    @property
    def file(self) -> Path:
        """The file of the expected result."""
        return self.page.with_name(self.name + SUFFIX)

    @property
    def result(self) -> dict[str, Any]:
        """The expected article, entries or error."""
        return {name: self.expected[name] for name in OUTCOMES if name in self.expected}


def cases_in(parser: Parser, folder: Path) -> list[Case]:
    """The recorded cases of a parser in a folder, by name."""
    return [case_in(parser, file) for file in sorted(folder.glob(f"*{SUFFIX}"))]


def case_in(parser: Parser, file: Path) -> Case:
    """The case of one expected.json file."""
    name = file.name.removesuffix(SUFFIX)
    expected = json.loads(file.read_text(encoding="utf-8"))
    names = (
        [expected["page"]] if "page" in expected else [name + suffix for suffix in PAGE_SUFFIXES]
    )
    (page,) = (path for found in names if (path := file.with_name(found)).exists())
    return Case(parser=parser, name=name, page=page, expected=expected)


def outcome(case: Case) -> dict[str, Any]:
    """Parse the page; return the result in the form of the expected JSON."""
    try:
        result = parsed(case)
    except ParseError as error:
        return {"error": _failure(error)}
    if isinstance(result, Article):
        return {"article": _plain(asdict(result))}
    return {"entries": [_line(line) for line in result]}


def write(case: Case) -> None:
    """Write the current result of the case's page as its expected result."""
    kept = {name: value for name, value in case.expected.items() if name not in OUTCOMES}
    text = json.dumps({**kept, **outcome(case)}, ensure_ascii=False, indent=2)
    case.file.write_text(text + "\n", encoding="utf-8")


def version_of(parser: Parser, folder: Path) -> dict[str, Any]:
    """What ``versions.json`` has to be: the version, and a digest of each case's article."""
    results = {}
    for case in cases_in(parser, folder):
        if article := outcome(case).get("article"):
            del article["parser_version"]
            text = json.dumps(article, ensure_ascii=False, sort_keys=True)
            results[case.name] = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {"version": parser.version, "results": results}


def changed_results(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The cases whose article changed although the version is the recorded one."""
    if recorded["version"] != now["version"]:
        return []
    return [
        name
        for name, digest in recorded["results"].items()
        if now["results"].get(name, digest) != digest
    ]


def parsed(case: Case) -> Article | tuple[Entry | BadEntry, ...]:
    """Parse the page of a case.

    Raises:
        ParseError: As the parser raises it.
    """
    source = registry.make_source(
        case.expected.get("slug", case.parser.name), case.parser, case.expected.get("options", {})
    )
    page = _page(case)
    if "channel" in case.expected:
        return _entries(source, case, page)
    if "item" in case.expected:
        page = _item_page(source, case, page)
    return registry.parse(source, page)


def _page(case: Case) -> Page:
    expected = case.expected
    entry = expected.get("entry")
    return _read(
        case.page,
        expected["url"],
        expected,
        entry=make_entry(entry) if entry else None,
        next_pages=tuple(
            _read(case.page.with_name(following["file"]), following["url"], expected)
            for following in expected.get("more", ())
        ),
    )


def _read(file: Path, url: str, expected: Mapping[str, Any], **others: Any) -> Page:
    decoded = charset.decode(file.read_bytes(), expected.get("content_type", ""))
    return Page(
        url=url,
        text=decoded.text,
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
        fetched_at=datetime.fromisoformat(expected["fetched_at"]),
        **others,
    )


def _entries(source: Source, case: Case, page: Page) -> tuple[Entry | BadEntry, ...]:
    listing = Listing(channel=case.expected.get("channel", "feed"), url=page.url)
    return registry.entries(source, listing, page)


def _item_page(source: Source, case: Case, page: Page) -> Page:
    entry = _entries(source, case, page)[case.expected["item"]]
    if isinstance(entry, BadEntry):
        raise entry.error
    return replace(page, entry=entry)


def _line(line: Entry | BadEntry) -> dict[str, Any]:
    if isinstance(line, BadEntry):
        return {"error": _failure(line.error)}
    left_out = {"channel", "other_ids"}
    found = {name: value for name, value in asdict(line).items() if name not in left_out}
    if line.content is None:
        del found["content"]
    if not line.media:
        del found["media"]
    return _plain(found)


def _failure(error: ParseError) -> dict[str, str]:
    return {"type": type(error).__name__, "expected": error.expected, "found": error.found}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(value, default=_as_json))
    return plain


def _as_json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {value!r}")
