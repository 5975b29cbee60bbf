"""Pages with one article, in Chinese and in English, for the tests of bodies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.model import Article, Page

URL = "https://gazette.example/2024/05/ferry"
IMAGE = '<img src="/one.jpg">'
IMAGE_URL = "https://gazette.example/one.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleText:
    """The parts of one article in one language."""

    title: str
    sentences: tuple[str, str, str, str]
    short: str
    heading: str
    items: tuple[str, str]
    intro: str
    caption: str
    cell: str

    @property
    def first(self) -> str:
        return _paragraphs(*self.sentences[:2])

    @property
    def last(self) -> str:
        return _paragraphs(*self.sentences[2:])


def _paragraphs(*lines: str) -> str:
    return "".join(f"<p>{line}</p>\n" for line in lines)


ENGLISH = SampleText(
    title="Ferry returns after nine weeks",
    sentences=(
        "The ferry came back to the harbour on Thursday, a year after the storm had torn it away.",
        "Repairs took longer than planned, the harbour office said, and cost more than expected.",
        "The first crossing leaves at six, and the timetable of last summer returns with two boats.",
        "Fishermen complained that the timetable leaves out the early boat, and nobody answered.",
    ),
    short="It rained.",
    heading="What happened",
    items=("Adults pay four crowns", "Students pay two"),
    intro="The fares are as follows:",
    caption="The ferry in the dock",
    cell="berth",
)
CHINESE = SampleText(
    title="停航九周的渡轮恢复运行",
    sentences=(
        "渡口管理处周四宣布，停航三周的港口航线从今天早上起恢复运行，首班船载着四十名乘客。",
        "管理处说，新的发动机每天少用三吨柴油，秋天以前还有两条船会换上同样的机器。",
        "码头上的商店也重新开门，店主们希望周末能迎来更多的客人，票价不变。",
        "渔民抱怨说，新的时刻表里没有他们需要的早班船，管理处答应再考虑一次。",
    ),
    short="下雨了。",
    heading="事情经过",
    items=("成人票四元", "学生票两元"),
    intro="票价如下：",
    caption="停在船坞里的渡轮",
    cell="泊位",
)
LANGUAGES = pytest.mark.parametrize("sample", [ENGLISH, CHINESE], ids=["english", "chinese"])


def read(body: str, sample: SampleText) -> Article:
    return parse(
        f"<html><head><title>{sample.title}</title></head><body><nav><a href='/'>Home</a></nav>"
        f"<main><h1>{sample.title}</h1>{body}</main><footer><p>© Gazette</p></footer></body></html>"
    )


def parse(html: str) -> Article:
    source = registry.make_source("generic", "generic", {})
    fetched = datetime(2024, 6, 1, tzinfo=UTC)
    return registry.parse(source, Page(url=URL, text=html, fetched_at=fetched))


def lines(article: Article) -> list[str]:
    return [line.strip() for line in article.text.splitlines() if line.strip()]
