"""Build a static site, or the part of it that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from duckdb import DuckDBPyConnection

from flows.text import pluralize
from flows.web.language import CHINESE, ENGLISH, LANGUAGES, Language
from flows.web.site import search_index as index
from flows.web.site.articles import SiteArticle, read_site_articles
from flows.web.site.feeds import FEEDS, feed_articles, feed_files, has_feed, has_texts
from flows.web.site.files import SiteFiles, inputs_of, open_files
from flows.web.site.lists import ArticleList, ListPage, lists_of
from flows.web.site.options import SiteOptions
from flows.web.site.pages import SitePages, by_month, has_chart
from flows.web.site.sitemap import sitemap_files
from flows.web.site.templates import SiteTemplates
from parsers.text.characters import single_line
from warehouse.read.current import read_texts

_NAMES = (("sources", "Sources"), ("categories", "Categories"), ("tags", "Tags"))
_ASSETS = ("style.css", "search.js")
_NO_JEKYLL = ".nojekyll"
"""With this file GitHub Pages serves the files as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteResult:
    """What a build did with the files of a site.

    Attributes:
        directory: The folder of the site.
        articles: How many articles it has.
        written: Number of new and of replaced files.
        unchanged: Number of files that were left as they were.
        removed: Number of files of pages that are gone.
        left_alone: Why a file was neither written nor removed, by path: copydesk did not write
            it, or it was edited since, or it cannot be written.
    """

    directory: Path
    articles: int
    written: int
    unchanged: int
    removed: int
    left_alone: dict[str, str]

    @property
    def exit_code(self) -> int:
        """3 if a file was left alone."""
        return 3 if self.left_alone else 0

    def as_json(self) -> dict[str, Any]:
        """The counts, and every file that was left alone."""
        return {
            "directory": str(self.directory),
            "articles": self.articles,
            "written": self.written,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "left_alone": self.left_alone,
        }

    def message(self) -> str:
        """A line of counts, then a line for each file that was left alone."""
        lines = [
            f"{self.directory}: {pluralize(self.articles, 'article')}; files: {self.written} written, "
            f"{self.unchanged} unchanged, {self.removed} removed"
        ]
        lines += [f"! {path} was left alone: {why}" for path, why in self.left_alone.items()]
        return "\n".join(map(single_line, lines))


def build_site(db: DuckDBPyConnection, directory: Path, options: SiteOptions) -> SiteResult:
    """Write the site of the current articles into a folder.

    Only files that change are written. A file that copydesk did not write, or that was edited
    since, is left alone. The page of an article that is no longer stored is removed.

    Args:
        db: A snapshot.
        directory: The folder; it is made if it is missing.
        options: What the site is made of.

    Raises:
        ConfigurationError: The folder or a template cannot be used.
        RunFailed: Another build writes into the folder.
    """
    articles = read_site_articles(db, options.sources, one_per_content=options.one_per_content)
    language = LANGUAGES[options.language] if options.language else _language_of(articles)
    with open_files(directory) as folder:
        _Build(db, folder, options, language, articles).run()
        folder.finish()
    return SiteResult(
        directory=directory,
        articles=len(articles),
        written=folder.written + folder.updated,
        unchanged=folder.unchanged,
        removed=folder.removed,
        left_alone=folder.left_alone,
    )


