"""``sitemap.xml``: the addresses of the articles and lists of a site (sitemaps.org)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

MAX_URLS = 50_000
"""Of one file, by the protocol."""

_SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def sitemap_files(
    base_url: str, paths: Sequence[str], *, urls_each: int = MAX_URLS
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file: ``sitemap.xml``, and its parts if it has some.

    Args:
        base_url: The address of the site, with ``/`` at the end.
        paths: Of its pages. New ones at the end change the last part only.
        urls_each: How many addresses a part has.
    """
    parts = [paths[at : at + urls_each] for at in range(0, len(paths), urls_each)] or [[]]
    if len(parts) == 1:
        yield "sitemap.xml", _url_set(base_url, parts[0])
        return
    names = [f"sitemap-{number}.xml" for number in range(1, len(parts) + 1)]
    rows = "".join(f"<sitemap><loc>{escape(base_url + name)}</loc></sitemap>\n" for name in names)
    yield "sitemap.xml", f'{_HEAD}<sitemapindex xmlns="{_SPACE}">\n{rows}</sitemapindex>\n'
    for name, part in zip(names, parts, strict=True):
        yield name, _url_set(base_url, part)


def _url_set(base_url: str, paths: Sequence[str]) -> str:
    rows = "".join(f"<url><loc>{escape(base_url + path)}</loc></url>\n" for path in paths)
    return f'{_HEAD}<urlset xmlns="{_SPACE}">\n{rows}</urlset>\n'
