"""Collect what a run finds in a source: its listings, and the pages of each batch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.health.values import FIELDS, ChannelRun, PageResult
from warehouse.rows import ArticleRow, NewQuarantineEntry
from warehouse.upsert.observations import Observation


class HealthCollector:
    """The channels of one source in one run, filled while it runs."""

    def __init__(self) -> None:
        self._entries: dict[str, int | None] = {}
        self._errors: dict[str, str] = {}
        self._unread: set[str] = set()
        self._new: dict[str, set[str]] = defaultdict(set)
        self._pages: dict[str, list[PageResult]] = defaultdict(list)
        self._repeated: dict[str, ArticleRow] = {}

    def listing(self, channel: str, entry_count: int | None) -> None:
        """Note a listing that was read; ``None`` when it was not modified."""
        before = self._entries.get(channel)
        is_new = channel not in self._entries
        self._entries[channel] = (
            entry_count if is_new or before is None or entry_count is None else before + entry_count
        )

    def listing_failed(self, channel: str, error: str = "") -> None:
        """Note a listing that did not arrive, or that could not be read for this reason."""
        self._unread.add(channel)
        if error:
            self._errors[channel] = error.partition("\n")[0][:200]

    def repeated(
        self,
        pages: Iterable[tuple[FetchedPage, Observation | NewQuarantineEntry]],
        refused: Iterable[tuple[FetchedPage, Observation | NewQuarantineEntry]],
    ) -> None:
        """Note the articles of pages that were refused because other addresses have them, too."""
        for (_, parsed), (_, found) in zip(pages, refused, strict=True):
            if isinstance(parsed, Observation) and isinstance(found, NewQuarantineEntry):
                self._repeated[_key(found.article_id or found.url)] = parsed.row

    def copy(self) -> HealthCollector:
        """The same, so that a transaction that fails changes nothing."""
        made = HealthCollector()
        made._entries, made._errors = dict(self._entries), dict(self._errors)
        made._unread, made._repeated = set(self._unread), dict(self._repeated)
        made._new.update({name: set(ids) for name, ids in self._new.items()})
        made._pages.update({name: list(pages) for name, pages in self._pages.items()})
        return made

    @staticmethod
    def listed(batch: Batch) -> dict[str, set[str]]:
        """The articles of a batch by channel, with the settled ids."""
        ids: dict[str, set[str]] = defaultdict(set)
        for seen in batch.observations:
            ids[seen.row.channel].add(seen.row.article_id)
        for article_id, answer in batch.not_modified.items():
            ids[answer.channel].add(article_id)
        return ids

    def batch(
        self, known: Mapping[str, set[str]], batch: Batch, parsed: Sequence[Observation]
    ) -> None:
        """Count the pages of a batch before it is stored.

        Args:
            known: By channel, articles that were seen in it before.
            batch: With the settled ids of its articles.
            parsed: The same articles as they were parsed.
        """
        for channel, listed in self.listed(batch).items():
            self._new[channel] |= listed - known.get(channel, set())
        for failure in reversed(batch.failures):
            if failure.url and failure.article_id:
                key = _key(failure.article_id)
                row = self._repeated.get(key)
                self._pages[failure.channel].insert(0, failed_page(key, failure.reason, row))
        for seen, own in reversed(list(zip(batch.observations, parsed, strict=True))):
            is_new = seen.row.article_id in self._new[seen.row.channel]
            self._pages[seen.row.channel].insert(0, page_result(own.row, is_new=is_new))

    def channels(self, known: dict[str, set[str]]) -> tuple[ChannelRun, ...]:
        """The channels of the run.

        Args:
            known: By channel, the keys of its recent pages. A page that is neither new nor
                recent is one of many that did not change, and is left out.
        """
        names = dict.fromkeys([*self._entries, *self._unread, *self._pages, *self._new])
        return tuple(
            ChannelRun(
                channel=name,
                entry_count=self._entries.get(name),
                is_read=name in self._entries and name not in self._unread,
                listing_error=self._errors.get(name, ""),
                new_count=len(self._new.get(name, ())),
                pages=tuple(
                    page
                    for page in self._pages.get(name, ())
                    if page.failure or page.is_new or page.key in known.get(name, ())
                ),
            )
            for name in names
        )


def page_result(row: ArticleRow, *, is_new: bool) -> PageResult:
    """What health needs of an article."""
    origins = json.loads(row.provenance)
    missing = frozenset(name for name in FIELDS if not _has(row, name))
    return PageResult(
        key=_key(row.url),
        is_new=is_new,
        length=len(row.text or ""),
        missing=missing,
        provenance={name: str(origins.get(name, "")) for name in FIELDS if name not in missing},
        text=_text_digest(row),
        canonical=_key(row.canonical_url),
    )


def failed_page(key: str, reason: str, row: ArticleRow | None) -> PageResult:
    """A page in quarantine; a repeated one has the text and the address of its article."""
    return PageResult(
        key=key,
        failure=reason,
        length=len(row.text or "") if row else 0,
        text=_text_digest(row) if row else "",
        canonical=_key(row.canonical_url) if row else "",
    )


def _has(row: ArticleRow, name: str) -> bool:
    if name == "full_text":
        return row.text is not None and row.completeness == "full"
    return bool(getattr(row, name))


def _text_digest(row: ArticleRow) -> str:
    return _key("".join(row.text.split()) if row.text else "\n".join(m.url for m in row.media))


def _key(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
