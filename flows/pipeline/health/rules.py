"""All rules of health: the deviations of a run, and what makes them normal again.

A rule compares a run with the past of its channel before the run. It needs evidence that ordinary
publishing does not produce: several pages in a row, or a value far outside of the past. Only
evidence closes a finding, not the lack of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.pipeline.health.comparison import views
from flows.pipeline.health.listing_rules import ListingRules
from flows.pipeline.health.page_rules import PageRules
from flows.pipeline.health.values import History, SourceRun
from warehouse.records.health import Finding

_OF_LISTINGS = frozenset(
    {"no_entries", "unreadable_listing", "not_moving", "low_volume", "high_volume"}
)


class Rules:
    """The rules for one run."""

    def __init__(self, before: History, after: History, run: SourceRun) -> None:
        channels = views(before, after, run)
        self.listings = ListingRules(before, after, run, channels)
        self.pages = PageRules(before, after, run, channels)

    def found(self) -> Iterator[Finding]:
        """The deviations of the run, each once."""
        yield from self.listings.found()
        yield from self.pages.found()

    def is_normal(self, finding: Finding) -> bool:
        """Whether the run is evidence that a finding of an earlier run is over."""
        rules = self.listings if finding.kind in _OF_LISTINGS else self.pages
        return rules.is_normal(finding)
