"""Formulas for many articles a day on several machines; ``scale_tables.py`` prints them.

Constants are in ``scale_constants.toml``. All figures are of the busiest hour, unless a name has
``day``, ``month`` or ``year``. The lock of writers of a lake is a queue with one server (M/G/1,
Pollaczek and Khinchine); ``scale_simulation.py`` checks that.
"""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("scale_constants.toml")
DAY = 86_400.0
MONTH_HOURS = 730.0
MEASURED_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The values of ``scale_constants.toml``, which has the meaning of each."""

    fetch_ms: float
    parse_ms: float
    run_start_s: float
    run_memory_mb: float
    run_connections: float
    batch_ms: tuple[float, ...]
    batch_postgres_ms: float
    batch_statements: float
    batch_rows: float
    batch_files: float
    batch_puts: float
    batch_gets: float
    article_ms: float
    merge_ms: float
    small_ms: float
    small_postgres_ms: float
    small_statements: float
    small_rows: float
    growth_ms: float
    article_kb: float
    page_kb: float
    upload_s_gb: float
    chunk_pages: float
    chunk_s: float
    chunk_store_s: float
    prefect_ms: float
    articles_per_host_day: float
    pages_per_article: float
    listings_per_host: float
    host_delay_s: float
    small_commits_per_run: float
    peak_factor: float
    utilization: float
    cores_per_machine: float
    memory_per_machine_gb: float
    round_trip_ms: float
    s3_put_ms: float
    s3_get_ms: float
    connections: float
    s3_puts_per_second: float
    catalog_row_bytes: float
    retention_days: float
    core_hour: float
    storage_gb_month: float
    puts_million: float
    gets_million: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What an operator chooses.

    Attributes:
        articles_day: New articles of all hosts in a day.
        hosts_per_run: Hosts whose sources one run syncs; a work pool has a run for each host.
        interval_minutes: Time between two runs of a deployment.
        batch_size: ``[run] batch_size``.
        lakes: Warehouses among which the sources are divided.
        stored_millions: Articles stored before.
    """

    articles_day: float
    hosts_per_run: int = 1
    interval_minutes: float = 240.0
    batch_size: int = 200
    lakes: int = 1
    stored_millions: float = 0.0


_LARGE: dict[str, Any] = {"hosts_per_run": 500, "interval_minutes": 60.0, "batch_size": 5_000}
SCENARIOS = {
    "1 million": Scenario(articles_day=1e6),
    "1 million, large runs": Scenario(articles_day=1e6, **_LARGE),
    "10 million": Scenario(articles_day=1e7),
    "10 million, large runs, 10 lakes": Scenario(articles_day=1e7, lakes=10, **_LARGE),
}


def load(changes: Sequence[str] = (), file: Path = FILE) -> Constants:
    """Read the constants; each change is ``name=value``.

    Raises:
        TypeError: A constant is missing or unknown.
    """
    sections = tomllib.loads(file.read_text(encoding="utf-8")).values()
    found = {name: one["value"] for section in sections for name, one in section.items()}
    for change in changes:
        name, _, value = change.partition("=")
        found[name] = [float(value)] if name == "batch_ms" else float(value)
    found["batch_ms"] = tuple(found["batch_ms"])
    return Constants(**found)


