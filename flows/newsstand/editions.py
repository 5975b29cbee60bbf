"""Editions: which stories a channel lists, and which can be opened, at a point in time.

Edition 1 lists every story it has. A later edition puts its new stories on top of each
list and keeps the list's length, so the oldest fall off the end; their pages stay.
"""

from __future__ import annotations

from functools import cache

from flows.newsstand.stories import LAST_EDITION, Story, stories

CHANNELS = {
    "finews": ("emnews", "media", "market-37", "market-38", "market-39"),
    "woshipm": ("latest",),
    "ofweek": ("news",),
}


def check_edition(edition: int) -> int:
    """``edition`` itself.

    Raises:
        ValueError: There is no such edition.
    """
    if not 1 <= edition <= LAST_EDITION:
        raise ValueError(f"expected an edition from 1 to {LAST_EDITION}, found {edition}")
    return edition


@cache
def listed(publication: str, channel: str, edition: int) -> tuple[Story, ...]:
    """The stories a channel lists in an edition, newest first."""
    every = [story for story in stories(publication) if channel in story.lists]
    length = sum(story.edition == 1 for story in every)
    present = [story for story in every if story.edition <= edition]
    return tuple(story.of_edition(edition) for story in present[:length])


@cache
def opened(publication: str, story_id: str, edition: int) -> Story | None:
    """The story with this id, if the edition has it."""
    for story in stories(publication):
        if story.id == story_id and story_id and story.edition <= edition:
            return story.of_edition(edition)
    return None
