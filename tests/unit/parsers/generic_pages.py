"""Pages that the tests of the generic parser write, and the articles that are read from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from parsers import registry
from parsers.model import Article, Page

URL = "https://gazette.example/2024/05/ferry"
SENTENCES = (
    "The ferry came back to the harbour on Thursday, a year after the storm.",
    "Repairs took longer than planned, the harbour office said, and cost more.",
    "The first crossing leaves at six, and the timetable of last summer returns.",
)
TEXT = "\n\n".join(SENTENCES)
PARAGRAPHS = "".join(f"<p>{text}</p>\n" for text in SENTENCES)
CHINESE = "".join(
    f"<p>{text}</p>"
    for text in (
        "渡口管理处周四宣布，停航三周的港口航线从今天早上起恢复运行，首班船载着四十名乘客。",
        "管理处说，新的发动机每天少用三吨柴油，秋天以前还有两条船会换上同样的机器。",
        "码头上的商店也重新开门，店主们希望周末能迎来更多的客人，票价不变。",
    )
)


def read(html: str, url: str = URL, **options: str) -> Article:
    source = registry.make_source("generic", "generic", options)
    return registry.parse(
        source, Page(url=url, text=html, fetched_at=datetime(2024, 6, 1, tzinfo=UTC))
    )


def page(head: str = "", before: str = "", body: str = PARAGRAPHS, after: str = "") -> str:
    return (
        f"<html><head><title>Ferry returns - Gazette</title>{head}</head><body>"
        f"<h1>Ferry returns</h1>{before}<div>{body}</div>{after}</body></html>"
    )


def ld(**fields: object) -> str:
    node = {"@type": "NewsArticle", "headline": "Ferry returns", **fields}
    return f'<script type="application/ld+json">{json.dumps(node)}</script>'
