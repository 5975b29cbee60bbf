"""An archive of generated pages with a warehouse that has fetched and parsed none of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from requests.structures import CaseInsensitiveDict

from flows import settings as configuration
from flows.archive import ArchiveWriter
from flows.fetch.body import Body, Framing
from flows.fetch.client import HttpResponse
from flows.fetch.ssrf import parse_target
from flows.pipeline.rows import entry_json
from warehouse import connect
from warehouse.records import fetches, runs
from warehouse.rows import FetchRow

SLUG = "gazette"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PAGE_BYTES = 24_000
ROWS_AT_ONCE = 2_000

CONFIG = """
[sources.gazette]
parser = "sitemap"
url = "https://gazette.example/sitemap.xml"
time_zone = "Asia/Shanghai"
"""

_PLACES = ["临川市", "望江新区", "海棠县", "云杉镇", "青岚港", "北渡口", "南塘", "西岭"]
_MAKERS = ["北辰储能", "远澜重工", "青岚科技", "云杉生物", "示例动力"]
_DEEDS = ["启用", "扩建", "签约", "停产检修", "试运行", "获得批准", "公布年报", "招聘"]
_THINGS = [
    "换电站",
    "冷链物流园",
    "屋顶光伏",
    "绿色工厂",
    "数据中心余热",
    "碳普惠平台",
    "港口岸电",
    "污水厂",
]


def write_project(folder: Path, count: int) -> Path:
    """Write a configuration, an archive of some pages and a warehouse with their fetches."""
    config = folder / "copydesk.toml"
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(CONFIG, encoding="utf-8")
    settings = configuration.load(config, {})
    source = settings.source(SLUG)
    with ArchiveWriter(settings.archive.path) as archive, connect(settings.warehouse.path) as db:
        run_id = runs.new_run_id()
        runs.start_run(
            db, flow="sync", sources=[SLUG], code_version="bench", parsers={}, run_id=run_id
        )
        rows: list[FetchRow] = []
        for number, response in enumerate(responses(count)):
            file, offset = archive.write(response)
            entry = source.parser.entry_of(source, response.target.url)
            rows.append(
                FetchRow(
                    source=SLUG,
                    channel=entry.channel,
                    url=response.target.url,
                    final_url=response.target.url,
                    status=200,
                    bytes=len(response.body.content),
                    fetched_at=response.received_at,
                    archive_file=file,
                    archive_offset=offset,
                    listing_entry=entry_json(entry),
                )
            )
            if len(rows) == ROWS_AT_ONCE or number == count - 1:
                fetches.record(db, rows, run_id=run_id)
                rows.clear()
        runs.finish_run(db, run_id, SLUG, state="completed")
    return config


def responses(count: int) -> Iterator[HttpResponse]:
    """Yield the responses of a site, a minute apart."""
    for number in range(count):
        at = BEGIN + timedelta(minutes=number)
        url = f"https://gazette.example/{at:%Y/%m/%d}/story-{number}.html"
        data = page(number, at).encode()
        fields = (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(data))))
        yield HttpResponse(
            kind="page",
            target=parse_target(url),
            status=200,
            reason="OK",
            fields=fields,
            headers=CaseInsensitiveDict(fields),
            body=Body(
                wire=data,
                content=data,
                framing=Framing(kind="length", length=len(data), codings=()),
            ),
            location="",
            request_fields=(),
            received_at=at + timedelta(seconds=7),
        )


def page(number: int, at: datetime) -> str:
    """One article page of about ``PAGE_BYTES``: text, links around it, scripts."""
    chance = Random(number)  # noqa: S311 - the same on every machine
    title = f"{chance.choice(_PLACES)}{chance.choice(_DEEDS)}{chance.choice(_THINGS)}（{number}）"
    text = "".join(f"<p>{_paragraph(chance)}</p>\n" for _ in range(14))
    links = "".join(
        f'<li><a href="/2025/12/{one % 28 + 1:02d}/story-{chance.randrange(10**6)}.html">'
        f"{chance.choice(_PLACES)}{chance.choice(_THINGS)}{chance.choice(_DEEDS)}</a></li>\n"
        for one in range(60)
    )
    html = f"""<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>{title} - 示例日报</title>
<meta property="og:title" content="{title}"><meta property="og:type" content="article">
<meta property="article:published_time" content="{at.isoformat()}"></head><body>
<nav><ul>{links[: len(links) // 2]}</ul></nav>
<article><h1>{title}</h1><time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M}</time>
{text}</article><aside><ul>{links[len(links) // 2 :]}</ul></aside>
"""
    filler = "var state = " + repr([chance.random() for _ in range(700)]) + ";"
    rest = PAGE_BYTES - len(html.encode()) - 60
    return f"{html}<script>{filler[: max(rest, 0)]}</script></body></html>"


def _paragraph(chance: Random) -> str:
    return "".join(
        f"{chance.choice(_MAKERS)}表示，{chance.choice(_PLACES)}的{chance.choice(_THINGS)}已于"
        f"{chance.randrange(1, 13)}月{chance.choice(_DEEDS)}，总投资{chance.randrange(2, 900)}万元。"
        for _ in range(4)
    )
