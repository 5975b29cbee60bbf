"""Propose new selectors for a source that broke: the work of ``copydesk sources repair``.

Pages of stored articles are fetched again and archived. A third of them gives the selectors, the
others measure them. The configuration is written by ``flows.admin.edit_select``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError, Interrupted, RunFailed
from flows.fetch import FetchResponse, decode_page
from flows.pipeline import load, locks, rows
from flows.pipeline.batch import Batch, build_request, expected_body
from flows.pipeline.next_pages import add_next_pages
from flows.pipeline.restore import require_warehouse
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from flows.pipeline.signals import graceful_shutdown
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.errors import NotAnArticle, ParseError, WrongPage
from parsers.model import Entry, Page, Source
from parsers.repair import Example, FieldRepair, LinksRepair, Repair, repair_fields, repair_links
from warehouse.read.repair_articles import StoredArticle, article_ids, recent_articles
from warehouse.rows import ArticleRow

MIN_PAGES = 6
"""Pages that a proposal needs: two to make it, four to measure it."""

DEFAULT_PAGES = 30
LOCK_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRepair:
    """The proposal for one source.

    Attributes:
        training, held_back: How many pages gave the selectors, and how many measured them.
        links: Of the listing; ``None`` for other parsers.
        notes: Sentences about pages that were left out.
    """

    slug: str
    run_id: str
    training: int
    held_back: int
    repair: Repair
    links: LinksRepair | None
    notes: tuple[str, ...]

    @property
    def changes(self) -> dict[str, dict[str, str]]:
        """New values by key of the section, as ``write_selectors`` takes them."""
        links = dict(self.links.changes) if self.links else {}
        return {"select": self.repair.changes, "": links}

    @property
    def has_changes(self) -> bool:
        """Whether there is something to write."""
        return any(self.changes.values())

    @property
    def failures(self) -> list[str]:
        """A sentence for each field that stays below its limit."""
        lines = [_failure(one) for one in self.repair.failed]
        if self.links and self.links.has_failed:
            lines.append(f"links: no selector gives the known articles. {self.links.error}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "source": self.slug,
            "run_id": self.run_id,
            "training_pages": self.training,
            "held_back_pages": self.held_back,
            "fields": [_field_json(one) for one in self.repair.fields],
            "listing": _links_json(self.links) if self.links else None,
            "changes": _flat(self.changes),
            "failures": self.failures,
            "notes": list(self.notes),
        }

    def rows(self) -> list[dict[str, str]]:
        """The table: one row for each key."""
        found = [
            {
                "key": f"select.{one.field}",
                "old": one.old or "(generic rules)",
                "new": _shown(one),
                "before": str(one.before),
                "after": str(one.after),
            }
            for one in self.repair.fields
        ]
        for key, new in (self.links.changes if self.links else {}).items():
            assert self.links is not None  # noqa: S101  # it has changes
            before, after = str(self.links.before), str(self.links.after)
            old = self.links.old[key]
            found.append({"key": key, "old": old, "new": new, "before": before, "after": after})
        return found

    def conclusion(self) -> list[str]:
        """The lines below the table."""
        lines = [
            f"{self.training} pages gave the selectors, "
            f"{pluralize(self.held_back, 'held-back page')} measured them",
            *(f"note: {one}" for one in self.notes),
            *(f"! {one}" for one in self.failures),
        ]
        if self.failures:
            lines.append("copydesk cannot repair this source. Correct these keys by hand")
        elif not self.has_changes:
            lines.append("nothing is broken: the configured selectors give the known values")
        return lines


def repair_source(
    settings: Settings,
    slug: str,
    *,
    pages: int = DEFAULT_PAGES,
    notify: Notify,
    on_progress: OnProgress,
) -> SourceRepair:
    """Fetch stored articles of a source again, and propose selectors.

    Args:
        settings: The configuration.
        slug: The source.
        pages: How many articles to fetch at most.
        notify: Called when the repair waits for a lock.
        on_progress: Called when the pages are fetched.

    Raises:
        ConfigurationError: The source is unknown, or its parser has no selectors.
        RunFailed: Too few articles are stored, or too few pages arrived.
        SourceLocked: Another run of the source does not end.
        WarehouseError: There is no warehouse, or it cannot be written.
    """
    source = settings.source(slug)
    _require_select(source)
    require_warehouse(settings)
    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=on_progress, notify=notify)
    with use_environment(environment), graceful_shutdown(stop, notify):
        run = RunContext("repair", settings, (slug,))
        with run, locks.acquire(
            settings, slug, flow="repair", run_id=run.id, wait_seconds=LOCK_TIMEOUT_SECONDS,
            notify=notify, stop=stop,
        ):  # fmt: skip
            found = _Repairer(run, source).propose(pages)
            run.stats_of(slug).is_done = True
            run.finish()
            run.publish()
    return found


def _require_select(source: Source) -> None:
    if "select" not in source.parser.options:
        raise ConfigurationError(
            f"{source.slug}: the parser {source.parser.name} has its selectors in its code: "
            'follow "When a source breaks" of the RUNBOOK'
        )
    if source.options.get("full_text") is False:
        raise ConfigurationError(
            f"{source.slug}: its feed carries the articles, so that no page has selectors: "
            "full_text = true fetches the pages"
        )


class _Repairer:
    """One repair: what was fetched, and notes about what was left out."""

    def __init__(self, run: RunContext, source: Source) -> None:
        self.run = run
        self.source = source
        self.stats = run.stats_of(source.slug)
        self.batch = Batch()
        self.notes: list[str] = []

    def propose(self, pages: int) -> SourceRepair:
        with self.run.reading() as db:
            selectors = tuple(
                one.partition("=")[2].removesuffix("?").strip()
                for one in self.source.texts("select")
            )
            stored = recent_articles(db, self.source.slug, selectors=selectors, limit=pages)
            known = article_ids(db, self.source.slug)
        if len(stored) < MIN_PAGES:
            raise RunFailed(
                f"{self.source.slug}: {pluralize(len(stored), 'article')} of it "
                f"{'is' if len(stored) == 1 else 'are'} stored, and a repair needs {MIN_PAGES}"
            )
        links = self._links(known)
        examples = self._examples(stored)
        load.load(self.run, self.source, self.batch)
        if self.run.is_stopping:
            raise Interrupted(f"{self.source.slug}: stopped before the proposal")
        if len(examples) < MIN_PAGES:
            raise RunFailed(
                f"{self.source.slug}: {len(examples)} of {len(stored)} pages of stored articles "
                f"can be used, and a repair needs {MIN_PAGES}. {' '.join(self.notes[:3])}"
            )
        training = examples[::3]
        held_back = [one for number, one in enumerate(examples) if number % 3]
        return SourceRepair(
            slug=self.source.slug,
            run_id=self.run.id,
            training=len(training),
            held_back=len(held_back),
            repair=repair_fields(self.source, training, held_back),
            links=links,
            notes=tuple(self.notes),
        )

    def _links(self, known: set[str]) -> LinksRepair | None:
        """Repair the listing of a source that selects its links."""
        if "links" not in self.source.parser.options:
            return None
        (listing,) = self.source.parser.listings(self.source)
        page = self._page(listing.channel, listing.url, None)
        self.stats.add(discovered=1, skipped=1 if page else 0)
        return repair_links(self.source, listing, page, known) if page else None

    def _examples(self, stored: Sequence[StoredArticle]) -> list[Example]:
        """Fetch the pages of articles; those without the article are left out."""
        entries = [(self._entry(one), one.row) for one in stored]
        suppressed = self.run.suppressed
        wanted = {
            entry.url: (entry, row)
            for entry, row in entries
            if entry.content is None and row.article_id not in suppressed
        }
        self.stats.add(discovered=len(wanted))
        expect = expected_body(self.source)
        requests = [build_request(url, None, expect=expect) for url in wanted]
        results = {one.request.url: one for one in self.run.fetch_all(requests)}
        examples = []
        for url, (entry, row) in wanted.items():
            result = results.get(url)
            if result is None:
                self.stats.add(skipped=1)
                continue
            self.batch.record_fetch(self.source, entry.channel, result, entry=entry)
            if not isinstance(result, FetchResponse):
                self.stats.fail(str(result.error))
                self.notes.append(f"{result.error}.")
                continue
            self.stats.add(fetched=1, skipped=1)
            page = add_next_pages(self.source, decode_page(result, entry), self._next_page)
            if self._has_article(page):
                examples.append(Example(page=page, known=rows.article_of(row)))
        self.run.environment.on_progress(self.source.slug, len(wanted), len(wanted))
        return examples

    def _entry(self, stored: StoredArticle) -> Entry:
        """The entry that led to the page; for an article without a fetch, that of its address."""
        entry = rows.entry_from_json(stored.entry)
        return entry or self.source.parser.entry_of(self.source, _url(stored.row))

    def _next_page(self, url: str) -> Page | None:
        return self._page("", url, None)

    def _page(self, channel: str, url: str, entry: Entry | None) -> Page | None:
        for result in self.run.fetch_all([build_request(url, None)]):
            self.batch.record_fetch(self.source, channel, result)
            if isinstance(result, FetchResponse):
                return decode_page(result, entry)
            self.stats.fail(str(result.error))
            self.notes.append(f"{result.error}.")
        return None

    def _has_article(self, page: Page) -> bool:
        """Whether the generic rules take the page for an article, and not for another page."""
        bare = replace(self.source, options={**self.source.options, "select": ()})
        try:
            registry.parse(bare, page)
        except (WrongPage, NotAnArticle) as error:
            self.notes.append(f"{error}.")
            return False
        except ParseError:
            return True
        return True


def _url(row: ArticleRow) -> str:
    return row.url or row.canonical_url


def _failure(one: FieldRepair) -> str:
    needed = f"and {one.limit:.0%} of them are needed"
    if one.new:
        return f"{one.field}: {one.new!r} is right on {one.after} held-back pages, {needed}"
    kept = repr(one.old) if one.old else "the generic rules"
    verb = "is" if one.old else "are"
    return (
        f"{one.field}: no selector was found; {kept} {verb} right on {one.before} held-back pages, "
        f"{needed}"
    )


def _shown(one: FieldRepair) -> str:
    """The new selector for the table; ``-`` where nothing changes."""
    if one.has_failed:
        return one.new or "none"
    return one.new if one.is_changed else "-"


def _field_json(one: FieldRepair) -> dict[str, Any]:
    return {
        "field": one.field,
        "old": one.old or None,
        "new": one.new or None,
        "changed": one.is_changed,
        "before": {"right": one.before.right, "total": one.before.total},
        "after": {"right": one.after.right, "total": one.after.total},
        "limit": one.limit,
        "ok": one.is_right,
    }


def _links_json(links: LinksRepair) -> dict[str, Any]:
    return {
        "changes": dict(links.changes),
        "before": {"right": links.before.right, "total": links.before.total},
        "after": {"right": links.after.right, "total": links.after.total},
        "error": links.error or None,
    }


def _flat(changes: dict[str, dict[str, str]]) -> dict[str, str]:
    fields = {f"select.{name}": css for name, css in changes["select"].items()}
    return {**changes[""], **fields}
