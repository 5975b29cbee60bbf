"""Lists of articles as pages: by source, category, tag and day, and of all articles.

Pages are numbered from the oldest, so that an old page keeps its articles when new ones come. The
first page that a reader sees, ``index.html``, has the newest articles: a full page and the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows.web.site.articles import SiteArticle
from flows.web.site.names import list_folder
from flows.web.site.options import PAGE_LENGTH

KINDS = ("sources", "categories", "tags", "days")
"""The kinds of lists, and their folders."""

UNKNOWN_DAY = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """A page of a list.

    Attributes:
        path: Of its file.
        articles: The newest first.
        newer: The path of the page with newer articles; empty for the first.
        older: The path of the page with older ones; empty for the last.
    """

    path: str
    articles: Sequence[SiteArticle]
    newer: str
    older: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleList:
    """The articles of a source, a category, a tag or a day.

    Attributes:
        kind: One of ``KINDS``; empty for the list of all articles.
        name: Of the source, category or tag, or the day as ``2026-11-30``.
        articles: The oldest first.
    """

    kind: str
    name: str
    articles: Sequence[SiteArticle]

    @property
    def folder(self) -> str:
        """The folder of its pages, with ``/`` at the end; empty for the list of all articles."""
        return f"{self.kind}/{list_folder(self.name)}/" if self.kind else ""

    @property
    def path(self) -> str:
        """The path of its first page."""
        return f"{self.folder}index.html"

    def pages(self, length: int = PAGE_LENGTH) -> Iterator[ListPage]:
        """Yield its pages, the oldest first."""
        count = len(self.articles)
        full = max(0, count // length - 1)
        folder = self.folder or "all/articles/"
        paths = [*(f"{folder}page-{number}.html" for number in range(1, full + 1)), self.path]
        for at, path in enumerate(paths):
            end = count if at == full else (at + 1) * length
            yield ListPage(
                path=path,
                articles=self.articles[at * length : end][::-1],
                newer=paths[at + 1] if at < full else "",
                older=paths[at - 1] if at else "",
            )


def lists_of(articles: Sequence[SiteArticle]) -> dict[str, list[ArticleList]]:
    """Return the lists of each kind, by name; days are the newest first."""
    found: dict[str, dict[str, list[SiteArticle]]] = {kind: defaultdict(list) for kind in KINDS}
    sources, categories, tags, days = (found[kind] for kind in KINDS)
    for one in articles:
        sources[one.source].append(one)
        for name in dict.fromkeys(filter(None, one.categories)):
            categories[name].append(one)
        for name in dict.fromkeys(filter(None, one.tags)):
            tags[name].append(one)
        days[one.published_on.isoformat() if one.published_on else UNKNOWN_DAY].append(one)
    return {
        kind: [
            ArticleList(kind=kind, name=name, articles=by_name[name])
            for name in sorted(by_name, reverse=kind == "days")
        ]
        for kind, by_name in found.items()
    }
