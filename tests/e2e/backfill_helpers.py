"""Dates, requests and rows that the tests of backfills compare."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
LISTED = "NW202203142308441556"
BEFORE = timedelta(minutes=5)


def window(first, last):
    return {"first": date.fromisoformat(first), "last": date.fromisoformat(last)}


def texts(project):
    return [one.target for one in project.news_site.requests if "GetNewsText" in one.target]


def days(project):
    return [
        day
        for (day,) in project.rows(
            "SELECT DISTINCT CAST(published_at AT TIME ZONE 'Asia/Shanghai' AS DATE) FROM articles "
            "ORDER BY ALL"
        )
    ]