class _Build:
    """One build: which files there are, and which of them must be made again."""

    def __init__(
        self,
        db: DuckDBPyConnection,
        folder: SiteFiles,
        options: SiteOptions,
        language: Language,
        articles: Sequence[SiteArticle],
    ) -> None:
        self.db = db
        self.folder = folder
        self.options = options
        self.language = language
        self.articles = articles
        self.templates = SiteTemplates(options, language)
        self.pages = SitePages(self.templates, language)
        self.lists = lists_of(articles)
        self.all = ArticleList(kind="", name="", articles=articles)

    def run(self) -> None:
        """Make every file that changed."""
        self._assets()
        self._articles_and_feeds()
        self._list_pages()
        self._name_pages()
        self._search_files()
        self._sitemap()

    def _inputs(self, *values: object) -> str:
        return inputs_of(self.templates.digest, *values)

    def _assets(self) -> None:
        root = urlsplit(self.options.base_url).path or "/"
        for name in _ASSETS:
            if not self.folder.keep(name, inputs := self._inputs(name)):
                self.folder.write(name, inputs, self.templates.text_of(name))
        if not self.folder.keep("404.html", inputs := self._inputs("404")):
            self.folder.write("404.html", inputs, self.pages.not_found(root))
        if not self.folder.keep(_NO_JEKYLL, inputs_of("")):
            self.folder.write(_NO_JEKYLL, inputs_of(""), "")
        for path, data in self.templates.static_files():
            if not self.folder.keep(path, inputs := inputs_of(data)):
                self.folder.write_bytes(path, inputs, data)

    def _articles_and_feeds(self) -> None:
        """Make the pages of articles and the feeds; the texts of both are read once."""
        pages = {}
        for one in self.articles:
            if not self.folder.keep(one.path, inputs := self._inputs(one.page_hash)):
                pages[one.article_id] = (one, inputs)
        feeds = list(self._changed_feeds())
        in_feeds = {one.article_id for of, _ in feeds if has_texts(of) for one in feed_articles(of)}
        bodies = {}
        for article_id, body_html, text in read_texts(
            self.db, list(dict.fromkeys([*pages, *in_feeds]))
        ):
            if article_id in in_feeds:
                bodies[article_id] = (body_html, text)
            if article_id in pages:
                one, inputs = pages[article_id]
                html = self.pages.article(one, body_html, text or "")
                self.folder.write(one.path, inputs, html, number=self._numbers[one.path])
        for of, inputs in feeds:
            given = bodies if has_texts(of) else {}
            for path, data in feed_files(of, self.options, self.language, given).items():
                self.folder.write_bytes(path, inputs, data)

    def _changed_feeds(self) -> Iterator[tuple[ArticleList, str]]:
        lists = (self.all, *(of for some in self.lists.values() for of in some))
        for of in filter(has_feed, lists):
            articles = [one.page_hash for one in feed_articles(of)]
            inputs = self._inputs(of.kind, of.name, articles)
            if not self.folder.keep_all([of.folder + name for name in FEEDS], inputs):
                yield of, inputs

    def _list_pages(self) -> None:
        """Make the pages of all lists; a page with the same lines is left as it is."""
        for lists in self.lists.values():
            for of in lists:
                for page in of.pages():
                    self._list_page(of, page)
        for page in self.all.pages():
            if page.path == self.all.path:
                self._front(page)
            else:
                self._list_page(self.all, page)

    def _list_page(self, of: ArticleList, page: ListPage) -> None:
        in_chart = _sum(of.articles) if has_chart(of, page) else 0
        lines = [one.line_hash for one in page.articles]
        inputs = self._inputs(of.kind, of.name, lines, page.newer, page.older, in_chart)
        if not self.folder.keep(page.path, inputs):
            html = self.pages.list_page(of, page, has_feed=has_feed(of))
            self.folder.write(page.path, inputs, html)

    def _front(self, page: ListPage) -> None:
        counts = [(kind, _counts(self.lists[kind])) for kind, _ in _NAMES]
        lines = [one.line_hash for one in page.articles]
        inputs = self._inputs("front", _sum(self.articles), lines, page.older, counts)
        if not self.folder.keep(page.path, inputs):
            topics = [(title, self.lists[kind]) for kind, title in _NAMES]
            self.folder.write(page.path, inputs, self.pages.front(page, self.articles, topics))

    def _name_pages(self) -> None:
        for kind, title in _NAMES:
            lists = self.lists[kind]
            path = f"{kind}/index.html"
            if not self.folder.keep(path, inputs := self._inputs(path, _counts(lists))):
                self.folder.write(path, inputs, self.pages.names(kind, title, lists))
        days = self.lists["days"]
        path = "days/index.html"
        if not self.folder.keep(path, inputs := self._inputs(path, _sum(self.articles))):
            self.folder.write(path, inputs, self.pages.months(days))
        for month, of_month in by_month(days):
            path = f"days/{month}/index.html"
            if not self.folder.keep(path, inputs := self._inputs(path, _counts(of_month))):
                self.folder.write(path, inputs, self.pages.month(month, of_month))

    def _search_files(self) -> None:
        """Make the search: segments of words whose articles changed, and blocks of lines."""
        count = max(self._numbers.values(), default=-1) + 1
        numbered: list[SiteArticle | None] = [None] * count
        for one in self.articles:
            numbered[self._numbers[one.path]] = one
        if not self.folder.keep("search.html", inputs := self._inputs("search", count)):
            self.folder.write("search.html", inputs, self.pages.search(count))
        for segment in index.segments(count):
            inside = _between(numbered, segment.start, segment.length)
            inputs = index.segment_inputs(inside, self.templates.digest)
            files = index.segment_files(segment)
            if not self.folder.keep_all(files, inputs):
                for path, text in zip(files, index.segment_texts(segment, inside), strict=True):
                    self.folder.write(path, inputs, text)
        for block in range(-(-count // index.BLOCK_LENGTH)):
            inside = _between(numbered, block * index.BLOCK_LENGTH, index.BLOCK_LENGTH)
            path = f"search/articles/{block}.js"
            inputs = self._inputs([(number, one.line_hash) for number, one in inside])
            if not self.folder.keep(path, inputs):
                lines = {number: self.pages.search_line(one) for number, one in inside}
                self.folder.write(path, inputs, index.block_text(block, lines))

    def _sitemap(self) -> None:
        """Make the sitemap; old articles have old places in it."""
        if not self.options.base_url:
            return
        paths = sorted((one.path for one in self.articles), key=self._numbers.__getitem__)
        paths += ["index.html"]
        paths += [of.path for lists in self.lists.values() for of in lists]
        for path, text in sitemap_files(self.options.base_url, paths):
            self.folder.write(path, inputs_of(text), text)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each article by the path of its page; new ones get the next numbers."""
        before = {path: line.number for path, line in self.folder.before.items()}
        following = max(before.values(), default=-1) + 1
        numbers = {}
        for one in self.articles:
            numbers[one.path] = before.get(one.path, -1)
            if numbers[one.path] < 0:
                numbers[one.path] = following
                following += 1
        return numbers


def _language_of(articles: Sequence[SiteArticle]) -> Language:
    """Chinese if most articles with a language are Chinese."""
    found = Counter((one.language or "")[:2].lower() for one in articles if one.language)
    return CHINESE if 2 * found["zh"] > found.total() else ENGLISH


def _counts(lists: Sequence[ArticleList]) -> list[tuple[str, int]]:
    return [(of.name, len(of.articles)) for of in lists]


def _sum(articles: Sequence[SiteArticle]) -> int:
    """What a chart of the days of articles is made of, as one number."""
    return sum(one.line_hash for one in articles)


def _between(
    numbered: Sequence[SiteArticle | None], start: int, length: int
) -> list[tuple[int, SiteArticle]]:
    part = enumerate(numbered[start : start + length], start)
    return [(number, one) for number, one in part if one is not None]
