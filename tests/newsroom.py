"""A synthetic newsroom: months of articles, runs, fetches, findings and failures of eight sources.

For tests and the bench of pages that show a whole warehouse. Articles go through the upsert;
what surrounds them is derived from them in SQL.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice

from duckdb import DuckDBPyConnection

from warehouse import ArticleRow, observe, transaction, upsert_articles
from warehouse.records import runs

END = datetime(2026, 11, 30, 8, tzinfo=UTC)
DAYS = 180
# Name, language, weight, publishers.
SOURCES = (
    ("finews", "zh-CN", 30, ("示例证券网", "示例日报", "示例财经", "示例通讯社")),
    ("woshipm", "zh-CN", 6, ("示例产品经理",)),
    ("ofweek", "zh-CN", 12, ("示例能源网", "示例环保网")),
    ("gazette", "en", 9, ("Harbour Gazette",)),
    ("harbour_wire", "en", 18, ("Harbour Wire", "Harbour Gazette")),
    ("morgenblatt", "de", 4, ("Beispiel Morgenblatt",)),
    ("wanbao", "zh-TW", 8, ("示例晚報",)),
    ("imported", "zh-CN", 3, ("示例日报", None)),
)
_SUBJECTS = {
    "zh": ("央行", "新能源汽车", "港口吞吐量", "芯片出口", "人工智能", "碳中和", "消费市场", "产品经理"),
    "en": ("Ferry timetable", "Harbour works", "Council budget", "Fish prices", "Tram line 4"),
    "de": ("Hafenausbau", "Fährverkehr", "Stadtrat", "Energiepreise"),
}  # fmt: skip
_VERBS = {
    "zh": ("回升", "公布最新数据", "同比增长", "迎来新规", "再创新高", "引发关注"),
    "en": ("returns to normal", "passes third reading", "rises again", "under review"),
    "de": ("wird fortgesetzt", "steigt erneut", "vor der Entscheidung"),
}
_RUNS = """
INSERT INTO _store.runs BY NAME
SELECT strftime(seen_on, '%Y%m%dT080000-') || source AS run_id, 'sync' AS flow, source,
       CASE WHEN source = 'ofweek' AND seen_on > (SELECT max(first_seen_at) FROM articles) - INTERVAL 4 DAY
                 OR hash(source, seen_on) % 40 = 0 THEN 'failed'
            WHEN hash(source, seen_on) % 9 = 0 THEN 'completed_with_warnings'
            ELSE 'completed' END AS state,
       seen_on + INTERVAL 8 HOUR AS started_at,
       seen_on + INTERVAL 8 HOUR + INTERVAL 90 SECOND AS ended_at,
       n + n // 5 AS discovered, n AS fetched, n // 3 AS not_modified,
       n - duplicates AS new, n // 25 AS updated, n // 6 AS unchanged, duplicates AS duplicate,
       hash(source, seen_on) % 2 AS quarantined, hash(source, seen_on) % 3 AS failed, 0 AS suppressed,
       0 AS skipped, 0 AS gaps, 90 AS seconds, '0.2.0' AS code_version, 'feed' AS parser,
       '1' AS parser_version, ['listing feed returned HTTP 503 after 3 attempts'] AS messages, '' AS host, '' AS boot, 0 AS pid, '' AS pid_started
FROM (SELECT source, CAST(first_seen_at AS DATE)::TIMESTAMPTZ AS seen_on, count(*) AS n,
             count(*) FILTER (duplicate_count > 0) // 2 AS duplicates
      FROM articles GROUP BY ALL)
