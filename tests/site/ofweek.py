"""OFweek (高科技行业门户): GBK list and article pages, some articles over several pages.

A slug such as ``ecep/2021-05/ART-93000-8420`` is the real site's sub-domain and path;
the test site serves the path, the page names the real address as canonical. Bodies
mark the start of a following page with ``<!--page-->``.
"""

from __future__ import annotations

from html import escape

from tests.site.answers import Answer, page, paragraphs
from tests.site.editions import listed, opened
from tests.site.stories import Story

LIST_LENGTH = 20
NEW_PAGE = "<!--page-->"


def news_list(edition: int) -> Answer:
    """``/CATList-8100-CHANGYIEXINWE.html``: the newest stories, site-relative links."""
    found = listed("ofweek", "news", edition)[:LIST_LENGTH]
    lines = "\n".join(page("ofweek_line", _line(story)) for story in found)
    html = page("ofweek_list", {"lines": lines})
    return Answer(body=html.encode("gbk"), content_type="text/html; charset=gbk")


def article(edition: int, path: str, story_id: str, number: str = "") -> Answer | None:
    """``/2021-05/ART-93000-8420-<id>.html``; following pages end in ``_2.html``."""
    story = opened("ofweek", story_id, edition)
    at = int(number or "1")
    if story is None or _path(story) != f"/{path}-{story_id}" or number == "1":
        return None
    parts = bodies(story)
    if not 1 <= at <= len(parts):
        return None
    html = page("ofweek_article", _fields(story, parts, at))
    encoding = story.encoding or "gbk"
    content_type = story.content_type or "text/html; charset=gbk"
    return Answer(body=html.encode(encoding), content_type=content_type)


def bodies(story: Story) -> tuple[str, ...]:
    """The publisher's markup, one piece for each page of the story."""
    if story.html:
        return tuple(story.html.split(NEW_PAGE))
    opening = '<p style="text-indent: 2em; text-align: left;">'
    return (paragraphs(story.paragraphs(), opening, ""),)


def real_address(story: Story) -> str:
    """The publisher's own address of a story."""
    return f"https://{story.slug.split('/')[0]}.ofweek.com{_path(story)}.html"


def _path(story: Story) -> str:
    return f"/{story.slug.split('/', 1)[1]}-{story.id}"


def _line(story: Story) -> dict[str, str]:
    return {
        "href": f"{_path(story)}.html",
        "title": escape(story.title),
        "digest": escape((story.paragraphs() or (story.title,))[0][:80]),
        "day": "" if story.undated else story.at.strftime("%Y-%m-%d"),
    }


def _fields(story: Story, parts: tuple[str, ...], at: int) -> dict[str, str]:
    return {
        "title": escape(story.title),
        "canonical": real_address(story),
        "time": "" if story.undated else story.at.strftime("%Y-%m-%d %H:%M"),
        "medium": escape(story.medium),
        "body": parts[at - 1],
        "pages": _pages(story, len(parts), at) if len(parts) > 1 else "",
    }


def _pages(story: Story, last: int, at: int) -> str:
    links = [
        f"<span>{turn}</span>" if turn == at else f'<a href="{_page_path(story, turn)}">{turn}</a>'
        for turn in range(1, last + 1)
    ]
    following = f'<a href="{_page_path(story, at + 1)}">下一页&gt;</a>' if at < last else ""
    return f'<div class="page">{"".join(links)}<span id="nextPage">{following}</span></div>'


def _page_path(story: Story, turn: int) -> str:
    return f"{_path(story)}.html" if turn == 1 else f"{_path(story)}_{turn}.html"
