"""Editions: which stories a channel lists, and which can be opened, at a point in time.

Edition 1 lists every story it has. A later edition puts its new stories on top of each
list and keeps the list's length, so the oldest fall off the end; their pages stay. The
first three are written by hand, the others generated (``generated``).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from tests.site import generated
from tests.site.stories import LAST_EDITION, Story, stories

CHANNELS = {
    "finews": ("emnews", "media", "market-37", "market-38", "market-39"),
    "woshipm": ("latest",),
    "ofweek": ("news",),
}


def check_edition(edition: int, last: int = LAST_EDITION) -> int:
    """``edition`` itself.

    Raises:
        ValueError: There is no such edition.
    """
    if not 1 <= edition <= last:
        raise ValueError(f"expected an edition from 1 to {last}, found {edition}")
    return edition


@cache
def written(publication: str, edition: int) -> tuple[Story, ...]:
    """Every story there is up to an edition, newest first, with all its changes so far."""
    if edition <= LAST_EDITION:
        return stories(publication)
    for number in range(LAST_EDITION, edition - 1):
        written(publication, number)  # one after the other: no deep recursion
    before = written(publication, edition - 1)
    lengths = {channel: _length(publication, channel) for channel in CHANNELS[publication]}
    new = generated.added(publication, lengths, stories(publication)[0], edition)
    every = sorted([*before, *new], key=lambda story: (story.at, story.id), reverse=True)
    shown = {
        story.id: story
        for channel in CHANNELS[publication]
        for story in every_listed(every, channel, lengths[channel])
        if story.edition < edition
    }
    return tuple(generated.changed(every, list(shown.values()), edition))


def every_listed(every: Iterable[Story], channel: str, length: int) -> list[Story]:
    """The newest stories of a list."""
    return [story for story in every if channel in story.lists][:length]


@cache
def _length(publication: str, channel: str) -> int:
    return sum(channel in one.lists and one.edition == 1 for one in stories(publication))


@cache
def listed(publication: str, channel: str, edition: int) -> tuple[Story, ...]:
    """The stories a channel lists in an edition, newest first."""
    present = [story for story in written(publication, edition) if story.edition <= edition]
    found = every_listed(present, channel, _length(publication, channel))
    return tuple(story.of_edition(edition) for story in found)


@cache
def opened(publication: str, story_id: str, edition: int) -> Story | None:
    """The story with this id, if the edition has it."""
    for story in written(publication, edition):
        if story.id == story_id and story_id and story.edition <= edition:
            return story.of_edition(edition)
    return None