WHERE source <> 'imported'
"""
_FETCHES = """
INSERT INTO _store.fetches BY NAME
SELECT uuid() AS url_key, source, 'feed' AS channel, url, url AS final_url,
       CASE WHEN h % 131 = 0 THEN 503 WHEN h % 97 = 0 THEN 404 WHEN h % 411 = 0 THEN NULL
            ELSE 200 END AS status,
       1 + (h % 50 = 0)::INTEGER AS attempt_count, 0.08 + h % 700 / 1000 AS seconds, 20000 + h % 9000 AS bytes,
       first_seen_at AS fetched_at, '' AS listing_entry,
       CASE WHEN h % 131 = 0 THEN 'HTTP 503 after 4 attempts' WHEN h % 97 = 0 THEN 'HTTP 404'
            WHEN h % 411 = 0 THEN 'timed out after 20 seconds' END AS error,
       CASE WHEN h % 131 = 0 THEN ['server_error 503'] WHEN h % 97 = 0 THEN ['gone 404']
            WHEN h % 411 = 0 THEN ['timeout'] ELSE ['ok 200'] END AS attempt_results,
       'run' AS run_id
FROM (SELECT *, hash(article_id) AS h FROM articles) WHERE source <> 'imported'
"""
_CHANNEL_DAYS = """
INSERT INTO _store.channel_days BY NAME
SELECT source, 'feed' AS channel, day, 4 AS run_count,
       CASE WHEN hash(source, day) % 50 = 0 THEN 0 ELSE 4 END AS read_count,
       20 AS min_entry_count, 20 AS max_entry_count,
       CASE WHEN hash(source, day) % 50 = 0 THEN 0 ELSE n END AS new_count, 4 AS move_count,
       0 AS longest_silence_seconds, 0 AS silence_seconds, 0 AS silence_squares,
       n AS parsed_count, 0 AS failed_count, '{}' AS fields, '{}' AS lengths
FROM (SELECT source, CAST(first_seen_at AS DATE) AS day, count(*) AS n FROM articles GROUP BY ALL)
WHERE source <> 'imported'
"""
_HEALTH = """
INSERT INTO _store.source_health BY NAME
SELECT source, CASE source WHEN 'wanbao' THEN 'warning' WHEN 'morgenblatt' THEN 'silent'
                           WHEN 'gazette' THEN 'learning' ELSE 'ok' END AS state,
       CASE source WHEN 'gazette' THEN ['silence: 3 more days'] ELSE [] END AS learning,
       $1 AS evaluated_at, 'run' AS run_id, max(first_seen_at) AS last_new_at,
       36000 AS silence_limit_seconds,
       count(*) FILTER (first_seen_at > $1 - INTERVAL 7 DAY) AS new_in_7_days,
       count(*) * 7 / 180 AS normal_in_7_days, '{}' AS coverage
FROM articles WHERE source <> 'imported' GROUP BY source
"""
_FINDINGS = """
INSERT INTO _store.health_findings BY NAME
SELECT uuid() AS finding_key, source, channel, kind, field, expected, found,
       $1 - INTERVAL 3 DAY AS since, $1 - INTERVAL 2 DAY AS opened_at, 'run' AS run_id
FROM (VALUES
    ('wanbao', 'feed', 'field_missing', 'publisher', 'publisher in 98% of articles', 'none in the last 20'),
    ('morgenblatt', '', 'low_volume', '', '31 articles in 7 days', '2')
) f(source, channel, kind, field, expected, found)
"""
_QUARANTINE = """
INSERT INTO _store.quarantine BY NAME
SELECT uuid() AS quarantine_key, source, 'feed' AS channel, url,
       CASE WHEN h % 3 = 0 THEN 'layout_changed' ELSE 'incomplete_article' END AS reason,
       'expected a title' AS message, 'one element h1.title' AS expected, 'no element' AS found,
       ''::BLOB AS page, [] AS page_more, 'text/html' AS content_type, '' AS listing_entry,
       first_seen_at AS fetched_at, 'feed' AS parser, '1' AS parser_version, 1 AS attempts,
       first_seen_at AS first_failed_at, first_seen_at AS last_failed_at,
       CASE WHEN h % 2 = 0 THEN first_seen_at + INTERVAL 1 DAY END AS resolved_at, 'run' AS run_id