# --- the model -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Model:
    """What a scenario needs, by formulas."""

    constants: Constants
    scenario: Scenario

    @property
    def hosts(self) -> float:
        return self.scenario.articles_day / self.constants.articles_per_host_day

    @property
    def deployments(self) -> int:
        return math.ceil(self.hosts / self.scenario.hosts_per_run)

    @property
    def runs_day(self) -> float:
        return self.deployments * 1440 / self.scenario.interval_minutes

    @property
    def articles_per_run(self) -> float:
        """New articles of a run in the busiest hour."""
        return self.scenario.articles_day / self.runs_day * self.constants.peak_factor

    @property
    def batches_per_run(self) -> int:
        return max(1, math.ceil(self.articles_per_run / self.scenario.batch_size))

    @property
    def batches_day(self) -> float:
        """Batches of a day; a quiet run has a batch, too."""
        mean = self.articles_per_run / self.constants.peak_factor
        return self.runs_day * max(1, math.ceil(mean / self.scenario.batch_size))

    @property
    def commits_day(self) -> float:
        return self.batches_day + self.runs_day * self.constants.small_commits_per_run

    @property
    def pages_per_run(self) -> float:
        listings = self.scenario.hosts_per_run * self.constants.listings_per_host
        return self.articles_per_run * self.constants.pages_per_article + listings

    @property
    def batch_extra_s(self) -> float:
        """More seconds of a batch than of a measured one: it is larger, and more is stored."""
        more = max(0.0, self.articles_per_run / self.batches_per_run - MEASURED_BATCH)
        stored = self.scenario.stored_millions / self.scenario.lakes
        return (more * self.constants.article_ms + stored * self.constants.growth_ms) / 1000

    @property
    def stored_limit(self) -> float:
        """Millions of articles at which the lock of writers gives out, in all lakes together."""
        empty = Model(self.constants, replace(self.scenario, stored_millions=0.0))
        rest = max(0.0, self.constants.utilization - empty.lock_share)
        slope = self.runs_second * self.batches_per_run * self.constants.growth_ms / 1000
        return rest * self.scenario.lakes**2 / slope

    def batch_holds(self) -> list[float]:
        """Seconds that each measured batch holds the lock of writers."""
        one = self.constants
        waits = one.batch_statements * one.round_trip_ms + one.batch_postgres_ms
        waits += one.batch_puts * one.s3_put_ms + one.batch_gets * one.s3_get_ms
        return [(cpu + waits) / 1000 + self.batch_extra_s for cpu in one.batch_ms]

    @property
    def small_hold(self) -> float:
        """Seconds that a transaction of one row holds it."""
        one = self.constants
        return (
            one.small_ms + one.small_postgres_ms + one.small_statements * one.round_trip_ms
        ) / 1000

    @property
    def run_cpu(self) -> float:
        """Seconds of CPU of a run of the busiest hour, on its worker."""
        one = self.constants
        pages = self.pages_per_run * (one.fetch_ms + one.parse_ms)
        batches = self.batches_per_run * (statistics.mean(one.batch_ms) + self.batch_extra_s * 1000)
        small = one.small_commits_per_run * one.small_ms
        return one.run_start_s + (pages + batches + small) / 1000

    @property
    def runs_second(self) -> float:
        return self.runs_day / DAY

    @property
    def cores(self) -> float:
        """Cores of all workers that are busy in the busiest hour; merging and uploads included."""
        merging = self.runs_second * self.batches_per_run * self.constants.merge_ms / 1000
        upload = self.archive_gb_day * self.constants.upload_s_gb / DAY * self.constants.peak_factor
        return self.runs_second * self.run_cpu + merging + upload

    @property
    def fetch_s(self) -> float:
        """Seconds that a run fetches: hosts in parallel, the pages of one in turn."""
        pages = self.pages_per_run / self.scenario.hosts_per_run
        return pages * self.constants.host_delay_s

    @property
    def lock_rate(self) -> float:
        """Commits a second of one lake."""
        commits = self.batches_per_run + self.constants.small_commits_per_run
        return self.runs_second * commits / self.scenario.lakes

    @property
    def lock_share(self) -> float:
        """Share of the time that the lock of writers of a lake is held."""
        small = self.constants.small_commits_per_run * self.small_hold
        hold = self.batches_per_run * statistics.mean(self.batch_holds()) + small
        return self.runs_second / self.scenario.lakes * hold

    @property
    def lock_wait(self) -> float:
        """Mean seconds that a commit waits for the lock; infinite when commits pile up."""
        share = self.lock_share
        if share >= 1:
            return math.inf
        small = self.constants.small_commits_per_run
        squares = self.batches_per_run * statistics.mean(one**2 for one in self.batch_holds())
        squares += small * self.small_hold**2
        return self.runs_second / self.scenario.lakes * squares / (2 * (1 - share))

    @property
    def work_s(self) -> float:
        """Seconds that a run fetches and parses, which go on side by side."""
        pages = self.pages_per_run * (self.constants.fetch_ms + self.constants.parse_ms) / 1000
        return max(self.fetch_s, pages)

    @property
    def run_seconds(self) -> float:
        """Seconds that a run has a slot: its start, fetches, commits and the waits for them."""
        small = self.constants.small_commits_per_run
        holds = self.batches_per_run * statistics.mean(self.batch_holds()) + small * self.small_hold
        waits = (self.batches_per_run + small) * self.lock_wait
        return self.constants.run_start_s + self.work_s + holds + waits

    @property
    def slots(self) -> float:
        """Runs at the same time, by Little's law."""
        return self.runs_second * self.run_seconds

    @property
    def machines(self) -> int:
        """Workers; at least two, so that one may fail."""
        one = self.constants
        by_cpu = self.cores / one.utilization / one.cores_per_machine
        by_memory = (
            self.slots * one.run_memory_mb / 1000 / one.utilization / one.memory_per_machine_gb
        )
        return max(2, math.ceil(by_cpu), math.ceil(by_memory)) if math.isfinite(by_memory) else 0

    @property
    def postgres_cores(self) -> float:
        one = self.constants
        small = one.small_commits_per_run * one.small_postgres_ms
        return self.runs_second * (self.batches_per_run * one.batch_postgres_ms + small) / 1000

    @property
    def statements_second(self) -> float:
        one = self.constants
        small = one.small_commits_per_run * one.small_statements
        return self.runs_second * (self.batches_per_run * one.batch_statements + small)

    @property
    def catalog_rows_day(self) -> float:
        one = self.constants
        return (
            self.batches_day * one.batch_rows
            + (self.commits_day - self.batches_day) * one.small_rows
        )

    @property
    def catalog_gb(self) -> float:
        """Size of the catalogs: rows of expired versions are deleted."""
        one = self.constants
        return self.catalog_rows_day * one.retention_days * one.catalog_row_bytes / 1e9

    @property
    def connections(self) -> float:
        return self.slots * self.constants.run_connections

    @property
    def prefect_share(self) -> float:
        """Share of one core that the Prefect server uses."""
        return self.runs_second * self.constants.prefect_ms / 1000

    @property
    def parquet_gb_day(self) -> float:
        return self.scenario.articles_day * self.constants.article_kb / 1e6

    @property
    def archive_gb_day(self) -> float:
        pages = self.scenario.articles_day * self.constants.pages_per_article
        return pages * self.constants.page_kb / 1e6

    @property
    def puts_day(self) -> float:
        return (
            self.batches_day * self.constants.batch_puts + self.runs_day
        )  # one archive file a run

    @property
    def gets_day(self) -> float:
        # An uploaded archive file is verified; merging reads what batches wrote.
        return (
            self.batches_day * (self.constants.batch_gets + self.constants.batch_files)
            + self.runs_day
        )

    @property
    def merge_share(self) -> float:
        """Share of the time in which the files of a lake are merged; its writers wait meanwhile."""
        return self.batches_day * self.constants.merge_ms / 1000 / DAY / self.scenario.lakes

    @property
    def reparse_core_days(self) -> float:
        """Days of one core to parse the archive of a year again on workers."""
        one = self.constants
        chunk = one.chunk_pages * one.parse_ms / 1000 + one.chunk_s + one.chunk_store_s
        return self._chunks_year * chunk / DAY

    @property
    def reparse_days(self) -> float:
        """The least days of that, because one process stores the results."""
        return self._chunks_year * self.constants.chunk_store_s / DAY

    @property
    def _chunks_year(self) -> float:
        pages = self.scenario.articles_day * 365 * self.constants.pages_per_article
        return pages / self.constants.chunk_pages

    @property
    def cost_month(self) -> dict[str, float]:
        """USD of a month, after a year of storage."""
        one = self.constants
        servers = math.ceil(self.postgres_cores / one.utilization)
        servers += math.ceil(self.prefect_share / one.utilization)
        requests = self.puts_day * one.puts_million + self.gets_day * one.gets_million
        return {
            "workers": self.machines * one.cores_per_machine * MONTH_HOURS * one.core_hour,
            "servers": servers * MONTH_HOURS * one.core_hour,
            "storage": (self.parquet_gb_day + self.archive_gb_day) * 365 * one.storage_gb_month,
            "requests": requests * 30.4 / 1e6,
        }
