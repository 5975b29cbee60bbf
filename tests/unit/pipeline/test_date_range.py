"""The valid and invalid requests of a backfill."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from flows.pipeline.date_range import (
    DateRange,
    InvalidBackfillRequest,
    parse_request,
    parse_url_list,
    read_url_file,
)
from flows.settings import ConfigurationError, Settings
from parsers.model import Entry

SETTINGS = Settings()
SHANGHAI = ZoneInfo("Asia/Shanghai")


def days(first: str, last: str) -> dict[str, date]:
    return {"first": date.fromisoformat(first), "last": date.fromisoformat(last)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "none of them"),
        (days("2022-03-13", "2022-03-11"), "2022-03-13 to 2022-03-11"),
        ({"first": date(2022, 3, 1)}, "only the first"),
        ({"last": date(2022, 3, 1)}, "only the last"),
        (days("2190-01-01", "2190-01-02"), "future"),
        (days("0001-01-01", "0001-01-03"), "1970-01-01"),
        (days("1969-12-31", "1969-12-31"), "1970-01-01"),
        (days("1971-01-01", "2022-01-01"), "30 years"),
        ({"urls": ["http://x.example"], "first": date(2022, 3, 1)}, "days and URLs"),
        ({"archive": "/nowhere"}, r"\*.warc.gz"),
    ],
)
def test_request_that_is_not_valid_is_refused(options, message):
    with pytest.raises(InvalidBackfillRequest, match=message):
        parse_request(SETTINGS, "finews", **options)


def test_unknown_source_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigurationError, match="finews"):
        parse_request(SETTINGS, "finew", **days("2022-03-11", "2022-03-13"))


def test_range_is_whole_days_in_the_zone_of_the_source():
    one = DateRange(first=date(2022, 3, 11), last=date(2022, 3, 11), zone=SHANGHAI)

    assert (one.start, one.end) == (
        datetime(2022, 3, 10, 16, tzinfo=UTC),
        datetime(2022, 3, 11, 16, tzinfo=UTC),
    )
    assert one.contains(datetime(2022, 3, 11, 15, 59, 59, tzinfo=UTC))
    assert not one.contains(datetime(2022, 3, 11, 16, tzinfo=UTC))
    assert one.contains(None)
    facts = {"published": "2022-03-11 23:59:59"}
    entry = Entry(source_article_id="1", channel="c", url="u", facts=facts)
    assert one.published_at(entry) == datetime(2022, 3, 11, 15, 59, 59, tzinfo=UTC)


def test_same_urls_in_another_order_are_the_same_plan():
    one = parse_request(SETTINGS, "finews", urls=["a", "b", "a"])
    other = parse_request(SETTINGS, "finews", urls=["b", "a"])

    assert one.urls == ("a", "b")
    assert one.plan == other.plan
    assert one.plan != parse_request(SETTINGS, "finews", urls=["a"]).plan


def test_list_of_urls_has_comments_and_empty_lines():
    assert parse_url_list("\ufeff# links\n\n http://x.example \nhttp://y.example") == (
        "http://x.example",
        "http://y.example",
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_file_without_urls_is_refused(tmp_path, content):
    file = tmp_path / "urls"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidBackfillRequest, match="a line"):
        read_url_file(file)


def test_file_with_a_line_that_is_no_url_is_refused_and_not_quoted(tmp_path):
    file = tmp_path / "urls"
    file.write_text("# links\nhttp://x.example\npassword = planted\n", encoding="utf-8")

    with pytest.raises(InvalidBackfillRequest, match="line 3") as error:
        read_url_file(file)

    assert "planted" not in str(error.value)
