"""Drifts: what a site can do to a listing or its pages, for runs of a simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flows.pipeline.health.values import ChannelRun, PageResult


def of_pages(change: Callable[[PageResult], PageResult]) -> Callable[[ChannelRun], ChannelRun]:
    """A drift that changes each page that was read."""

    def drift(run: ChannelRun) -> ChannelRun:
        pages = tuple(page if page.failure else change(page) for page in run.pages)
        return replace(run, pages=pages)

    return drift


def without(*names: str) -> Callable[[ChannelRun], ChannelRun]:
    """Articles without some fields."""
    return of_pages(lambda page: replace(page, missing=page.missing | set(names)))


def failing(reason: str) -> Callable[[ChannelRun], ChannelRun]:
    """Pages that go to quarantine."""
    pages = of_pages(lambda page: PageResult(key=page.key, is_new=True, failure=reason))
    return lambda run: replace(pages(run), new_count=0)


def no_entries(run: ChannelRun) -> ChannelRun:
    return ChannelRun(channel=run.channel, entry_count=0)


def unreadable(run: ChannelRun) -> ChannelRun:
    return ChannelRun(channel=run.channel, is_read=False, listing_error="expected a feed")


def frozen(run: ChannelRun) -> ChannelRun:
    """A listing that stays as it is."""
    return ChannelRun(channel=run.channel)


short_bodies = of_pages(lambda page: replace(page, length=page.length // 12))
same_text = of_pages(lambda page: replace(page, text="the same"))
same_canonical_url = of_pages(lambda page: replace(page, canonical="the home page"))
