"""Eastmoney's article pages, current and older shape, with the noise of the real pages."""

from __future__ import annotations

from html import escape

from tests.site import finews
from tests.site.answers import Answer, page
from tests.site.editions import opened
from tests.site.stories import Story


def article(edition: int, story_id: str) -> Answer | None:
    """``/a/<18 digits>.html``, in the story's own shape."""
    story = opened("finews", story_id, edition)
    return None if story is None else _answer(story, story.shape)


def old_address(edition: int, _column: str, story_id: str) -> Answer | None:
    """``/news/<column>,<18 digits>.html``, always in the older shape."""
    story = opened("finews", story_id, edition)
    return None if story is None else _answer(story, "older")


def _answer(story: Story, shape: str) -> Answer:
    fields = {
        "id": story.id,
        "title": escape(story.title),
        "time": story.at.strftime("%Y年%m月%d日 %H:%M"),
        "medium": escape(story.medium),
        "digest": escape((story.paragraphs() or (story.title,))[0]),
        "body": finews.body(story),
        "original_title": _original_title(story),
    }
    return Answer(body=page(f"eastmoney_{shape}", fields).encode())


def _original_title(story: Story) -> str:
    if not story.original_title:
        return ""
    return f'<div class="sublab">原标题：{escape(story.original_title)}</div>'
