"""Feeds as an RSSHub instance makes them: ``/woshipm/latest`` and ``/ofweek/news``.

RSSHub cuts titles and rewrites the markup of every item. Item links are the publishers' real
addresses: RSSHub never rewrites them, and nothing needs to fetch them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from tests.site import ofweek, woshipm
from tests.site.answers import BASE, Answer, page, without_referrer
from tests.site.editions import listed
from tests.site.stories import Story

CONTENT_TYPE = "application/xml; charset=utf-8"
INVALID_DATE = "Invalid Date"
NO_DATE = "-"
TITLE_WIDTH = 150


def woshipm_latest(edition: int) -> Answer:
    """``/woshipm/latest``: the stream's stories with the whole article."""
    found = listed("woshipm", "latest", edition)
    fields = {
        "path": "/woshipm/latest",
        "title": "最新文章 - 人人都是产品经理",
        "link": "https://www.woshipm.com/",
    }
    return _feed(fields, found, _woshipm_item)


def ofweek_news(edition: int) -> Answer:
    """``/ofweek/news``: the list's stories with the first page of each article."""
    found = listed("ofweek", "news", edition)[: ofweek.LIST_LENGTH]
    link = "https://www.ofweek.com/CATList-8100-CHANGYIEXINWE.html"
    fields = {"path": "/ofweek/news", "title": "高科技行业门户", "link": link}
    return _feed(fields, found, _ofweek_item)


def cut_title(title: str) -> str:
    """A title on one line, cut where it becomes wider than RSSHub allows (CJK counts 2)."""
    one_line = " ".join(title.split())
    width = 0
    for position, letter in enumerate(one_line):
        width += 2 if ord(letter) > 0xFF else 1
        if width > TITLE_WIDTH:
            return one_line[:position] + "..."
    return one_line


def utc_string(moment: datetime) -> str:
    """A moment as JavaScript's ``toUTCString`` prints it."""
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def _feed(fields: dict[str, str], found: tuple[Story, ...], item: Callable[[Story], str]) -> Answer:
    built = utc_string(found[0].at)
    items = "".join(item(story) for story in found)
    own = {"self": BASE + fields["path"], "built": built, "items": items}
    return Answer(body=page("rsshub", fields | own).encode(), content_type=CONTENT_TYPE)


def _woshipm_item(story: Story) -> str:
    # A calendar day in China, which RSSHub's server takes for midnight GMT.
    midnight = datetime(story.at.year, story.at.month, story.at.day, tzinfo=UTC)
    return _item(
        story,
        description=woshipm.feed_body(story),
        date=utc_string(midnight),
        guid=story.id,
        link=woshipm.real_address(story),
        author=story.author,
    )


def _ofweek_item(story: Story) -> str:
    link = ofweek.real_address(story)
    return _item(
        story,
        description=ofweek.bodies(story)[0],
        date=utc_string(story.at),
        guid=link,
        link=link,
        author=story.medium,
    )


def _item(story: Story, *, description: str, date: str, guid: str, link: str, author: str) -> str:
    shown = story.feed_date or (INVALID_DATE if story.undated else date)
    fields = {
        "title": cut_title(story.title),
        "description": _as_rsshub(description, link) or cut_title(story.title),
        "date": "" if shown == NO_DATE else f"            <pubDate>{shown}</pubDate>\n",
        "guid": escape(guid),
        "link": escape(link),
        "author": f"            <author><![CDATA[{author}]]></author>\n" if author else "",
    }
    return page("rsshub_item", fields)


def _as_rsshub(html: str, link: str) -> str:
    """Absolute links, and RSSHub's attribute on images; a seed's markup has both already."""
    if "referrerpolicy" in html:
        return html
    root = "/".join(link.split("/")[:3])
    return without_referrer(html.replace('href="/', f'href="{root}/'))
