"""Prints the tables of deploy/SCALE.md, or the model beside the simulation.

python tests/bench/scale_tables.py [--set name=value ...] [--simulate]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from tests.bench.scale_model import DAY, SCENARIOS, Constants, Model, Scenario, load
from tests.bench.scale_simulation import simulate


def tables(constants: Constants) -> str:
    """Return the tables of ``deploy/SCALE.md``."""
    models = [Model(constants, scenario) for scenario in SCENARIOS.values()]
    lines = [
        f"| Articles a day | {' | '.join(SCENARIOS)} |",
        "|---|" + "---|" * len(models),
        _line("hosts; deployments", models, lambda m: f"{m.hosts:,.0f}; {m.deployments:,}"),
        _line("runs a minute", models, lambda m: _number(m.runs_second * 60)),
        _line(
            "new articles of a run, busiest hour", models, lambda m: f"{m.articles_per_run:,.0f}"
        ),
        _line("cores of all workers", models, lambda m: _number(m.cores)),
        _line("runs at the same time", models, lambda m: _number(m.slots)),
        _line(
            "workers of 4 cores and 8 GB", models, lambda m: f"{m.machines}" if m.machines else "-"
        ),
        _line(
            "commits a second; lock held",
            models,
            lambda m: f"{_number(m.lock_rate)}; {m.lock_share:.0%}",
        ),
        _line("a commit waits for the lock, s", models, lambda m: _number(m.lock_wait)),
        _line(
            "stored articles when the lock gives out, millions",
            models,
            lambda m: _number(m.stored_limit),
        ),
        _line(
            "the same in days",
            models,
            lambda m: _number(m.stored_limit * 1e6 / m.scenario.articles_day),
        ),
        _line(
            "PostgreSQL: cores; statements/s",
            models,
            lambda m: f"{_number(m.postgres_cores)}; {m.statements_second:,.0f}",
        ),
        _line("PostgreSQL: connections", models, lambda m: _number(m.connections)),
        _line(
            "catalog: rows a day; GB",
            models,
            lambda m: f"{_count(m.catalog_rows_day)}; {_number(m.catalog_gb)}",
        ),
        _line(
            "versions; new files a day",
            models,
            lambda m: f"{m.commits_day:,.0f}; {m.batches_day * constants.batch_files:,.0f}",
        ),
        _line("merging, share of the time", models, lambda m: f"{m.merge_share:.1%}"),
        _line("Parquet, GB a day; TB a year", models, lambda m: _sizes(m.parquet_gb_day)),
        _line("archive, GB a day; TB a year", models, lambda m: _sizes(m.archive_gb_day)),
        _line(
            "parse a year again: days of one core; at least",
            models,
            lambda m: f"{_number(m.reparse_core_days)}; {_number(m.reparse_days)}",
        ),
        _line(
            "requests to S3 a day, millions",
            models,
            lambda m: _number((m.puts_day + m.gets_day) / 1e6),
        ),
        _line("Prefect server, cores", models, lambda m: _number(m.prefect_share)),
        *(
            _line(f"USD a month: {part}", models, lambda m, part=part: _dollars(m, part))  # type: ignore[misc]
            for part in ("workers", "servers", "storage", "requests")
        ),
        "",
        "| Part | Gives out at, articles a day | What helps |",
        "|---|---|---|",
    ]
    first = next(iter(SCENARIOS.values()))
    for part, articles, remedy in limits(constants, first):
        lines.append(f"| {part} | {_count(articles)} | {remedy} |")
    return "\n".join(lines)


def _line(name: str, models: Sequence[Model], cell: Callable[[Model], str]) -> str:
    return f"| {name} | {' | '.join(cell(one) for one in models)} |"


def _dollars(model: Model, part: str) -> str:
    return f"{model.cost_month[part]:,.0f}" if model.machines else "-"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "grows"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _count(value: float) -> str:
    """Return a number with two digits that count."""
    for size, name in ((1e9, " billion"), (1e6, " million"), (1e3, ",000")):
        if value >= size:
            return f"{float(f'{value / size:.2g}'):g}{name}"
    return f"{value:.0f}"


def _sizes(gb_day: float) -> str:
    return f"{_number(gb_day)}; {_number(gb_day * 0.365)}"


def compare(constants: Constants) -> str:
    """Return the table of the model beside the simulation."""
    lines = ["| | lock held | wait, s | runs at once | unfinished |", "|---|---|---|---|---|"]
    for name, scenario in SCENARIOS.items():
        model = Model(constants, scenario)
        seen = simulate(model)
        lines.append(
            f"| {name} | {model.lock_share:.1%} / {seen.lock_share:.1%} | {_number(model.lock_wait)} / "
            f"{_number(seen.lock_wait)} | {_number(model.slots)} / {_number(seen.slots)} | {seen.backlog} |"
        )
    return "\n".join(lines)


# --- where each part gives out ---------------------------------------------------------------


def limits(constants: Constants, base: Scenario) -> Iterator[tuple[str, float, str]]:
    """Yield each part, the articles a day at which it gives out, and what helps then."""
    model = Model(constants, base)
    use, per_article = constants.utilization, 1 / base.articles_day
    hosts = DAY / constants.host_delay_s / constants.pages_per_article / constants.peak_factor
    yield "one host, by politeness", hosts, "nothing: a host sets its own pace"
    yield (
        "Prefect server, one core",
        use / (model.prefect_share * per_article),
        "a longer interval, larger runs, more API servers",
    )
    often = replace(base, interval_minutes=30.0)
    yield (
        "lock of writers, a run for each host every 30 minutes",
        _where_lock_fails(constants, often),
        "a longer interval, larger runs, several lakes",
    )
    yield (
        "the same, every 4 hours",
        _where_lock_fails(constants, base),
        "larger runs and batches, several lakes",
    )
    yield (
        "the same, 10 million articles stored",
        _where_lock_fails(constants, replace(base, stored_millions=10.0)),
        "several lakes, each with its own sources",
    )
    yield "connections to PostgreSQL", _where_connections_fail(constants, base), "max_connections"
    yield (
        "PostgreSQL, four cores",
        4 * use / (model.postgres_cores * per_article),
        "larger batches, a server for each lake",
    )
    puts = model.puts_day * constants.peak_factor / DAY
    yield (
        "PUT requests of one prefix",
        constants.s3_puts_per_second / (puts * per_article),
        "another prefix",
    )
    yield (
        "a worker of four cores",
        4 * use / (model.cores * per_article),
        "another worker",
    )


def _where_lock_fails(constants: Constants, base: Scenario) -> float:
    def fails(articles: float) -> bool:
        return Model(constants, _at(base, articles)).lock_share > constants.utilization

    return _first(fails)


def _where_connections_fail(constants: Constants, base: Scenario) -> float:
    # Enough lakes, so that no run waits for the lock.
    def fails(articles: float) -> bool:
        lakes = max(1, round(articles / 1e6))
        model = Model(constants, replace(_at(base, articles), lakes=lakes))
        return model.connections > constants.connections

    return _first(fails)


def _at(base: Scenario, articles: float) -> Scenario:
    return replace(base, articles_day=articles)


def _first(fails: Callable[[float], bool]) -> float:
    """Return the least articles a day at which a part fails, to one percent."""
    low, high = 1e3, 1e10
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fails(middle) else (middle, high)
    return high


def main() -> int:
    """Print the tables, or the model beside the simulation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--simulate", action="store_true")
    given = parser.parse_args()
    try:
        constants = load(given.set)
    except (TypeError, ValueError) as error:
        parser.error(f"--set: expected NAME=VALUE with a name of scale_constants.toml: {error}")
    print(compare(constants) if given.simulate else tables(constants))
    return 0


if __name__ == "__main__":
    sys.exit(main())
