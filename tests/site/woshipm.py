"""woshipm (人人都是产品经理): the JSON stream and the article page.

The stream's dates are days. A permalink leads to the test site itself; the page names
the publisher's real address in ``link[rel=canonical]``.
"""

from __future__ import annotations

from html import escape

from tests.site.answers import BASE, Answer, json_answer, page, paragraphs
from tests.site.editions import listed, opened
from tests.site.stories import Story

PAGE_LENGTH = 6


def stream(edition: int, number: str = "1") -> Answer:
    """``/__api/v1/stream-list`` and ``/__api/v1/stream-list/page/N``."""
    start = (int(number) - 1) * PAGE_LENGTH
    found = listed("woshipm", "latest", edition)[max(start, 0) : start + PAGE_LENGTH]
    return json_answer({"success": True, "payload": [_record(story) for story in found]})


def article(edition: int, slug: str, story_id: str) -> Answer | None:
    """``/<type>/<id>.html``."""
    story = opened("woshipm", story_id, edition)
    if story is None or story.slug != slug:
        return None
    fields = {
        "title": escape(story.title),
        "canonical": real_address(story),
        "author": escape(story.author),
        "day": "" if story.undated else story.at.strftime("%Y-%m-%d"),
        "body": body(story),
    }
    return Answer(body=page("woshipm", fields).encode())


def body(story: Story) -> str:
    """The publisher's markup, lazy images and all."""
    html = story.html.replace(' referrerpolicy="no-referrer"', "")
    return html or paragraphs(story.paragraphs())


def feed_body(story: Story) -> str:
    """The markup in ``.article--content``, before RSSHub adds its own attributes."""
    return story.html or paragraphs(story.paragraphs())


def real_address(story: Story) -> str:
    """The publisher's own address of a story."""
    return f"https://www.woshipm.com{_path(story)}"


def _path(story: Story) -> str:
    return f"/{story.slug}/{story.id}.html"


def _record(story: Story) -> dict[str, object]:
    return {
        "id": int(story.id),
        "title": story.title,
        "snipper": (story.paragraphs() or (story.title,))[0][:80],
        "permalink": BASE + _path(story),
        "date": "" if story.undated else story.at.strftime("%Y/%m/%d"),
        "author": {"name": story.author, "link": f"{BASE}/u/{story.id[-5:]}"},
        **story.listed,
    }
