"""Extract the time of publication: declarations, time elements, lines, the URL.

A time without a time zone, for a source that declares none, is known to the day only: the
result is midnight UTC of the printed day with precision ``day`` and timezone_source
``none``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

from lxml import etree

from parsers.extract.blocks import Block, Box, Layout
from parsers.extract.structured import Structured
from parsers.extract.tree import select, text_of
from parsers.model import Moment
from parsers.text.dates import find_time_text, parse_time, unknown_time

_UTC = ZoneInfo("UTC")
_PUBLISHED = (
    "article:published_time", "datepublished", "og:published_time", "og:article:published_time", "og:time",
    "og:release_date", "parsely-pub-date", "sailthru.date", "pubdate", "publishdate", "publish-date", "publish_date",
    "publication_date", "cxenseparse:recs:publishtime", "dcterms.issued", "dc.date.issued", "dcterms.created",
    "dc.date", "dcterms.date", "apub:time", "dc.created", "originalpublicationdate", "article.published",
    "date", "dateupdate", "citation_publication_date", "article_date_original", "bt:pubdate", "weibo: article:create_at",
)  # fmt: skip
_MODIFIED = (
    "article:modified_time", "datemodified", "og:updated_time", "og:modified_time", "dcterms.modified",
    "last-modified", "lastmod", "weibo: article:update_at", "article.updated",
)  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar januari janvier janv enero ene gennaio gen janeiro stycznia января янв ιανουαρίου ιαν jän jänner",
            "feb february februar februari février févr fév febrero febbraio fevereiro fev lutego февраля фев φεβρουαρίου φεβ",
            "mar march märz mars maart marzo março marca марта мар μαρτίου μαρ mär",
            "apr april avril avr abril abr aprile kwietnia апреля апр απριλίου απρ",
            "may mai maj mei mayo maggio mag maio maja мая μαΐου μάιος μαι",
            "jun june juni juin junio giugno giu junho czerwca июня июн ιουνίου ιουν",
            "jul july juli juillet juil julio luglio lug julho lipca июля июл ιουλίου ιουλ",
            "aug august augusti augustus août aout agosto ago sierpnia августа авг αυγούστου αυγ",
            "sep sept september septembre septiembre settembre set setembro września сентября сен σεπτεμβρίου σεπ",
            "oct october oktober okt octobre octubre ottobre ott outubro out października октября окт οκτωβρίου οκτ",
            "nov november novembre noviembre novembro listopada ноября ноя νοεμβρίου νοε",
            "dec december dezember dez décembre déc diciembre dic dicembre dezembro grudnia декабря дек δεκεμβρίου δεκ",
        ),
        start=1,
    )
    for name in names.split()
}
_DAY_MONTH_YEAR = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th|er|º|ª)?\.?\s+(?:de\s+)?([^\W\d_]{3,12})\.?,?\s+(?:de\s+)?((?:19|20)\d\d)\b"
)
_MONTH_DAY_YEAR = re.compile(
    r"\b([^\W\d_]{3,12})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+((?:19|20)\d\d)\b"
)
_DOTTED = re.compile(r"(?<![\d.])(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d\d)(?![\d:])")
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/((?:19|20)\d\d)(?![\d/])")
_SHORT_YEAR = re.compile(r"(?<!\d)(\d{2})-(\d{1,2})-(\d{1,2})(?=\s+\d{1,2}:\d{2})")
_IN_URL = re.compile(
    r"/((?:19|20)\d\d)[-/_]?([01]\d)[-/_]?([0-3]\d)(?=[/_-]|\.|$|t)|/((?:19|20)\d\d)/(\d{1,2})/(\d{1,2})/|/t?((?:19|20)\d\d)([01]\d)([0-3]\d)_"
)
_LABEL = re.compile(
    r"publi|post(?:ed)?\b|written|gespeichert|veröffentlicht|erstellt|\bstand\b|verfasst|geschrieben|publicado|опубликован"
    r"|dodano|utworzono|发布|發布|发表|發佈|时间|時間|日期|作者|来源|來源|编辑",
    re.I,
)
_CLASS = re.compile(r"date|time|publi|posted|fabu|shijian", re.I)


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
    for raw, how in _candidates(root, declared, page, box, url):
        moment = moment_of(raw, zone, how)
        first_raw = first_raw or raw
        if moment.at is None:
            continue
        if moment.precision != "day":
            if best is None or _is_near(best, moment):
                return moment
        elif best is None:
            best = moment
    return best or unknown_time(
        first_raw, "no readable date in declarations, time elements, lines or address"
    )


def updated(declared: Structured, zone: ZoneInfo | None) -> Moment | None:
    """Return the declared time of the last change."""
    raw, how = declared.text("dateModified")
    if not raw:
        raw, how = declared.meta(*_MODIFIED)
    return moment_of(raw, zone, how) if raw else None


def moment_of(raw: str, zone: ZoneInfo | None, how: str) -> Moment:
    """Return the time of a text; the printed day when no time zone is known."""
    moment = parse_time(raw, zone, how)
    if moment.at is None and (form := _normal(raw)) and form != raw:
        moment = replace(parse_time(form, zone, how), raw=raw)
    if moment.at is not None or zone is not None:
        return moment
    day = parse_time(_normal(raw) or raw, _UTC, how)
    if day.at is None or day.timezone_source == "value":
        return moment
    at = day.at.replace(hour=0, minute=0, second=0, microsecond=0)
    why = f"{how}; no zone is declared, so the printed day alone"
    return Moment(at=at, raw=raw, precision="day", timezone_source="none", provenance=why)


def _is_near(day: Moment, moment: Moment) -> bool:
    if day.at is None or moment.at is None:
        return False
    return abs((moment.at - day.at).total_seconds()) <= 38 * 3600


def _candidates(
    root: etree._Element, declared: Structured, page: Layout, box: Box | None, url: str
) -> Iterator[tuple[str, str]]:
    for key in ("datePublished", "dateCreated", "uploadDate"):
        raw, how = declared.text(key)
        if raw:
            yield raw, how
    for name in _PUBLISHED:
        raw, how = declared.meta(name)
        if raw:
            yield raw, how
    times = [
        node
        for node in root.iter("time", "abbr")
        if node.get("datetime") or node.get("title") or node.tag == "time"
    ][:40]
    for node in times:
        mark = (
            (node.get("itemprop") or "")
            + (node.get("class") or "")
            + ("pubdate" if node.get("pubdate") is not None else "")
        )
        if re.search("publi|pubdate|entry-date|created", mark, re.I):
            yield node.get("datetime") or text_of(node), "css:time, marked as published"
    marked = "//*[@itemprop='datePublished' and not(self::meta) and not(self::time)]"
    for node in select(root, marked)[:3]:
        yield (
            node.get("content") or node.get("datetime") or text_of(node),
            "css:[itemprop=datePublished]",
        )
    for line in _lines(page, box):
        if day := _in_line(line):
            yield day, "a line beside the headline"
    for node in times:
        if node.tag == "time" and (len(times) == 1 or _is_beside(node, box)):
            yield node.get("datetime") or text_of(node), "css:time"
    if found_url := _IN_URL.search(url):
        parts = [part for part in found_url.groups() if part]
        yield "-".join(parts), "the address"


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
    if box is None:
        return
    start = max(0, box.first - 30)
    ahead = page.blocks[start : box.first] + list(_opening(page, box))
    marked = [b for b in ahead if b.size < 200 and _CLASS.search(_names(b.box))]
    for block in (*marked, *ahead):
        if block.size < 160:
            yield block.text
    for block in page.blocks[max(box.first, box.last - 12) : box.last + 20]:
        # After the text, other articles have dates too.
        if block.size < 120 and _LABEL.search(block.text):
            yield block.text


def _opening(page: Layout, box: Box) -> Iterator[Block]:
    """Yield the blocks of the body up to its third block of sentences."""
    sentences = 0
    for block in page.blocks_of(box)[:60]:
        yield block
        sentences += block.weight > 0
        if sentences == 3:
            return


def _names(box: Box) -> str:
    parent = box.parent
    own = (box.node.get("class") or "") + " " + (box.node.get("id") or "")
    return own + " " + ((parent.node.get("class") or "") if parent is not None else "")


def _in_line(line: str) -> str:
    if day := find_time_text(line):
        return day
    for form in (_DAY_MONTH_YEAR, _MONTH_DAY_YEAR, _DOTTED, _SLASHED, _SHORT_YEAR):
        if (match := form.search(line)) and _normal(match[0]):
            return match[0]
    return ""


def _normal(raw: str) -> str:
    """Return a date in another language or order as ISO 8601; empty when it is ambiguous."""
    raw = " ".join(raw.split())
    if day := find_time_text(raw):
        return day
    if match := _DAY_MONTH_YEAR.search(raw):
        return _iso(match[3], str(_MONTHS.get(match[2].casefold(), "")), match[1])
    if match := _MONTH_DAY_YEAR.search(raw):
        return _iso(match[3], str(_MONTHS.get(match[1].casefold(), "")), match[2])
    if match := _DOTTED.search(raw):
        return _iso(match[3], match[2], match[1])
    if match := _SLASHED.search(raw):
        first, second = int(match[1]), int(match[2])
        if first > 12 or first == second:
            return _iso(match[3], match[2], match[1])
        return _iso(match[3], match[1], match[2]) if second > 12 else ""
    if match := _SHORT_YEAR.search(raw):
        return _iso("20" + match[1], match[2], match[3])
    return ""


def _iso(year: str, month: str, day: str) -> str:
    return f"{year}-{int(month):02d}-{int(day):02d}" if month else ""
