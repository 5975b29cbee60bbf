"""Editions after the written ones: generated, as many as a test reads.

The same edition is the same on every machine, so that its oracle is known: which stories it
adds to each list, which listed ones it corrects, rewrites or restores to an earlier text
before, which lines no reader can use, and which list it floods. A flood is more new
stories than the list is long: the rest left the list before any request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from tests.site.stories import LAST_EDITION, Change, Story

BETWEEN = timedelta(hours=6)
FLOOD_EACH = 2
BAD_LINE_EACH = 5
CHANGED_EACH = 6

PLACES = ("临川市", "望江新区", "海棠县", "云杉镇", "青岚港")
MAKERS = ("北辰储能", "远澜重工", "青岚科技", "云杉生物", "示例动力")
SUBJECTS = ("换电站", "冷链物流园", "屋顶光伏", "绿色工厂", "数据中心余热", "碳普惠")
MEDIA = ("示例日报", "示例晚报", "示例财经", "示例证券网", "示例环境报")
SLUGS = {"woshipm": "pd", "ofweek": "www/news/2021-06/ART-8420-8110"}
FIRST_NUMBERS = {"woshipm": 6000000, "ofweek": 40000000}


def added(publication: str, lengths: Mapping[str, int], last: Story, edition: int) -> list[Story]:
    """The stories an edition adds.

    Args:
        publication: The publication of the stories.
        lengths: How many stories each list of the publication shows.
        last: The newest of the written stories: all of these are newer.
        edition: After the written ones.
    """
    chance = Random(f"{publication} {edition}")  # noqa: S311  # the same on every machine
    begin = last.at + BETWEEN * (edition - LAST_EDITION)
    made: list[Story] = []
    for channel, length in lengths.items():
        for _ in range(_how_many(publication, channel, length, edition, chance)):
            made.append(_story(publication, channel, edition, len(made), begin, chance))
    if publication == "finews":
        made += _oddities(made, edition, begin)
    return made


def flooded(edition: int) -> tuple[str, str] | None:
    """The list that an edition floods, as publication and channel."""
    turn, rest = divmod(edition, FLOOD_EACH)
    lists = (
        ("finews", "emnews"),
        ("woshipm", "latest"),
        ("finews", "media"),
        ("ofweek", "news"),
        ("finews", "market-37"),
        ("finews", "market-38"),
        ("finews", "market-39"),
    )
    return lists[turn % len(lists)] if rest == 0 else None


def changed(stories: Sequence[Story], shown: Sequence[Story], edition: int) -> list[Story]:
    """The stories, with the changes that an edition makes to some of those it still lists.

    Args:
        stories: All that there are.
        shown: Those listed before and after, as they were before, in any order.
        edition: After the written ones.
    """
    plain = [story for story in shown if _is_plain(story)]
    change_of = {
        story.id: _change(story, edition)
        for story in sorted(plain, key=lambda one: one.id)
        if Random(f"{story.id} {edition}").randrange(CHANGED_EACH) == 0  # noqa: S311
    }
    return [
        replace(story, changes=(*story.changes, change_of[story.id]))
        if story.id in change_of
        else story
        for story in stories
    ]


def _how_many(publication: str, channel: str, length: int, edition: int, chance: Random) -> int:
    if flooded(edition) == (publication, channel):
        return length + 1 + chance.randrange(3)
    return chance.randrange(3)


def _story(
    publication: str, channel: str, edition: int, turn: int, begin: datetime, chance: Random
) -> Story:
    at = begin + timedelta(minutes=2 * turn)
    maker, place, subject = (chance.choice(names) for names in (MAKERS, PLACES, SUBJECTS))
    number, share = chance.randrange(100, 999), chance.randrange(1, 99)
    what = f"{place}{subject}第{edition}批第{turn + 1}项"
    return Story(
        id=_number(publication, edition, turn, at),
        at=at,
        title=f"{what}公布 总投资{number / 10:.1f}亿元",
        text=(
            f"{maker}公告，{what}总投资{number / 10:.1f}亿元，预计年产值{number * 3}万元。\n\n"
            f"项目负责人介绍，其中{share}%用于设备，其余用于厂房。"
        ),
        lists=(channel,),
        edition=edition,
        medium=chance.choice(MEDIA) if publication != "woshipm" else "",
        author="示例作者" if publication == "woshipm" else "",
        slug=SLUGS.get(publication, ""),
    )


def _number(publication: str, edition: int, turn: int, at: datetime) -> str:
    if publication == "finews":
        return f"{at:%Y%m%d}{edition:06d}{turn:04d}"
    return str(FIRST_NUMBERS[publication] + edition * 100 + turn)


def _oddities(made: Sequence[Story], edition: int, begin: datetime) -> list[Story]:
    """A twin under another id, a line without an id, a line that is empty for one edition."""
    odd: list[Story] = []
    at = begin + timedelta(hours=3)
    if edition % 3 == 0 and made:
        other = made[0]
        number = _number("finews", edition, 9001, at)
        odd.append(replace(other, id=number, at=at, lists=("market-39",)))
    if edition % BAD_LINE_EACH == 0:
        title = f"（此条无编号）第{edition}期快讯"
        odd.append(Story(id="", at=at, title=title, lists=("media",), edition=edition))
    if edition % BAD_LINE_EACH == 1:
        number = _number("finews", edition, 9002, at)
        odd.append(
            Story(
                id=number,
                at=at,
                title=f"第{edition}期补录",
                text=f"编辑部补录第{edition}期快讯一则，全文共{edition * 7}字。",
                lists=("emnews",),
                edition=edition,
                medium="示例财经",
                listed={"title": "", "showtime": "", "url_w": ""},
                changes=(Change(edition=edition + 1, listed={}),),
            )
        )
    return odd


def _is_plain(story: Story) -> bool:
    """Whether its text can change without losing the anomaly that it shows."""
    return bool(story.id and story.text and not story.listed and not story.shows)


def _change(story: Story, edition: int) -> Change:
    """A corrected title, a rewritten text, or the first text again."""
    now = story.of_edition(edition)
    chance = Random(f"{story.id} {edition} what")  # noqa: S311
    if (now.title, now.text) != (story.title, story.text) and chance.random() < 1 / 3:
        return Change(edition=edition, title=story.title, text=story.text)
    if chance.random() < 1 / 2:
        return Change(edition=edition, title=f"{story.title}（第{edition}期更正）")
    more = f"更正：第{edition}期起，数据以{chance.randrange(1000, 9999)}为准。"
    return Change(edition=edition, text=f"{story.text.strip()}\n\n{more}")
