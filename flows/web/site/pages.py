"""The pages of a site, rendered from its templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from flows.web.clean_html import clean_body_with_images
from flows.web.format import clean, language_of, shorten
from flows.web.language import Language
from flows.web.report import figures
from flows.web.report.rows import DayCount
from flows.web.site.articles import SiteArticle, media_apart, shows
from flows.web.site.lists import UNKNOWN_DAY, ArticleList, ListPage
from flows.web.site.templates import SiteTemplates
from parsers.text.urls import is_http

TITLES = {"sources": "Source", "categories": "Category", "tags": "Tag", "days": "Day"}
NAMES_SHOWN = 1000
"""How many categories or tags their page lists: those with the most articles."""

_FRONT_NAMES = 20
_FRONT_DAYS = 30
_SUMMARY = 200
_NOTES = {"partial": "only a part of the text", "teaser": "only a summary"}

TopicLine = tuple[str, str, int]
"""Path, name and number of articles of a list."""


class SitePages:
    """Makes the text of each page; a page is the same for the same values."""

    def __init__(self, templates: SiteTemplates, language: Language) -> None:
        self._templates = templates
        self._language = language
        self._lines: dict[str, Markup] = {}

    def article(self, article: SiteArticle, body_html: str, text: str) -> str:
        """The page of an article, with the media that its text does not show."""
        media = media_apart(article, body_html)
        image = article.lead_image or ""
        is_apart = not any(one["url"] == image for one in media) and not shows(body_html, image)
        notes = [_NOTES[article.completeness]] if article.completeness in _NOTES else []
        notes += ["corrected"] if article.revision_count > 1 else []
        notes += ["no longer at its source"] if article.state == "gone" else []
        return self._templates.render(
            "article.html",
            root="../../",
            path=article.path,
            title=article.title,
            article=article,
            body=_body(body_html, text),
            summary=shorten(text[: 2 * _SUMMARY], _SUMMARY),
            language_tag=language_of(article.title, article.language),
            image=image if is_http(image) and is_apart else "",
            media=[{**one, "is_file": _is_media_file(one)} for one in media],
            original=article.url if is_http(article.url) else "",
            notes=[self._language.text(note) for note in notes],
        )

    def list_page(self, of: ArticleList, page: ListPage, *, has_feed: bool) -> str:
        """A page of a list, or an older page of all articles."""
        chart = None
        if has_chart(of, page):
            chart = figures.volume_by_day_or_month(counts_of(of.articles), self._language)
        return self._templates.render(
            "list.html",
            root="../../",
            path=page.path,
            title=self._title(of),
            kind=TITLES.get(of.kind, ""),
            feed=of.folder if has_feed else "",
            chart=chart,
            lines=[self._line(one) for one in page.articles],
            newer=page.newer,
            older=page.older,
        )

    def front(
        self,
        page: ListPage,
        articles: Sequence[SiteArticle],
        topics: Sequence[tuple[str, Sequence[ArticleList]]],
    ) -> str:
        """The front page: the newest articles, a chart of the last days, and the largest lists."""
        return self._templates.render(
            "front.html",
            root="",
            path="index.html",
            title="",
            lines=[self._render_line(one, "") for one in page.articles],
            older=page.older,
            chart=figures.volume(_last_days(articles), self._language),
            topics=[(name, _largest(lists, _FRONT_NAMES)) for name, lists in topics],
        )

    def names(self, kind: str, title: str, lists: Sequence[ArticleList]) -> str:
        """The page of all sources, categories or tags."""
        shown = _largest(lists, NAMES_SHOWN)
        return self._names(f"{kind}/index.html", title, shown, left_out=len(lists) - len(shown))

    def months(self, days: Sequence[ArticleList]) -> str:
        """The page of all months, with a chart."""
        counts = [one for of in days for one in counts_of(of.articles)]
        months = [
            (f"days/{month}/index.html", self._month(month), sum(len(of.articles) for of in lists))
            for month, lists in by_month(days)
        ]
        unknown = [
            (of.path, self._title(of), len(of.articles)) for of in days if of.name == UNKNOWN_DAY
        ]
        chart = figures.volume_by_day_or_month(counts, self._language)
        return self._names("days/index.html", "Days", [*months, *unknown], chart=chart)

    def month(self, month: str, days: Sequence[ArticleList]) -> str:
        """The page of the days of a month: ``2026-11``."""
        lists = [(of.path, self._title(of), len(of.articles)) for of in days]
        path = f"days/{month}/index.html"
        return self._names(path, self._month(month), lists, root="../../")

    def search_line(self, article: SiteArticle) -> list[str]:
        """An article in the result of a search: title, path, day, source, language."""
        title = article.title or self._language.text("no title")
        language = language_of(title, article.language)
        day = self._language.day(article.published_on)
        return [clean(title), article.path, day, clean(article.source), language]

    def search(self, count: int) -> str:
        """The page of the search; ``count`` is the highest number of an article, and 1."""
        return self._templates.render(
            "search.html",
            root="",
            path="search.html",
            title=self._language.text("Search"),
            count=count,
        )

    def not_found(self, root: str) -> str:
        """The page for an address without a page, at any depth below ``root``."""
        title = self._language.text("No such page")
        return self._templates.render("404.html", root=root, path="404.html", title=title)

    def _names(
        self,
        path: str,
        title: str,
        lists: Sequence[TopicLine],
        *,
        root: str = "../",
        chart: Markup | None = None,
        left_out: int = 0,
    ) -> str:
        return self._templates.render(
            "names.html",
            root=root,
            path=path,
            title=self._language.text(title),
            lists=lists,
            chart=chart,
            left_out=left_out,
        )

    def _line(self, article: SiteArticle) -> Markup:
        """An article in a list two folders deep; each is rendered once."""
        if (found := self._lines.get(article.path)) is None:
            found = self._lines[article.path] = self._render_line(article, "../../")
        return found

    def _render_line(self, article: SiteArticle, root: str) -> Markup:
        html = self._templates.render("line.html", article=article, root=root)
        return Markup(html)  # noqa: S704  # the template escapes

    def _title(self, of: ArticleList) -> str:
        if of.kind == "days":
            if of.name == UNKNOWN_DAY:
                return self._language.text("day unknown")
            return self._language.day(date.fromisoformat(of.name))
        return clean(of.name) if of.kind else self._language.text("All articles")

    def _month(self, month: str) -> str:
        return self._language.month(date.fromisoformat(f"{month}-01"))


def has_chart(of: ArticleList, page: ListPage) -> bool:
    """Whether a page of a list has a chart of the days of all its articles."""
    return of.kind == "sources" and page.path == of.path


def counts_of(articles: Sequence[SiteArticle]) -> list[DayCount]:
    """How many articles were published, by day and source."""
    found = Counter((one.published_on, one.source) for one in articles if one.published_on)
    return [
        DayCount(day=day, source=source, count=count)
        for (day, source), count in sorted(found.items())
    ]


def by_month(days: Sequence[ArticleList]) -> list[tuple[str, list[ArticleList]]]:
    """The lists of days by month; those of an unknown day are left out."""
    known = [of for of in days if of.name != UNKNOWN_DAY]
    return [(month, list(lists)) for month, lists in groupby(known, lambda of: of.name[:-3])]


def _largest(lists: Sequence[ArticleList], limit: int) -> list[TopicLine]:
    largest = sorted(lists, key=lambda of: (-len(of.articles), of.name))[:limit]
    return [(of.path, of.name, len(of.articles)) for of in largest]


def _last_days(articles: Sequence[SiteArticle]) -> list[DayCount]:
    counts = counts_of(articles)
    last = max((one.day for one in counts), default=None)
    return [one for one in counts if last and one.day > last - timedelta(days=_FRONT_DAYS)]


def _is_media_file(one: Mapping[str, Any]) -> bool:
    """Whether a browser can show it: a file, and not the page of a player."""
    guessed = (one["type"] or guess_type(urlsplit(one["url"]).path)[0] or "").partition("/")[0]
    return one["kind"] in ("picture", guessed)


def _body(body_html: str, text: str) -> Markup:
    """The cleaned HTML; paragraphs of the text if there is none."""
    if body_html.strip():
        return Markup(clean_body_with_images(body_html))  # noqa: S704  # it was cleaned
    paragraphs = (line.strip() for line in text.split("\n"))
    return Markup("\n").join(Markup("<p>{}</p>").format(one) for one in paragraphs if one)
