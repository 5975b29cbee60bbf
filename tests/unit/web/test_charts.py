"""Charts: positions, tooltips and figures, whatever the names of the series are."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from flows.web import charts
from flows.web.charts import Chart, Series, bars, day_axis, heat_rows, lines, range_axis
from flows.web.format import duration

DAYS = [date(2021, 12, 30) + timedelta(days=i) for i in range(4)]
HOSTILE = "</title></svg><script>alert(1)</script>"
CHART = Chart(
    key="volume",
    title="Articles by day",
    description="The gazette had most.",
    axis=day_axis(DAYS),
    series=(
        Series(name="gazette", values=(4, 0, None, 1)),
        Series(name="人民日报", values=(12, 0, 2, None)),
    ),
)


def drawn(markup):
    """The figure as a tree; the markup has to be well-formed."""
    etree.fromstring(markup)
    return BeautifulSoup(markup, "lxml-xml")


def texts(tree, css):
    return [one.get_text() for one in tree.select(css)]


def test_bars_are_stacked_and_as_high_as_their_values():
    tree = drawn(bars(CHART))

    first = [
        (one.get("x"), float(one.get("y")), float(one.get("height")))
        for one in tree.select(".area .s1 rect, .area .s2 rect")
        if one.get("x").startswith("2.5")
    ]
    (x, low_y, low), (other_x, high_y, high) = first
    assert x == other_x
    assert high == pytest.approx(3 * low, abs=0.2)
    assert low_y == pytest.approx(charts.HEIGHT - low, abs=0.1)
    assert high_y == pytest.approx(low_y - high, abs=0.1)


def test_a_bucket_without_values_has_neither_bar_nor_tooltip_nor_figures():
    tree = drawn(bars(CHART))

    assert texts(tree, ".hits title") == [
        "30 Dec 2021\ngazette: 4\n人民日报: 12",
        "1 Jan 2022\n人民日报: 2",
        "2 Jan 2022\ngazette: 1",
    ]
    assert texts(tree, "tbody th") == ["30 Dec 2021", "1 Jan 2022", "2 Jan 2022"]
    assert texts(tree, "tbody tr:first-child td") == ["4", "12"]
    assert len(tree.select(".area .s1 rect, .area .s2 rect")) == 4


def test_a_chart_has_a_title_and_a_description_for_screen_readers():
    (area,) = drawn(bars(CHART)).select("svg.area")

    ids = area.get("aria-labelledby").split()
    assert [texts(area, f"#{one}") for one in ids] == [
        ["Articles by day"],
        ["The gazette had most."],
    ]


def test_a_year_is_written_at_its_first_tick():
    assert [tick.text for tick in CHART.axis.ticks] == [
        "30 Dec 2021", "31 Dec", "1 Jan 2022", "2 Jan",
    ]  # fmt: skip


def test_a_line_is_broken_at_a_missing_value_and_a_single_value_is_a_dot():
    series = (Series(name="median", values=(1, 2, None, 3)),)
    tree = drawn(lines(replace(CHART, series=series)))

    (path,) = tree.select("path")
    assert re.findall(r"([ML])([\d.]+) ", path["d"]) == [("M", "0.5"), ("L", "1.5"), ("M", "3.5")]
    assert [one.get("cx") for one in tree.select("circle")] == ["87.50%"]


def test_a_histogram_has_one_bucket_more_than_edges():
    axis = range_axis("Delay", ("1 h", "1 d"))

    assert axis.labels == ("under 1 h", "1 h to 1 d", "over 1 d")
    assert [tick.x for tick in axis.ticks] == ["33.33%", "66.67%"]


def test_a_heat_row_is_relative_to_its_own_values_and_marks_missing_ones():
    series = (
        Series(name="small", values=(None, 0, 2, None)),
        Series(name="large", values=(0, 1000, 2000, 500)),
    )
    rows = drawn(heat_rows(replace(CHART, series=series))).select("table.heat tr")

    kinds = [[one.get("class") for one in row.select("rect")] for row in rows[:2]]
    assert kinds == [["h0", "h4", "none"], ["h0", "h2", "h4", "h1"]]


@pytest.mark.parametrize("draw", [bars, lines, heat_rows])
def test_a_hostile_name_stays_text(draw):
    series = (Series(name=HOSTILE, values=(1, 2, 3, 4)), Series(name="x", values=(1, 2, 3, 4)))
    chart = replace(CHART, title=HOSTILE, description=HOSTILE, series=series)

    tree = drawn(draw(chart))

    assert tree.select("script") == []
    assert texts(tree, "figcaption") == [HOSTILE]


@pytest.mark.parametrize("draw", [bars, lines, heat_rows])
def test_a_chart_of_zeros_is_drawn(draw):
    tree = drawn(draw(replace(CHART, series=(Series(name="none", values=(0, 0, None, 0)),))))

    assert tree.select(".hits rect, tbody tr td:nth-child(2) td") == []


@example(highest=1.0, form=charts.number)
@given(
    highest=st.floats(min_value=0, max_value=1e9),
    form=st.sampled_from([charts.number, duration]),
)
def test_the_scale_holds_the_highest_value_in_few_steps_and_counts_have_no_fractions(highest, form):
    scale = charts._scale(replace(CHART, form=form), highest)

    assert highest <= scale.top * 1.000001
    assert 2 <= len(scale.lines) <= 8
    if form is charts.number:
        assert scale.step == int(scale.step)
