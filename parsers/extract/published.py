"""Extract the times of publication and of the last change.

Publication comes from declarations, time elements, lines and the URL. What a page marks as
the time of a change (``dateModified``, "Updated:") is never a publication time. A time
without a zone, for a source that declares none, gives way to one that names its zone.

A page that declares its time in UTC may print the day before or after. That is the day of
publication where it was published.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from lxml import etree

from parsers.extract.blocks import Box, Layout
from parsers.extract.structured import Structured, texts
from parsers.extract.tree import text_of
from parsers.extract.weights import stretch_of
from parsers.model import Moment
from parsers.text.dates import CHANGE, find_time_text, parse_time, unknown_time

_PUBLISHED = (
    "article:published_time", "datepublished", "og:published_time", "og:article:published_time", "og:time",
    "og:release_date", "parsely-pub-date", "sailthru.date", "pubdate", "publishdate", "publish-date", "publish_date",
    "publication_date", "cxenseparse:recs:publishtime", "dcterms.issued", "dc.date.issued", "dcterms.created",
    "dc.date", "dcterms.date", "apub:time", "dc.created", "originalpublicationdate", "article.published",
    "date", "published", "published-date", "published_date", "published_at", "published_time", "published-time", "publishedat", "w-published-date", "citation_publication_date", "article_date_original", "bt:pubdate", "weibo: article:create_at",
)  # fmt: skip
_MODIFIED = (
    "article:modified_time", "datemodified", "og:updated_time", "og:modified_time", "dcterms.modified",
    "last-modified", "lastmod", "weibo: article:update_at", "article.updated", "dateupdate", "dateupdated",
    "date_modified", "updated", "updated-date", "updated_date", "updated_at", "updated_time", "revised",
)  # fmt: skip
# Class names of a time on blogs: "entry-date published", "created".
_PUBLISHED_MARK = re.compile(r"publi|pubdate|entry-date|created", re.I)
# Drupal names the box of a changed time "field--name-changed". Blogs name the only time of a
# page "updated", because a microformat asks for it.
_CHANGED = re.compile(r"modif|revis|last[-_]?edit|name-changed", re.I)
_MODIFIED_MARK = re.compile(rf"updat|{_CHANGED.pattern}", re.I)
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(?:19|20)\d\d(?![\d/])")
# 03/04/2026 and 03-04-2026.
_AMBIGUOUS = re.compile(r"\d\s?[/-]\s?\d{1,2}\s?[/-]\s?\d{4}")
_DAY_FIRST = re.compile(
    r"(?:bg|ca|cs|da|de|el|es|fi|fr|hr|id|it|nb|nl|no|pl|pt|ro|ru|sk|sl|sr|tr|uk|vi)\b"
    r"|en[-_](?:au|gb|ie|in|nz|za)\b",
    re.I,
)
"""Languages that write 03/04/2026 with the day first. Templates declare ``en-US`` by default."""
# Addresses of blogs and portals: /2024/05/02/, /20240502/, /t20240502_1.html.
_IN_URL = re.compile(
    r"/((?:19|20)\d\d)[-/_]?([01]\d)[-/_]?([0-3]\d)(?=[/_-]|\.|$|t)|/((?:19|20)\d\d)/(\d{1,2})/(\d{1,2})/|/t?((?:19|20)\d\d)([01]\d)([0-3]\d)_"
)
# A label such as "Last updated on" in a box of its own.
_MAX_LABEL = 30
# Blogs print the date alone as the last line.
_JUST_BEHIND = 3
# A line with author, source, place and date; behind the text also a label.
_MAX_LINE, _MAX_LINE_BEHIND = 160, 120
# News sites print a byline, buttons and a caption between headline and text.
_MAX_LINES_BEFORE = 30
# Rows of keywords and buttons stand before the date at the end of Chinese and German pages.
_MAX_LINES_BEHIND = 16
# Lists of other articles mark their times, too.
_MAX_MARKED, _MAX_TIMES = 3, 40
_OPENING_SENTENCES = 3
_DATE_SHARE = 2 / 3
# A day and a time of it may differ by the offset of any zone (UTC-12 to UTC+14).
_OFFSETS = (timedelta(hours=-12), timedelta(hours=14))
_SAME_DAY = timedelta(days=1) + _OFFSETS[1]
# JSON-LD and the time element of one page differ by the seconds of saving it.
_SAME_TIME = timedelta(minutes=1)
# Labels of a line behind the text, on blogs, German sites and Chinese portals.
_LABEL = re.compile(
    r"publi|post(?:ed)?\b|written|gespeichert|veröffentlicht|erstellt|\bstand\b|verfasst|geschrieben|publicado|опубликован"
    r"|dodano|utworzono|发布|發布|发表|發佈|时间|時間|日期|作者|来源|來源|编辑",
    re.I,
)
_PUBLICATION = re.compile(
    r"publi(?:sh|é|c?ad[oa])|posted|veröffentlicht|erstellt|verfasst|опубликован|发布|發布|发表|發佈|发稿",
    re.I,
)
"""A label of the time of publication; no part of it is in a label of a change."""
# Chinese platforms print 发布时间：10-08 12:00 without a year, and declare the minute as a change.
_LABELLED_MINUTE = re.compile(
    r"(?:发布|發布|发表|發表)(?:时间|時間)?\s*[:：]?\s*(?:\d\d-)?(\d\d-\d\d)\s*(\d\d:\d\d)(?!\d)"
)


def published(
    root: etree._Element,
    declared: Structured,
    page: Layout,
    box: Box | None,
    url: str,
    zone: ZoneInfo | None,
) -> Moment:
    """Return the time of publication: the first candidate with a time of day, else a day.

    Args:
        root: The page.
        declared: Its declarations.
        page: Its blocks.
        box: The box of its body.
        url: Its URL, whose path may contain the day.
        zone: The declared time zone of the source, or ``None``.
    """
    best: Moment | None = None
    first_raw = ""
    times = _times(root)
    for raw, how in _candidates(times, declared, page, box, url):
        day_first = _is_day_first(root, page) if _AMBIGUOUS.search(raw) else None
        moment = moment_of(raw, zone, how, day_first)
        first_raw = first_raw or raw
        if moment.at is None:
            continue
        if best is None:
            best = moment
        elif not _is_near(best, moment):
            continue
        if moment.precision != "day" and moment.timezone_source != "none":
            return moment if zone else _on_printed_day(moment, times)
        if best.precision == "day" and moment.precision != "day":
            best = moment
    return best or unknown_time(
        first_raw, "no readable date in declarations, time elements, lines or address"
    )


def _on_printed_day(moment: Moment, times: list[etree._Element]) -> Moment:
    """Return a time in UTC on the day that a time element prints for it."""
    if moment.at is None or moment.timezone != "UTC":
        return moment
    for node in times:
        same = parse_time(node.get("datetime") or "", None, "css:time")
        if same.timezone != "UTC" or same.at is None or abs(same.at - moment.at) > _SAME_TIME:
            continue
        day = parse_time(find_time_text(text_of(node)), None, "css:time").on
        earliest, latest = (moment.at + offset for offset in _OFFSETS)
        if day and day != moment.on and earliest.date() <= day <= latest.date():
            how = f"{moment.provenance}; the page prints {day}"
            return replace(moment, on=day, timezone=None, provenance=how)
    return moment


def updated(
    root: etree._Element,
    declared: Structured,
    page: Layout,
    box: Box | None,
    zone: ZoneInfo | None,
) -> Moment | None:
    """Return the time of the last change that the page declares, marks or prints."""
    for raw, how in _changes(root, declared, page, box):
        day_first = _is_day_first(root, page) if _AMBIGUOUS.search(raw) else None
        moment = parse_time(raw, zone, how, day_first=day_first)
        if moment.at is None and (found := find_time_text(raw)):
            moment = replace(parse_time(found, zone, how, day_first=day_first), raw=raw)
        if moment.at is not None:
            return moment
    return None


def _changes(
    root: etree._Element, declared: Structured, page: Layout, box: Box | None
) -> Iterator[tuple[str, str]]:
    for raw, how in (declared.text("dateModified"), declared.meta(*_MODIFIED)):
        if raw:
            yield raw, how
    for node in _of_property(page, "dateModified"):
        yield _time_of(node), "css:[itemprop=dateModified]"
    marked = [
        node
        for node in root.iter("time")
        if _MODIFIED_MARK.search(_names_of(node)) or CHANGE.search(_label_of(node))
    ]
    for node in marked:
        if len(marked) == 1 or _is_beside(node, box):
            yield _time_of(node), "css:time, marked as a change"
    for line in _lines(page, box):
        if found := CHANGE.search(line):
            yield line[found.end() :].strip(" :：|-–—"), "a line that names a change"


def _of_property(page: Layout, name: str) -> list[etree._Element]:
    return [node for node in page.marked if node.get("itemprop") == name][:_MAX_MARKED]


def _times(root: etree._Element) -> list[etree._Element]:
    found = (
        node
        for node in root.iter("time", "abbr")
        if node.get("datetime") or node.get("title") or node.tag == "time"
    )
    return list(itertools.islice(found, _MAX_TIMES))


def _names_of(node: etree._Element) -> str:
    """Return the names of an element, and of the one that holds nothing else."""
    around = node.getparent()
    nodes = (node, around) if around is not None and len(around) == 1 else (node,)
    return " ".join(each.get(name) or "" for each in nodes for name in ("itemprop", "class"))


def _label_of(node: etree._Element) -> str:
    """Return the text before an element, or before the element that it begins."""
    for each in itertools.islice((node, *node.iterancestors()), 2):
        before, parent = each.getprevious(), each.getparent()
        text = parent.text if before is None and parent is not None else ""
        if before is not None:
            text = (before.tail or "").strip() or text_of(before)
        if text and text.strip():
            return text.strip()[-_MAX_LABEL:]
    return ""


def _time_of(node: etree._Element) -> str:
    return node.get("content") or node.get("datetime") or text_of(node)


def moment_of(raw: str, zone: ZoneInfo | None, how: str, day_first: bool | None = None) -> Moment:
    """Return the time in a text, also among other words; a change is no publication."""
    moment = parse_time(raw, zone, how, day_first=day_first)
    if moment.at is None and (found := _in_line(raw)) and found != raw:
        return replace(parse_time(found, zone, how, day_first=day_first), raw=raw)
    return moment


def _is_day_first(root: etree._Element, page: Layout) -> bool | None:
    """Return how the page writes dates with slashes: by its other dates, else its language."""
    dates = [found for block in page.blocks for found in _SLASHED.findall(block.text)]
    is_day_first = any(int(one) > 12 for one, _ in dates)
    is_month_first = any(int(two) > 12 for _, two in dates)
    if is_day_first != is_month_first:
        return is_day_first
    html = root if root.tag == "html" else root.find(".//html")
    language = (html.get("lang") or html.get("xml:lang") or "") if html is not None else ""
    return True if _DAY_FIRST.match(language) else None


def _is_near(day: Moment, moment: Moment) -> bool:
    if day.at is None or moment.at is None:
        return False
    return abs(moment.at - day.at) <= _SAME_DAY


def _candidates(
    times: list[etree._Element], declared: Structured, page: Layout, box: Box | None, url: str
) -> Iterator[tuple[str, str]]:
    for key in ("datePublished", "dateCreated", "uploadDate"):
        raw, how = declared.text(key)
        if raw:
            yield raw, how
    for name in _PUBLISHED:
        raw, how = declared.meta(name)
        if raw:
            yield raw, how
    for raw, how in (declared.text("dateModified"), declared.meta(*_MODIFIED)):
        if raw and any(_repeats_minute(line, raw) for line in _lines(page, box)):
            yield raw, f"{how}, which a line repeats as the publication"
    if not declared.article:
        # Plugins of blogs describe a page without an article by its WebPage.
        for raw in texts(declared.web_page.get("datePublished")):
            yield raw, "json-ld:WebPage datePublished"
    changes: set[etree._Element] = set()
    for node in times:
        names = _names_of(node)
        if "dateModified" in names and "datePublished" not in names:
            changes.add(node)
        elif node.get("pubdate") is not None or _PUBLISHED_MARK.search(names):
            yield _time_of(node), "css:time, marked as published"
        elif _MODIFIED_MARK.search(names) or CHANGE.search(_label_of(node)):
            changes.add(node)
    for node in _of_property(page, "datePublished"):
        if node.tag != "time":
            yield _time_of(node), "css:[itemprop=datePublished]"
    for line in _lines(page, box):
        if day := _in_line(line):
            yield day, "a line beside the headline"
    for node in times:
        if (
            node.tag == "time"
            and node not in changes
            and (len(times) == 1 or _is_beside(node, box))
        ):
            yield _time_of(node), "css:time"
    if found_url := _IN_URL.search(url):
        parts = [part for part in found_url.groups() if part]
        yield "-".join(parts), "the address"


def _repeats_minute(line: str, raw: str) -> bool:
    found = _LABELLED_MINUTE.search(line)
    return found is not None and found[1] in raw and found[2] in raw


def _is_beside(node: etree._Element, box: Box | None) -> bool:
    """Return whether an unmarked time is near the text; others belong to other articles."""
    around = box.node if box is not None else None
    for _ in range(2):
        if (
            around is not None
            and (parent := around.getparent()) is not None
            and parent.tag != "body"
        ):
            around = parent
    for ancestor in node.iterancestors():
        if ancestor is around:
            return True
        if ancestor.tag in ("aside", "nav"):
            return False
    return False


def _lines(page: Layout, box: Box | None) -> Iterator[str]:
    """Yield the lines near the text that may have a date, the likely ones first."""
    if box is None:
        return
    start, end = stretch_of(page, box)
    first = max(0, start - _MAX_LINES_BEFORE)
    headings = [i for i in range(first, start) if page.blocks[i].box.tag == "h1"]
    headline = headings[-1] if headings else start
    # Lines before the headline belong to the menu or to other articles, the more the farther.
    for i in (
        *range(headline, start),
        *reversed(range(first, headline)),
        *range(start, _opening_end(page, start, end)),
    ):
        if page.blocks[i].size < _MAX_LINE:
            yield _with_label(page, i)
    for i in range(
        max(start, end - _MAX_LINES_BEHIND), min(end + _MAX_LINES_BEHIND, len(page.blocks))
    ):
        # After the text, other articles have dates too.
        line = _with_label(page, i)
        if len(line) < _MAX_LINE_BEHIND and (
            _LABEL.search(line)
            or CHANGE.search(line)
            or (i < end + _JUST_BEHIND and _is_date(line))
        ):
            yield line


def _is_date(line: str) -> bool:
    """Return whether a line is a date, and a weekday or a place at most."""
    return len(line) <= _MAX_LABEL and len(find_time_text(line)) >= len(line) * _DATE_SHARE > 0


def _opening_end(page: Layout, start: int, end: int) -> int:
    """Return the place after the first blocks of sentences."""
    sentences = [i for i in range(start, end) if page.blocks[i].weight > 0]
    opening = sentences[:_OPENING_SENTENCES]
    return opening[-1] + 1 if len(opening) == _OPENING_SENTENCES else end


def _with_label(page: Layout, place: int) -> str:
    """Return a line with the label of a change: in a box before it, or a class name around it."""
    line = page.blocks[place].text
    for node, _ in page.blocks[place].runs:
        if node.tag == "time" and _CHANGED.search(_names_of(node)):
            return f"updated {line}"
    label = page.blocks[place - 1].text if place else ""
    if len(label) > _MAX_LABEL or any(map(str.isdigit, label)) or not CHANGE.search(label):
        return line
    return f"{label} {line}"


def _in_line(line: str) -> str:
    """Return the first date in a line: none behind the label of a change, unless published."""
    change = CHANGE.search(line)
    if change is None:
        return find_time_text(line)
    label = _PUBLICATION.search(line, change.end())
    return find_time_text(line[: change.start()]) or (
        find_time_text(line[label.end() :]) if label else ""
    )
