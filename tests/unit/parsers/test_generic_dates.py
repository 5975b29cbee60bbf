"""Dates of any page: publication, change, precision and time zone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from tests.unit.parsers.generic_pages import PARAGRAPHS, ld, page, read

PAGE = {"@graph": [{"@type": "WebPage", "datePublished": "2024-05-02T10:00:00Z"}]}


@pytest.mark.parametrize(
    ("head", "before", "expected"),
    [
        (ld(datePublished="2024-05-02T23:30:00-03:00"), "", ("2024-05-03T02:30:00", "second", "value")),
        ('<meta property="article:published_time" content="2024-05-02T10:00Z">', "", ("2024-05-02T10:00:00", "minute", "value")),
        ("", '<time datetime="2024-05-02T10:00:00+02:00">today</time>', ("2024-05-02T08:00:00", "second", "value")),
        (f'<script type="application/ld+json">{json.dumps(PAGE)}</script>', "", ("2024-05-02T10:00:00", "second", "value")),
        ('<meta name="w-published-date" content="2024-05-02">', "", ("2024-05-02T00:00:00", "day", "none")),
        ('<meta itemprop="dateUpdate" content="2024-05-02 12:00:57">', "<p>发布时间：05-0212:00</p>", ("2024-05-02T12:00:57", "second", "none")),
        ('<meta itemprop="dateUpdate" content="2024-05-02 12:00:57">', "<p>发布时间：05-0112:00</p>", (None, "unknown", "none")),
        (ld(dateModified="2024-05-02 12:00"), "<p>发布时间：05-02 12:00</p>", ("2024-05-02T12:00:00", "minute", "none")),
        ("", "<p>2024-05-02 23:50</p>", ("2024-05-02T23:50:00", "minute", "none")),
        ("", "<p>May 2, 2024</p>", ("2024-05-02T00:00:00", "day", "none")),
        ("", "<p>2. Mai 2024</p>", ("2024-05-02T00:00:00", "day", "none")),
        ("", "<p>02.05.2024</p>", ("2024-05-02T00:00:00", "day", "none")),
        ("", "<p>25/05/2024</p>", ("2024-05-25T00:00:00", "day", "none")),
        ("", "<p>02/05/2024</p>", (None, "unknown", "none")),
        ("", "<p><span>28.09.19</span><span>12:44</span></p>", (None, "unknown", "none")),
        ("", '<aside><time datetime="2023-01-01T10:00:00Z">a</time><time datetime="2023-01-02T10:00:00Z">b</time></aside>', (None, "unknown", "none")),
        ('<meta property="article:modified_time" content="2024-05-02T10:00Z">', "", (None, "unknown", "none")),
        ("", "<p>yesterday</p>", (None, "unknown", "none")),
        ("", "<p>05-02 10:00</p>", (None, "unknown", "none")),
    ],
)  # fmt: skip
def test_published(head: str, before: str, expected: tuple[str | None, str, str]):
    article = read(page(head, before), "https://gazette.example/ferry")
    at = article.published_at.strftime("%Y-%m-%dT%H:%M:%S") if article.published_at else None

    assert (at, article.published_precision, article.published_timezone_source) == expected


CHANGED = "2024-05-03T10:00:00+02:00"


@pytest.mark.parametrize(
    ("head", "before"),
    [
        (ld(dateModified=CHANGED), ""),
        (f'<meta property="og:updated_time" content="{CHANGED}">', ""),
        (f'<meta itemprop="dateUpdate" content="{CHANGED}">', ""),
        ("", "<div>Updated on</div><div>3 May 2024, 08:00 UTC</div>"),
        (f'<meta itemprop="dateModified" content="{CHANGED}">', ""),
        ("", f'<time itemprop="dateModified" datetime="{CHANGED}">yesterday</time>'),
        ("", f'<time class="updated" datetime="{CHANGED}">3 May</time>'),
        ("", "<p>Updated: 3 May 2024, 08:00 UTC</p>"),
        ("", "<p>更新时间：2024-05-03 08:00:00 UTC</p>"),
        ("", "<p>编辑于 2024-05-03 08:00:00 UTC</p>"),
        ("", f"<p>Updated: <time datetime='{CHANGED}'>3 May</time></p>"),
        ("", f"<p class='field--name-changed'><time datetime='{CHANGED}'>3 May</time></p>"),
        ("", f"<p class='field--name-changed'><time datetime='{CHANGED}'>May 3, 2024</time></p>"),
        ("", f"<p><b>更新于</b> <span><time datetime='{CHANGED}'>5月3日</time></span></p>"),
    ],
)
def test_a_change_is_no_publication(head: str, before: str):
    article = read(page(head, before), "https://gazette.example/ferry")

    assert (article.published_at, article.published_on) == (None, None)
    assert article.updated_at == datetime(2024, 5, 3, 8, tzinfo=UTC)


def test_web_page_of_an_article_with_a_declaration_of_its_own_gives_no_date():
    head = f'<script type="application/ld+json">{json.dumps(PAGE)}</script>'

    assert (
        read(page(ld(author="Ida Sample") + head), "https://gazette.example/a").published_at is None
    )


@pytest.mark.parametrize(
    ("html", "on"),
    [
        (page(before="<p>May 9, 2024</p><p>Harbour</p><p>May 2, 2024</p>"), date(2024, 5, 9)),
        (page(after="<p>May 2, 2024</p><div><p>May 9, 2024</p></div>"), date(2024, 5, 2)),
        (page(after="<p>The quay</p><p>Of 2023</p><p>Harbour</p><p>May 2, 2024</p>"), None),
        (page(after="<p>The festival of May 2, 2024</p>"), None),
        (page().replace("<h1>", "<p>May 9, 2024</p><h1>").replace("</h1>", "</h1><p>May 2, 2024</p>"), date(2024, 5, 2)),
        (page().replace("<h1>", "<p>May 9, 2024</p><p>May 2, 2024</p><h1>"), date(2024, 5, 2)),
        (page(body="<p>We sail, and we tell you, at length, where.</p><ul>" + "<li><a href='/'>Islands and harbours</a></li>" * 70 + "</ul><h1>Ferry returns</h1><p>May 2, 2024</p>" + PARAGRAPHS + PARAGRAPHS.replace("e", "é")), date(2024, 5, 2)),
    ],
)  # fmt: skip
def test_date_of_the_nearest_line_without_a_label_counts(html: str, on: date | None):
    assert read(html, "https://gazette.example/ferry").published_on == on


def test_line_behind_the_text_names_the_change():
    article = read(page(after="<p>Last updated: May 3, 2024</p>"), "https://gazette.example/ferry")

    assert (article.published_on, article.updated_at) == (None, datetime(2024, 5, 3, tzinfo=UTC))


def test_line_with_both_times_gives_both():
    article = read(page(before="<p>27/05/2024 01:57 | Updated on 27/05/2024 19:20</p>"))

    assert article.published_at == datetime(2024, 5, 27, 1, 57, tzinfo=UTC)
    assert article.updated_at == datetime(2024, 5, 27, 19, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "Updated 27 May 2024, 19:20 | Published 26 May 2024, 09:00",
        "更新时间：2024-05-27 19:20 发布时间：2024-05-26 09:00",
    ],
)
def test_line_may_name_the_change_before_the_publication(line: str):
    article = read(page(before=f"<p>{line}</p>"))

    assert article.published_at == datetime(2024, 5, 26, 9, tzinfo=UTC)
    assert article.updated_at == datetime(2024, 5, 27, 19, 20, tzinfo=UTC)


def test_time_that_is_marked_as_published_and_updated_is_the_publication():
    before = f'<time class="entry-date published updated" datetime="{CHANGED}">3 May</time>'

    assert read(page(before=before)).published_at == datetime(2024, 5, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("html", "on"),
    [
        (page(before="<p>02/05/2024</p>", after="<p>27/04/2024</p>"), date(2024, 5, 2)),
        (page(before="<p>02/05/2024</p>", after="<p>04/27/2024</p>"), date(2024, 2, 5)),
        (page(before="<p>02/05/2024</p>").replace("<html", '<html lang="fr"'), date(2024, 5, 2)),
        (page(before="<p>02/05/2024</p>").replace("<html", '<html lang="en-US"'), None),
    ],
)
def test_other_dates_or_the_language_of_the_page_decide_on_day_and_month(
    html: str, on: date | None
):
    assert read(html).published_on == on


@pytest.mark.parametrize(
    ("instant", "printed", "expected"),
    [
        ("2024-05-03T04:13:00Z", "May 2, 2024", (date(2024, 5, 2), None)),
        ("2024-05-02T22:13:00+00:00", "May 3, 2024", (date(2024, 5, 3), None)),
        ("2024-05-03T14:13:00Z", "May 2, 2024", (date(2024, 5, 3), "UTC")),
        ("2024-05-03T04:13:00Z", "yesterday", (date(2024, 5, 3), "UTC")),
        ("2024-05-03T04:13:00-01:00", "May 2, 2024", (date(2024, 5, 3), "-01:00")),
    ],
)
def test_time_in_utc_is_of_the_day_that_the_page_prints_for_it(
    instant: str, printed: str, expected: tuple[date, str | None]
):
    article = read(page(ld(datePublished=instant), f"<time datetime='{instant}'>{printed}</time>"))

    assert (article.published_on, article.published_timezone) == expected
    assert article.published_at == datetime.fromisoformat(instant).astimezone(UTC)


def test_printed_day_of_another_time_is_not_the_day_of_publication():
    other = "<time datetime='2024-05-02T04:00:00Z'>May 1, 2024</time>"
    article = read(page(ld(datePublished="2024-05-03T04:13:00Z"), other))

    assert article.published_on == date(2024, 5, 3)


def test_time_in_the_future_of_the_page_is_unknown():
    article = read(page(ld(datePublished="2099-05-02T10:00:00Z", dateModified="2099-05-02")))

    assert (article.published_at, article.published_raw) == (None, "2099-05-02T10:00:00Z")
    assert article.updated_at is None
    assert "future" in article.provenance["published_at"]


def test_a_time_with_a_zone_is_preferred_to_the_same_day_without_one():
    head = '<meta name="pubdate" content="2024-05-02"><meta name="dc.date" content="2024-05-02T10:00:00Z">'

    assert read(page(head)).published_precision == "second"


def test_the_declared_zone_reads_a_time_that_names_none():
    article = read(page(before="<p>2024-05-02 00:30</p>"), time_zone="Asia/Shanghai")

    assert article.published_at == datetime(2024, 5, 1, 16, 30, tzinfo=UTC)
    assert article.published_timezone_source == "source"


def test_a_known_host_declares_its_zone_and_a_host_that_only_looks_like_it_does_not():
    html = page(before="<p>2024-05-02 00:30</p>")

    assert read(html, "https://news.163.com/1").published_timezone_source == "source"
    assert read(html, "https://not163.com/1").published_timezone_source == "none"


def test_the_address_gives_the_day_when_nothing_else_does():
    article = read(page(), "https://gazette.example/2024/05/02/ferry")

    assert article.published_at == datetime(2024, 5, 2, tzinfo=UTC)
    assert article.provenance["published_at"].startswith("the address")
