"""What is stored of the channels of a source before its listings are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from duckdb import DuckDBPyConnection

from flows.pipeline.run import RunContext
from parsers.model import Listing
from warehouse.records import alerts, fetches, gaps, watermarks
from warehouse.records.alerts import KnownFailures
from warehouse.rows import Gap, Validators, Watermark


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """The stored state of one source.

    Attributes:
        marks: Watermarks by channel.
        validators: Of its listings, by address.
        failures: In quarantine.
        unreported: Open gaps of runs that were killed.
    """

    marks: Mapping[str, Watermark] = field(default_factory=dict)
    validators: Mapping[str, Validators] = field(default_factory=dict)
    failures: KnownFailures = field(default_factory=KnownFailures)
    unreported: tuple[Gap, ...] = ()


def stored_state(run: RunContext, slug: str, listings: Sequence[Listing]) -> StoredState:
    """Return the stored state of a source; those of others that wait are read with it."""
    return run.combine(_read, (slug, tuple(listings)))


def _read(
    db: DuckDBPyConnection, requests: Sequence[tuple[str, tuple[Listing, ...]]]
) -> list[StoredState]:
    sources = [slug for slug, _ in requests]
    failures = alerts.known_failures(db, sources)
    unreported = gaps.unreported_gaps(db, sources)
    marks = watermarks.read(db, sources)
    pages = [(slug, one.url) for slug, listings in requests for one in listings]
    validators = fetches.validators_of(db, pages)
    return [
        StoredState(
            marks={
                one.channel: mark
                for one in listings
                if (mark := marks.get((slug, one.channel))) is not None
            },
            validators={
                one.url: known
                for one in listings
                if (known := validators.get((slug, one.url))) is not None
            },
            failures=failures[slug],
            unreported=tuple(gap for gap in unreported if gap.row.source == slug),
        )
        for slug, listings in requests
    ]
