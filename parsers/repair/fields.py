"""Propose selectors for the fields of article pages, and measure them on held-back pages.

Each training page gives candidates: selectors of elements that have the known value. The one
that is right on most training pages is proposed, of equals the one with the clearest meaning. The
held-back pages then go through the whole parser with the proposed selectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bs4 import BeautifulSoup, Tag

from parsers import registry
from parsers.errors import ParseError
from parsers.extract.heuristics import host_facts
from parsers.extract.selected import (
    FIELDS,
    MUST_MATCH,
    Selected,
    read_fields,
    selectors_of,
    without_removed,
)
from parsers.html.clean import clean_body
from parsers.html.select import document
from parsers.html.selector import Selector, parse_selector
from parsers.model import Article, Source
from parsers.repair.candidates import candidates, rank
from parsers.repair.score import (
    LIMITS,
    MIN_RIGHT,
    REQUIRED,
    Example,
    Share,
    article_value,
    field_score,
    selected_value,
    share_of,
)
from parsers.text.urls import host_of

MAX_CANDIDATES = 50
MAX_MATCHES = 40
MAX_PARAGRAPHS = 400
"""A selector with more matches on one page is that of teasers or comments."""

MAX_TRIALS = 4
"""Training pages that each candidate is tried on; the best ones are tried on all."""

_BEST = 8
_MIN_VOTES = 0.3
_MAJORITY = 0.5
"""Values may have been corrected since; the held-back pages decide whether a selector is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRepair:
    """The selector of one field, before and after.

    Attributes:
        old: As configured; empty when the generic rules find the field.
        new: The proposed selector; empty when none was found. Equal to ``old`` when the field
            is not broken.
        before, after: On the held-back pages. ``before`` is that of the selector alone.
        limit: The share that ``after`` must reach.
    """

    field: str
    old: str
    new: str
    before: Share
    after: Share
    limit: float

    @property
    def is_changed(self) -> bool:
        """Whether there is another selector, which reaches the limit."""
        return self.is_right and bool(self.new) and self.new != self.old

    @property
    def is_right(self) -> bool:
        """Whether the field reaches its limit."""
        return self.after.ratio >= self.limit

    @property
    def has_failed(self) -> bool:
        """Whether the field is required, and has no selector that reaches the limit."""
        is_stale = bool(self.old) and not self.new
        return self.field in REQUIRED and (is_stale or not self.is_right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The proposal for a source: its fields in the order of the option ``select``."""

    fields: tuple[FieldRepair, ...]

    @property
    def changes(self) -> dict[str, str]:
        """The new selectors by field."""
        return {one.field: one.new for one in self.fields if one.is_changed}

    @property
    def failed(self) -> tuple[FieldRepair, ...]:
        """The required fields below their limits."""
        return tuple(one for one in self.fields if one.has_failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An example with its tree, and the base and time zone of its page.

    Attributes:
        bare: The article that the generic rules find.
        matches: The elements that each selector matches: to find them takes nearly all the time.
    """

    example: Example
    soup: BeautifulSoup
    base: str
    zone: ZoneInfo | None
    bare: Article | None
    matches: dict[str, list[Tag]] = field(default_factory=dict)

    def selector(self, selector: Selector) -> Selector:
        """Return the same selector, which need not match, for this page alone."""
        return _SelectorOfPage(
            text=selector.text,
            css=selector.css,
            attribute=selector.attribute,
            is_optional=True,
            matches=self.matches,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SelectorOfPage(Selector):
    """A selector that remembers its matches in one page."""

    matches: dict[str, list[Tag]]

    def elements(self, node: Tag) -> list[Tag]:
        """Return the matches; ``node`` is the tree of the page."""
        if self.css not in self.matches:
            self.matches[self.css] = Selector.elements(self, node)
        return self.matches[self.css]


def repair_fields(
    source: Source, training: Sequence[Example], held_back: Sequence[Example]
) -> Repair:
    """Return new selectors for the broken fields of a source.

    Args:
        source: As configured.
        training: Pages that the selectors are made of.
        held_back: Other pages, to measure them.

    Raises:
        OptionError: The selectors of the source cannot be used.
    """
    selectors = dict(selectors_of(source.options))
    reads = _reads(source, selectors, training)
    tests = _reads(source, selectors, held_back)
    bare = [one.bare for one in tests]
    chosen = {name: one for name, one in selectors.items() if name == "remove"}
    before: dict[str, Share] = {}
    for name in (one for one in FIELDS if one in selectors or one in REQUIRED):
        own = selectors.get(name)
        if own is None:
            before[name] = _parsed_share(name, held_back, bare)
        else:
            before[name] = share_of(_scores(name, own, tests))
        is_broken = before[name].ratio < LIMITS[name]
        new = _best(name, own, reads) if is_broken else own
        if new is not None:
            chosen[name] = new
    after = _parsed(_with_select(source, chosen), held_back)
    return Repair(
        fields=tuple(
            FieldRepair(
                field=name,
                old=_text(selectors.get(name)),
                new=_text(chosen.get(name)),
                before=share,
                after=_parsed_share(name, held_back, after),
                limit=LIMITS[name],
            )
            for name, share in before.items()
        )
    )


def with_changes(source: Source, changes: Mapping[str, str]) -> Source:
    """Return the source with other selectors.

    Args:
        source: The source.
        changes: The new selectors by field, as they are written.
    """
    selectors = dict(selectors_of(source.options))
    selectors |= {name: parse_selector(f"select.{name}", css) for name, css in changes.items()}
    return _with_select(source, selectors)


# --- the choice ---


def _best(field: str, old: Selector | None, reads: Sequence[_Read]) -> Selector | None:
    """Return the selector that is right on most pages; ``None`` when it is on too few."""
    reads = [one for one in reads if _is_known(field, one.example.known)]
    votes: Counter[str] = Counter()
    for one in reads:
        votes.update(candidates(field, one.soup, one.example.known))
    wanted = max(1, round(_MIN_VOTES * len(reads)))
    names = [css for css, count in votes.items() if count >= wanted]
    names.sort(key=lambda css: (-min(votes[css], len(reads)), rank(css), len(css), css))
    trials = reads[:: max(1, len(reads) // MAX_TRIALS)][:MAX_TRIALS]
    tried = [
        _candidate(field, _selector(field, css, old), trials) for css in names[:MAX_CANDIDATES]
    ]
    tried.sort(key=lambda one: one.quality, reverse=True)
    found = [_candidate(field, one.selector, reads) for one in _promising(tried)]
    if not found:
        return None
    best = max(found, key=lambda one: one.quality)
    partners = [*found, *([_candidate(field, old, reads)] if old else [])]
    partners = [one for one in partners if one.selector.attribute == best.selector.attribute]
    added = {id(one): len(one.right - best.right) for one in partners}
    partner = max(partners, key=lambda one: (added[id(one)], one.selector is old, one.quality))
    if added[id(partner)] >= _MIN_VOTES * len(reads):  # many pages have another layout
        first, second = sorted([partner, best], key=lambda one: one.selector is not old)
        css = f"{first.selector.css}, {second.selector.text}"
        best = max(best, _candidate(field, _selector(field, css, old), reads), key=_share)
    return best.selector if len(best.right) > _MAJORITY * len(reads) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A selector and how good it is.

    Attributes:
        right: The numbers of the pages on which it is right.
        quality: The share of right pages, their mean score, the stability: more is better.
    """

    selector: Selector
    right: frozenset[int]
    quality: tuple[float, float, float, int, str]


def _promising(tried: list[_Candidate]) -> list[_Candidate]:
    """Return the best candidates, and the best ones for pages on which the first is wrong."""
    chosen = tried[:_BEST]
    others = [one for one in tried[_BEST:] if chosen and one.right - chosen[0].right]
    return chosen + others[:_BEST]


def _share(one: _Candidate) -> float:
    return one.quality[0]


def _candidate(field: str, selector: Selector, reads: Sequence[_Read]) -> _Candidate:
    has_rules = selector.is_optional or field not in MUST_MATCH
    scores = _scores(field, selector, reads, has_rules=has_rules)
    is_single = field in {"title", "published", "updated", "publisher", "language"}
    sample = reads[:MAX_TRIALS] if is_single else ()
    counts = [len(one.selector(selector).elements(one.soup)) for one in sample]
    repeated = max(counts, default=1) - 1
    promise = -rank(selector.text) - min(max(repeated, 0), 4)
    mean = fmean(one if one >= MIN_RIGHT else 0.0 for one in scores)
    share, length = share_of(scores).ratio, len(selector.text)
    return _Candidate(
        selector=selector,
        right=frozenset(number for number, one in enumerate(scores) if one >= MIN_RIGHT),
        quality=(share, round(mean, 2), promise, -length, selector.text),
    )


def _scores(
    field: str, selector: Selector, reads: Sequence[_Read], *, has_rules: bool = False
) -> list[float]:
    """Return the scores of a selector on the pages whose value is known.

    Args:
        field: The field.
        selector: Its selector.
        reads: The pages.
        has_rules: The generic rules take its place on pages without a match.
    """
    most = MAX_PARAGRAPHS if field == "body" else MAX_MATCHES
    scores = []
    for one in reads:
        known = one.example.known
        if not _is_known(field, known):
            continue
        optional = one.selector(selector)
        if len(optional.elements(one.soup)) > most:
            scores.append(0.0)
        else:
            found = read_fields({field: optional}, one.soup, one.base, one.zone)
            value = _cleaned(one, found) if field == "body" else selected_value(field, found)
            if not value and has_rules and one.bare:
                value = article_value(field, one.bare)
            scores.append(field_score(field, article_value(field, known), value))
    return scores


def _cleaned(read: _Read, selected: Selected) -> str:
    """Return the text of a body as an article has it, without what is no text."""
    return clean_body(selected.body, read.base).text if selected.body else ""


def _selector(field: str, css: str, old: Selector | None) -> Selector:
    # The generic rules found a field without a selector, and may find it on other pages.
    is_optional = field in MUST_MATCH if old is None else old.is_optional
    mark = " ?" if is_optional else ""
    return parse_selector(f"select.{field}", f"{css}{mark}")


def _is_known(field: str, known: Article) -> bool:
    return bool(article_value(field, known))


# --- pages ---


def _reads(
    source: Source, selectors: Mapping[str, Selector], examples: Sequence[Example]
) -> list[_Read]:
    bare = _parsed(_with_select(source, {"remove": selectors.get("remove")}), examples)
    found = []
    for example, article in zip(examples, bare, strict=True):
        page = example.page
        base = page.final_url or page.url
        soup = document(without_removed(selectors, page).text)
        zone = _zone(source, base)
        found.append(_Read(example=example, soup=soup, base=base, zone=zone, bare=article))
    return found


def _zone(source: Source, url: str) -> ZoneInfo | None:
    name = source.text("time_zone")
    name = host_facts(host_of(url)).zone if name == "none" else name
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _parsed(source: Source, examples: Sequence[Example]) -> list[Article | None]:
    """Return the article of each page; ``None`` where it cannot be parsed."""
    found: list[Article | None] = []
    for one in examples:
        try:
            found.append(registry.parse(source, one.page))
        except ParseError:
            found.append(None)
    return found


def _parsed_share(
    field: str, examples: Sequence[Example], parsed: Sequence[Article | None]
) -> Share:
    scores = []
    for one, article in zip(examples, parsed, strict=True):
        if _is_known(field, one.known):
            found = article_value(field, article) if article else None
            scores.append(field_score(field, article_value(field, one.known), found))
    return share_of(scores)


def _with_select(source: Source, selectors: Mapping[str, Selector | None]) -> Source:
    select = tuple(f"{name}={_text(one)}" for name, one in selectors.items() if one is not None)
    return replace(source, options=MappingProxyType({**source.options, "select": select}))


def _text(selector: Selector | None) -> str:
    """The selector as it is configured."""
    if selector is None:
        return ""
    return f"{selector.text} ?" if selector.is_optional else selector.text
