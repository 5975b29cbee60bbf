"""What every page has: escaped values, strict variables, colours that can be read."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from flows.web import charts
from flows.web import format as formats
from flows.web.environment import environment, render, style_sheet


def macro(name, *values):
    return str(getattr(environment().get_template("macros.html").module, name)(*values))


def test_a_value_is_escaped_and_an_unknown_variable_is_an_error():
    assert "<title>&lt;b&gt; &amp; 中文</title>" in render("base.html", title="<b> & 中文")
    with pytest.raises(UndefinedError):
        render("base.html")


def test_text_of_others_has_its_language_and_its_direction_ends_with_it():
    assert macro("words", "人民日报") == '<bdi lang="zh">人民日报</bdi>'
    assert macro("words", "人民日报", "zh-TW") == '<bdi lang="zh-TW">人民日报</bdi>'
    assert macro("words", "a\u202e\x00 b", '"><script>') == "<bdi>a b</bdi>"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.number(None), "–"),
        (formats.number(1234567), "1,234,567"),
        (formats.number(2.25), "2.2"),
        (formats.percent(1), "100%"),
        (formats.percent(0.9999), "99%"),
        (formats.percent(0.29), "29%"),
        (formats.percent(0.0168), "1.7%"),
        (formats.percent(0.0001), "<0.1%"),
        (formats.percent(0), "0%"),
        (formats.duration(0), "0 s"),
        (formats.duration(0.042), "42 ms"),
        (formats.duration(1.25), "1.2 s"),
        (formats.duration(119), "119 s"),
        (formats.duration(720), "12 min"),
        (formats.duration(12_600), "3.5 h"),
        (formats.duration(7 * 86_400), "7 d"),
        (formats.duration(1728 * 86_400), "4.7 y"),
        (formats.file_size(512), "512 B"),
        (formats.file_size(1_300_000), "1.3 MB"),
        (formats.file_size(None), "–"),
        (formats.day(date(2022, 3, 4)), "4 Mar 2022"),
        (
            formats.moment(datetime(2022, 3, 14, 20, 43, tzinfo=UTC), ZoneInfo("Asia/Shanghai")),
            "15 Mar 2022, 04:43",
        ),
        (formats.shorten("a" * 300, 10), "a" * 9 + "…"),
        (formats.language_of("ニュース新聞"), "ja"),
        (formats.language_of("Gazette"), ""),
    ],
)
def test_values_are_written_for_readers(written, expected):
    assert written == expected


@given(st.text())
def test_clean_text_is_one_line_that_a_page_may_hold(text):
    assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", formats.clean(text))


def tokens(css):
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", css))


def luminance(colour):
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


LIGHT, DARK = (tokens(part) for part in style_sheet().split("prefers-color-scheme: dark", 1))
TEXTS = [
    (text, ground)
    for ground in ("paper", "card")
    for text in ("ink", "muted", "accent", "link", "good", "warn", "bad")
] + [(text, f"{kind}-tint") for kind in ("good", "warn", "bad") for text in (kind, "ink")]
TEXTS += [("ink", f"share-{i}") for i in (1, 2, 3)]
GRAPHICS = [f"series-{i + 1}" for i in range(charts.MAX_SERIES)]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_and_every_series_has_the_contrast_of_wcag_aa(scheme):
    weak = {pair: contrast(*(scheme[name] for name in pair)) for pair in TEXTS}
    faint = {name: contrast(scheme[name], scheme["paper"]) for name in GRAPHICS}

    assert {pair for pair, found in weak.items() if found < 4.5} == set()
    assert {name for name, found in faint.items() if found < 3} == set()
