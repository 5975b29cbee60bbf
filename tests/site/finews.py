"""The finews interfaces: three listings in three spellings, and the text of one article.

Grain: one record per story and list, with the keys of the real API.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tests.site.answers import Answer, json_answer, number, page, paragraphs
from tests.site.editions import listed, opened
from tests.site.stories import Story

MARKETS = ("37", "38", "39")
NO_CREDIT = "-"


def webapi(edition: int, query: Mapping[str, str]) -> Answer | None:
    """``/web/webapi?type=102|45&count=N``: the rolling news or the media's articles."""
    count = number(query.get("count", ""), 20)
    if query.get("type") == "102":
        rolling = listed("finews", "emnews", edition)
        return json_answer({"records": [_rolling(story) for story in rolling[:count]]})
    if query.get("type") == "45":
        media = listed("finews", "media", edition)
        return json_answer({"nodeList": [_of_media(story) for story in media[:count]]})
    return None


def market(edition: int, query: Mapping[str, str]) -> Answer | None:
    """``/newmarket/web/webapi?marketType=37|38|39&count=N``: one market's articles."""
    if (kind := query.get("marketType", "")) not in MARKETS:
        return None
    found = listed("finews", f"market-{kind}", edition)
    count = number(query.get("count", ""), 20)
    return json_answer({"record": [_of_market(story) for story in found[:count]]})


def news_text(edition: int, query: Mapping[str, str]) -> Answer | None:
    """``/NewsData/GetNewsText.do?id=NW...``: the body of one article, twice."""
    story = opened("finews", query.get("id", "").removeprefix("NW"), edition)
    if story is None:
        return None
    html = body(story)
    return json_answer({"text": html, "content": html})


def share_page(_edition: int, _query: Mapping[str, str]) -> Answer:
    """``/html_News/NewsShare.html?infoCode=NW...``: the same shell for every article."""
    return Answer(body=page("newsshare", {}).encode(), content_type="text/html")


def body(story: Story) -> str:
    """The publisher's markup: noise, paragraphs, credit."""
    noise = "".join(page(name, {"code": story.id[-6:]}) for name in story.around)
    if story.html:
        return noise + story.html + _credit(story)
    return noise + paragraphs(story.paragraphs(), "<p>\u3000\u3000", "\n ") + _credit(story)


def _credit(story: Story) -> str:
    """The credit line; a seed's markup already ends with it."""
    if story.credit == NO_CREDIT or 'class="em_media"' in story.html:
        return ""
    if not (story.html or story.text):
        return ""
    if story.credit:
        return story.credit
    return f'<p class="em_media">（文章来源：{escape(story.medium)}）</p>' if story.medium else ""


def _rolling(story: Story) -> dict[str, str]:
    return {
        "id": story.id,
        "infoCode": _info_code(story),
        "title": story.title,
        "digest": story.digest or _digest(story),
        "url_w": f"http://finance.eastmoney.com/news/1344,{story.id}.html",
        "showtime": _showtime(story),
        **story.listed,
    }


def _of_media(story: Story) -> dict[str, str]:
    return {
        "infocode": _info_code(story),
        "title": story.title,
        "from": story.medium,
        "showtime": _showtime(story),
        "simtitle": story.title,
        "simdigest": story.digest or _digest(story),
        **story.listed,
    }


def _of_market(story: Story) -> dict[str, str]:
    return {
        "infoCode": _info_code(story),
        "title": story.title,
        "medianame": story.medium,
        "datetime": _showtime(story),
        **story.listed,
    }


def _info_code(story: Story) -> str:
    return f"NW{story.id}" if story.id else ""


def _showtime(story: Story) -> str:
    return story.at.strftime("%Y-%m-%d %H:%M:%S")


def _digest(story: Story) -> str:
    first = next(iter(story.paragraphs()), story.title)
    return f"【{story.title}】{first}（{story.medium}）"
