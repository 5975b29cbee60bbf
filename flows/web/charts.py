"""Charts as SVG inside HTML: pure functions of values that are known already.

Horizontal positions are percentages and vertical ones pixels, so that a chart fits a phone and
a page of paper, and its text keeps its size. Colours come from the style sheet. Every chart has
a title, a description and its figures as a table; a tooltip needs no JavaScript. This module
computes positions; ``templates/chart.html`` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from markupsafe import Markup

from flows.web.environment import environment
from flows.web.format import duration, number, shorten
from flows.web.language import ENGLISH, Language

HEIGHT = 180
"""Of the area of a chart, in pixels, without its labels."""

MAX_SERIES = 8
"""How many colours the style sheet has."""

_TOP = 8
_INTERVALS = 4
_SMALLEST = 1e-6
_MAX_TICKS = 7
_HEAT_LEVELS = 4
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_DURATION_STEPS = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE,
    20 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values of one name, one for each bucket of the axis; ``None`` where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A label below a chart.

    Attributes:
        at: Its position, from 0 at the left edge to 1 at the right edge.
        text: The label.
    """

    at: float
    text: str

    @property
    def x(self) -> str:
        """The position in percent."""
        return _percent(self.at, 1)

    @property
    def anchor(self) -> str:
        """The point of the text that is at the position; no text leaves the chart."""
        return "start" if self.at < 0.04 else "end" if self.at > 0.96 else "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The horizontal axis.

    Attributes:
        name: What a bucket is: ``Day``.
        labels: The name of each bucket, for tooltips and the table.
        ticks: What is written below.
        bar_share: How much of the width of a bucket its bar takes.
    """

    name: str
    labels: tuple[str, ...]
    ticks: tuple[Tick, ...]
    bar_share: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart shows.

    Attributes:
        key: Unique on the page; the id of the chart is ``chart-<key>``.
        title: Its heading.
        description: One sentence with the main result, for readers who cannot see it.
        axis: The buckets.
        series: At most ``MAX_SERIES``, but for ``heat_rows``.
        form: Writes a value.
        language: Of the words that the chart adds.
    """

    key: str
    title: str
    description: str
    axis: Axis
    series: tuple[Series, ...]
    form: Callable[[float | None], str] = number
    language: Language = ENGLISH

    @property
    def buckets(self) -> list[tuple[str, tuple[float | None, ...]]]:
        """Label and values of each bucket that has a value other than 0."""
        by_bucket = zip(*(series.values for series in self.series), strict=True)
        return [
            (label, values)
            for label, values in zip(self.axis.labels, by_bucket, strict=True)
            if any(values)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle: ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels."""

    x: str
    width: str
    y: str = "0"
    height: str = str(HEIGHT)
    kind: str = ""
    tooltip: str = ""


def day_axis(days: Sequence[date], language: Language = ENGLISH) -> Axis:
    """An axis of days, in order."""
    step = _step(days)
    return Axis(
        name=language.text("Day"),
        labels=tuple(map(language.day, days)),
        ticks=tuple(
            Tick(
                at=(i + 0.5) / len(days),
                text=language.tick(days[i], has_year=i == 0 or days[i - step].year != days[i].year),
            )
            for i in range(0, len(days), step)
        ),
    )


def period_axis(name: str, periods: Sequence[str]) -> Axis:
    """An axis of named periods, in order: months, years."""
    return Axis(
        name=name,
        labels=tuple(periods),
        ticks=tuple(
            Tick(at=(i + 0.5) / len(periods), text=periods[i])
            for i in range(0, len(periods), _step(periods))
        ),
    )


def range_axis(name: str, edges: Sequence[str]) -> Axis:
    """An axis of ranges between edges, for a histogram.

    The edges ``("1 h", "1 d")`` make the buckets ``under 1 h``, ``1 h to 1 d``, ``over 1 d``.
    """
    between = (f"{low} to {high}" for low, high in pairwise(edges))
    return Axis(
        name=name,
        labels=(f"under {edges[0]}", *between, f"over {edges[-1]}"),
        ticks=tuple(Tick(at=(i + 1) / (len(edges) + 1), text=edge) for i, edge in enumerate(edges)),
        bar_share=0.96,
    )


def bars(chart: Chart) -> Markup:
    """A chart of bars; several series are stacked. One series over ranges is a histogram."""
    scale = _scale(
        chart, max((sum(filter(None, values)) for _, values in chart.buckets), default=0)
    )
    return _render("bars", chart, groups=_stacks(chart, scale), **_frame(chart, scale))


def lines(chart: Chart) -> Markup:
    """A chart of lines, broken where a value is missing; a value between two gaps is a dot."""
    scale = _scale(
        chart, max((max(filter(None, values)) for _, values in chart.buckets), default=0)
    )
    paths = [_path(series.values, scale) for series in chart.series]
    return _render("lines", chart, paths=paths, **_frame(chart, scale))


def heat_rows(chart: Chart) -> Markup:
    """One row of cells for each series: the darker, the more of the row's own usual values.

    A missing value has a mark of its own, and none before the first value of the row. The
    number of series is not limited.
    """
    return _render("heat_rows", chart, rows=[_cells(chart, series) for series in chart.series])


def _render(macro: str, chart: Chart, **geometry: object) -> Markup:
    module = environment().get_template("chart.html").module
    return Markup(getattr(module, macro)(chart, **geometry))  # noqa: S704  # the template escapes


def _step(buckets: Sequence[object]) -> int:
    return max(1, math.ceil(len(buckets) / _MAX_TICKS))


@dataclass(frozen=True, slots=True)
class _Scale:
    """The vertical axis from 0: the step between grid lines, and the value at the top."""

    step: float
    top: float

    def y(self, value: float) -> float:
        return HEIGHT - (HEIGHT - _TOP) * value / self.top

    @property
    def lines(self) -> list[float]:
        return [self.step * i for i in range(round(self.top / self.step) + 1)]


def _scale(chart: Chart, highest: float) -> _Scale:
    rough = (highest if highest > _SMALLEST else _INTERVALS) / _INTERVALS
    power = 10.0 ** math.floor(math.log10(rough))
    steps: list[float] = [unit * power for unit in (1, 2, 5, 10)]
    if chart.form is duration:
        steps = [*_DURATION_STEPS, *(step for step in steps if step > _DURATION_STEPS[-1])]
    elif chart.form is number:
        steps = [max(1, step) for step in steps]
    step = next((step for step in steps if step >= rough * 0.999), steps[-1])
    return _Scale(step, step * max(1, math.ceil(highest / step - 1e-9)))


def _frame(chart: Chart, scale: _Scale) -> dict[str, object]:
    """The grid, and an invisible box with a tooltip over each bucket that has values."""
    count = len(chart.axis.labels)
    at = {label: i for i, label in enumerate(chart.axis.labels)}
    hits = [
        Box(
            x=_percent(at[label], count),
            width=_percent(1, count),
            tooltip=_tooltip(chart, label, values),
        )
        for label, values in chart.buckets
    ]
    grid = [(chart.form(value), f"{scale.y(value):.1f}") for value in scale.lines]
    return {"grid": grid, "hits": hits, "height": HEIGHT}


def _tooltip(chart: Chart, label: str, values: Sequence[float | None]) -> str:
    texts = [
        f"{shorten(series.name, 40)}: {chart.form(value)}"
        for series, value in zip(chart.series, values, strict=True)
        if value
    ]
    return "\n".join([label, *texts])


def _stacks(chart: Chart, scale: _Scale) -> list[list[Box]]:
    count = len(chart.axis.labels)
    width = _percent(chart.axis.bar_share, count)
    bases = [0.0] * count
    groups = []
    for series in chart.series:
        boxes = []
        for at, value in enumerate(series.values):
            if value:
                y, base = scale.y(bases[at] + value), scale.y(bases[at])
                x = _percent(at + (1 - chart.axis.bar_share) / 2, count)
                boxes.append(Box(x=x, width=width, y=f"{y:.1f}", height=f"{base - y:.1f}"))
                bases[at] += value
        groups.append(boxes)
    return groups


def _path(values: Sequence[float | None], scale: _Scale) -> tuple[str, list[tuple[str, str]]]:
    """The path of a line, one unit a bucket, and the positions of its single points."""
    padded = [None, *values, None]
    path, dots = [], []
    for at, value in enumerate(values):
        if value is None:
            continue
        before, after = padded[at], padded[at + 2]
        path.append(f"{'M' if before is None else 'L'}{at + 0.5} {scale.y(value):.1f}")
        if before is after is None:
            dots.append((_percent(at + 0.5, len(values)), f"{scale.y(value):.1f}"))
    return "".join(path), dots


def _cells(chart: Chart, series: Series) -> list[Box]:
    count = len(series.values)
    usual = sorted(filter(None, series.values))
    high = usual[int(len(usual) * 0.9)] if usual else 1
    first = next((at for at, value in enumerate(series.values) if value is not None), count)
    return [
        Box(
            x=_percent(at, count),
            width=_percent(0.9, count),
            kind="none" if value is None else f"h{_level(value, high)}",
            tooltip=f"{label}\n{shorten(series.name, 40)}: {chart.form(value)}",
        )
        for at, (label, value) in enumerate(zip(chart.axis.labels, series.values, strict=True))
        if at >= first
    ]


def _level(value: float, high: float) -> int:
    return min(_HEAT_LEVELS, math.ceil(_HEAT_LEVELS * value / high))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%"
