"""The files of a drafted source: its module, its test, its package."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flows.scaffold.draft import Draft, Selector

_HEAD = '''"""{name}, {home}.

Drafted from {url}
Correct the selectors here, and the expected JSON beside the recorded page. Describe the quirks
of the site in this docstring.
"""

from __future__ import annotations
{imports}
HOME = "{home}"
'''

_FEED = '''FEED = {feed}


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the feed."""
    return (Listing(channel="news", url=absolute(source.text("base_url"), FEED)),)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each item of the feed.

    Raises:
        BadListing: The page is no feed.
    """
    feed = parse_feed(page.text, listing.url)
    bad = [BadEntry(channel=listing.channel, raw=one.raw, error=one.error) for one in feed.broken]
    items = (
        entry_or_error(listing.channel, item.raw, partial(entry_of, source, item.link))
        for item in feed.items
    )
    return (*items, *bad)
'''

_NO_FEED = '''

def listings(_source: Source) -> tuple[Listing, ...]:
    """Return none: the option ``article_urls`` names the articles."""
    return ()


def entries(_source: Source, _listing: Listing, _page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return none, because there are no listings."""
    return ()
'''

_REST = '''

def parse(source: Source, page: Page) -> Article:
    """Parse an article page.

    Raises:
        LayoutChanged: The headline, the time or the text is not where it was.
    """
    soup = select.document(page.text)
    entry = page.entry or entry_of(source, page.url)
    return compose(
        source,
        page,
        source_article_id=entry.source_article_id,
        url=entry.link,
        canonical_url=canonicalize(entry.link),
        title=Extracted(
            {title},
            {title_from},
        ),
        published={published},
        body=select.select_one(soup, {body}),
{more}    )


def entry_of(source: Source, url: str) -> Entry:
    """Return the entry of an article's URL.

    Raises:
        UnknownUrl: The URL is of another site, or of its front page.
    """
    link = canonicalize(url)
    hosts = {{host_of(HOME), host_of(source.text("base_url"))}}
    parts = url_parts(link)
    if host_of(link) not in hosts or not parts.path.strip("/"):
        raise UnknownUrl(expected=f"an article of {{HOME}}", found=repr(url))
    number = parts.path.strip("/") + (f"?{{parts.query}}" if parts.query else "")
    return Entry(source_article_id=number, channel="news", url=link, link=link)


PARSER = Parser(
    name="{slug}",
    version="1",
    options={options},
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
)
'''

_TEST = '''"""Every recorded page of {slug}, compared as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows.scaffold.cases import Case, cases_in, outcome

from {module} import PARSER

CASES = cases_in(PARSER, Path(__file__).parent / "pages")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_page_reads_as_expected(case: Case) -> None:
    assert outcome(case) == case.result
'''

_PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "copydesk-{slug}"
version = "0.1.0"
description = "Reads {home} for copydesk"
requires-python = ">=3.11"
dependencies = ["copydesk>={version}"]

[project.entry-points."copydesk.parsers"]
{slug} = "{module}:PARSER"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_README = """# copydesk-{slug}

Reads {home} for copydesk.

1. Open `tests/pages/{case}.expected.json`: does it hold what the page has? Correct it by eye, then correct
   the selectors in `{module}.py` until `python -m pytest` passes.
2. Install the package beside copydesk: `pip install -e .`
3. Add the source to `copydesk.toml`, then run `copydesk sources check {slug}`:

```toml
[sources.{slug}]
parser = "{slug}"{urls}
```

A page is recorded as one file and one `.expected.json` in `tests/pages`. Raise `version` in
`{module}.py` with every change of what `parse` returns. The rights of recorded pages stay with
their publisher.
"""


def module_text(slug: str, url: str, draft: Draft) -> str:
    """The module of the parser."""
    head = _HEAD.format(
        name=_plain(draft.article.publisher or slug),
        home=draft.home,
        url=_plain(url),
        imports=_imports(draft),
    )
    feed = _FEED.format(feed=_quoted(draft.feed.removeprefix(draft.home)))
    return (
        head
        + (feed if draft.feed else _NO_FEED)
        + _REST.format(
            title=_value(draft.title),
            title_from=_quoted(f"css:{draft.title.css}"),
            published=_published(draft),
            body=_quoted(draft.body.css),
            more=_more(draft),
            slug=slug,
            options=_options(draft),
        )
    )


def module_test_text(slug: str, module: str) -> str:
    """The test of the recorded pages."""
    return _TEST.format(slug=slug, module=module)


def project_text(slug: str, module: str, home: str, version: str) -> str:
    """The ``pyproject.toml`` of the package."""
    return _PROJECT.format(slug=slug, module=module, home=home, version=version)


def readme_text(slug: str, module: str, case: str, url: str, draft: Draft) -> str:
    """The ``README.md`` of the package."""
    urls = "" if draft.feed else f"\narticle_urls = [{_quoted(url)}]"
    return _README.format(slug=slug, module=module, home=draft.home, case=case, urls=urls)


def _imports(draft: Draft) -> str:
    times = "parse_time" if draft.published else "unknown_time"
    times = f"find_time_text, {times}" if draft.published and draft.published.is_line else times
    lines = [
        ("from functools import partial\n", bool(draft.feed)),
        ("from parsers.compose import compose", True),
        ("from parsers.errors import UnknownUrl", True),
        ("from parsers.feeds import parse_feed", bool(draft.feed)),
        ("from parsers.html import select", True),
        ("from parsers.listings import entry_or_error", bool(draft.feed)),
        (
            "from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Page, Parser, "
            "Source",
            True,
        ),
        (f"from parsers.text.dates import {times}", True),
        ("from parsers.text.people import author_names", draft.authors is not None),
        (
            f"from parsers.text.urls import {'absolute, ' if draft.feed else ''}canonicalize, "
            "host_of, url_parts",
            True,
        ),
    ]
    return "\n".join(["", *(line for line, is_used in lines if is_used), ""])


def _published(draft: Draft) -> str:
    if draft.published is None:
        return 'unknown_time("", "no time was found")'
    return _call(
        "parse_time",
        _value(draft.published),
        "source.zone()",
        _quoted(f"css:{draft.published.css}"),
    )


def _more(draft: Draft) -> str:
    return "".join(f"        {name}={value},\n" for name, value in _others(draft))


def _others(draft: Draft) -> Iterator[tuple[str, str]]:
    declared = '"source declaration"'
    if draft.article.publisher:
        yield "publisher", f"Extracted({_quoted(draft.article.publisher)}, {declared})"
    if draft.authors is not None:
        names = f"author_names([{_value(draft.authors)}])"
        yield "authors", _call("Extracted", names, _quoted(f"css:{draft.authors.css}"))
    if draft.article.language:
        yield "language", f"Extracted({_quoted(draft.article.language)}, {declared})"


def _call(name: str, *arguments: str) -> str:
    lines = "".join(f"            {one},\n" for one in arguments)
    return f"{name}(\n{lines}        )"


def _options(draft: Draft) -> str:
    urls = "" if draft.feed else ', "article_urls": ()'
    return f'{{"base_url": HOME{urls}, "time_zone": {_quoted(draft.time_zone)}}}'


def _value(selector: Selector) -> str:
    one = f"select.select_one(soup, {_quoted(selector.css)})"
    if selector.attribute:
        return f"str({one}[{_quoted(selector.attribute)}])"
    text = f"select.text_of({one})"
    return f"find_time_text({text})" if selector.is_line else text


def _quoted(text: str) -> str:
    """A Python string with the quotes that ruff prefers."""
    if '"' in text and "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """A text that ends no docstring."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())
