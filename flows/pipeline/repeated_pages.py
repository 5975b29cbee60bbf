"""Find pages that a site sends for different addresses: error pages without a known shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256

from flows.pipeline import rows
from flows.pipeline.batch import FetchedPage
from parsers.errors import SoftNotFound, WrongPage
from parsers.extract.wrong_page import listed_title, wrong_page
from parsers.identity import are_alike
from parsers.model import Page, Source
from parsers.text.urls import canonicalize, is_http
from warehouse.rows import ArticleRow, NewQuarantineEntry
from warehouse.upsert.observations import Observation

Parsed = tuple[FetchedPage, Observation | NewQuarantineEntry]

MIN_UNLISTED = 3
"""An article may have a second address; a page that three articles have is of none of them."""


class RepeatedPages:
    """The texts and redirect targets of one source in one run, with the articles that have them."""

    def __init__(self) -> None:
        self._texts: dict[bytes, set[str]] = defaultdict(set)
        self._targets: dict[str, set[str]] = defaultdict(set)

    def refuse(
        self,
        source: Source,
        parsed: Sequence[Parsed],
        whole: Callable[[FetchedPage], FetchedPage] | None = None,
    ) -> list[Parsed]:
        """Return the pages of a batch, those without their article as quarantine entries.

        A text that several articles have is a duplicate where the title in the listing agrees
        with it. Without a listing it is one as long as few articles have it.

        Args:
            source: Of the pages.
            parsed: The pages of a batch.
            whole: Returns a page with its body and texts, if the pages are without them.
        """
        for one, found in parsed:
            if one.fetched is not None and isinstance(found, Observation):
                self._texts[content_digest(found.row)].add(found.row.article_id)
                if target := _target(one.page):
                    self._targets[target].add(found.row.article_id)
        return [(one, self._refused(source, one, found, whole)) for one, found in parsed]

    def _refused(
        self,
        source: Source,
        one: FetchedPage,
        found: Observation | NewQuarantineEntry,
        whole: Callable[[FetchedPage], FetchedPage] | None,
    ) -> Observation | NewQuarantineEntry:
        if one.fetched is None or not isinstance(found, Observation):
            return found
        row, page = found.row, one.page
        same_text = len(self._texts[content_digest(row)])
        same_target = len(self._targets[_target(page)]) if _target(page) else 0
        if max(same_text, same_target) < 2 or _is_of_its_listing(page, row):
            return found
        if not listed_title(page) and not _is_unlisted(row, same_text):
            return found
        if same_target > 1:
            message = f"a redirect to {page.final_url}, where {same_target} articles lead"
            error = wrong_page(WrongPage, page, message)
        else:
            content = f"text {row.text[:80]!r}" if row.text else f"picture {row.media[0].url!r}"
            message = f"{same_text} addresses have the {content}"
            error = wrong_page(SoftNotFound, page, message)
        kept = whole(one) if whole else one
        return rows.page_failure(source, one.entry, kept.page, kept.fetched, error)


def _is_of_its_listing(page: Page, row: ArticleRow) -> bool:
    listed = listed_title(page)
    return bool(listed) and (
        are_alike(listed, row.title or "") or are_alike(listed, row.text or "")
    )


def _is_unlisted(row: ArticleRow, count: int) -> bool:
    """Whether a text is that of an error page, although no listing has a title for it.

    Ids that a site gives belong to articles; the canonical form of any address is an id, too.
    """
    return count >= MIN_UNLISTED and row.source_article_id == row.canonical_url


def content_digest(row: ArticleRow) -> bytes:
    """A digest of the text without spaces, else of the addresses of the media."""
    content = "".join(row.text.split()) if row.text else "\n".join(one.url for one in row.media)
    return sha256(content.encode("utf-8", "surrogatepass")).digest()[:16]


def _target(page: Page) -> str:
    """Return where a redirect leads; empty without a redirect."""
    if not is_http(page.final_url) or canonicalize(page.final_url) == canonicalize(page.url):
        return ""
    return canonicalize(page.final_url)