FROM (SELECT *, hash(article_id) AS h FROM articles) WHERE h % 1500 < 2
"""
_GAPS = """
INSERT INTO _store.gaps BY NAME
SELECT uuid() AS gap_key, source, 'feed' AS channel, $1 - i * INTERVAL 9 DAY AS from_at,
       $1 - i * INTERVAL 9 DAY + INTERVAL 5 HOUR AS to_at, 'no known entry in the listing' AS detected_by,
       $1 - i * INTERVAL 9 DAY + INTERVAL 5 HOUR AS detected_at, 'run' AS run_id,
       CASE WHEN i > 2 THEN $1 END AS closed_at, [] AS missing_urls
FROM (VALUES ('finews', 1), ('harbour_wire', 2), ('ofweek', 3), ('finews', 4)) g(source, i)
"""


def fill(db: DuckDBPyConnection, article_count: int, *, text_length: int = 400) -> None:
    """Store that many articles, and what surrounds them, in a new warehouse."""
    names = [name for name, *_ in SOURCES if name != "imported"]
    with transaction(db):
        runs.start_run(
            db,
            flow="sync",
            sources=names,
            code_version="0.2.0",
            run_id="run",
            at=END - timedelta(days=DAYS),
        )
    made = articles(article_count, text_length=text_length)
    while rows := list(islice(made, 2000)):
        with transaction(db):
            upsert_articles(db, map(observe, rows), run_id="run")
    with transaction(db):
        for sql in (_RUNS, _FETCHES, _CHANNEL_DAYS, _QUARANTINE):
            db.execute(sql)
        for sql in (_HEALTH, _FINDINGS, _GAPS):
            db.execute(sql, [END])


def articles(count: int, *, text_length: int = 400, seed: int = 7) -> Iterator[ArticleRow]:
    """Articles in the order of their fetch; one in twenty has the text of an earlier one."""
    rng = random.Random(seed)  # noqa: S311  # a test needs the same articles each time
    times = sorted(_time(rng) for _ in range(count))
    before: list[tuple[str, str]] = []
    for number, published_at in enumerate(times):
        source, language, _, publishers = rng.choices(SOURCES, [one[2] for one in SOURCES])[0]
        script = language[:2]
        title = f"{rng.choice(_SUBJECTS[script])}{'' if script == 'zh' else ' '}{rng.choice(_VERBS[script])}"
        title, text = f"{title} ({number})", f"{title}。{_words(rng, text_length)}"
        if before and rng.random() < 0.05:
            title, text = rng.choice(before[-50:])
        before.append((title, text))
        yield ArticleRow(
            article_id=f"{source}:{number}",
            source=source,
            source_article_id=str(number),
            url=f"https://{source.replace('_', '-')}.example/{number}",
            canonical_url=f"https://{source.replace('_', '-')}.example/{number}",
            title=title,
            authors=() if source == "finews" else (f"{script} 记者",),
            publisher=rng.choice(publishers),
            published_at=published_at,
            published_on=published_at.date(),
            published_precision="second",
            published_timezone="UTC",
            language=language,
            lead_image=None if rng.random() < 0.4 else "https://example.org/lead.jpg",
            tags=(script,) if rng.random() < 0.7 else (),
            body_html="",
            text=text,
            completeness="full" if rng.random() < 0.97 else "teaser",
            content_hash="c1:" + sha256(text.encode()).hexdigest(),
            parser="feed",
            parser_version="1",
            channel="feed",
            fetched_at=published_at + timedelta(minutes=rng.lognormvariate(3, 1.2)),
        )


def _words(rng: random.Random, length: int) -> str:
    """Characters that no other text has in this order."""
    return "".join(map(chr, rng.choices(range(0x4E00, 0x5E00), k=length)))


def _time(rng: random.Random) -> datetime:
    """A time in the past months: fewer at weekends and at night."""
    while True:
        at = END - timedelta(days=rng.random() * DAYS)
        if rng.random() < (0.35 if at.weekday() > 4 else 1) * (0.2 if at.hour < 6 else 1):
            return at
