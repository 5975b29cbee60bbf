"""Add a source to ``copydesk.toml``: the work of ``copydesk sources add URL``.

The site is looked at, the best candidate is read and one article parsed. The section is
appended only if it yields articles and the whole file can be loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows import settings as configuration
from flows.addresses import check_url
from flows.admin.append_sections import append_sections
from flows.admin.check_sources import SourceCheck, check_source
from flows.admin.discover_source import Candidate, Kind, SiteDiscovery
from flows.admin.new_config import quoted, slug_of
from flows.errors import ConfigurationError, RunFailed
from flows.fetch import Fetcher, redact_url
from flows.pipeline.article_json import article_json
from flows.pipeline.run import fetch_policy
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers import registry
from parsers.errors import OptionError
from parsers.model import Article, Source
from parsers.text.characters import single_line
from parsers.text.urls import canonicalize

_SAMPLE_SIZE = 300
_SAMPLE_MEDIA = 3
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """A source that a site offers, and what it yields.

    Attributes:
        section: The text for the configuration.
        file: The configuration that has it now; ``None`` when nothing was written.
    """

    slug: str
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    check: SourceCheck
    section: str
    file: Path | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        article = self.check.article
        return {
            "source": self.slug,
            "candidates": [one.as_json() for one in self.candidates],
            "chosen": self.chosen.as_json(),
            "entries": [
                {
                    "url": redact_url(one.url),
                    "title": one.facts.get("title") or None,
                    "published": one.facts.get("published") or one.facts.get("updated") or None,
                }
                for one in self.check.first_entries
            ],
            "article": article_json(article) if article else None,
            "section": self.section,
            "file": str(self.file) if self.file else None,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """What was found, the first entries, one parsed article and the section."""
        lines = ["found:"]
        lines += [f"  {'*' if one is self.chosen else ' '} {one}" for one in self.candidates]
        lines += [f"first entries of {pluralized(self.check.entries)}:"]
        for entry in self.check.first_entries:
            at = entry.facts.get("published") or entry.facts.get("updated") or "no time"
            title = entry.facts.get("title") or redact_url(entry.url)
            lines.append(f"    {single_line(at)[:30]}  {single_line(title)[:90]}")
        if self.check.article:
            lines += ["one article, as it is parsed:", *_article_lines(self.check.article)]
        lines += [f"note: {one}" for one in self.notes]
        lines += [self.section.rstrip("\n")]
        return "\n".join(lines)


def pluralized(count: int) -> str:
    """A number of entries."""
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def add_source(
    settings: Settings,
    file: Path,
    url: str,
    *,
    name: str | None = None,
    kind: Kind | None = None,
    writes: bool = True,
) -> NewSource:
    """Find how to read a site, and append its section to the configuration.

    Args:
        settings: The configuration of ``file``.
        file: The configuration file; it must exist.
        url: A page, a feed, a sitemap or a robots.txt.
        name: The name of the source; by default made of the host.
        kind: Only this kind of candidate.
        writes: Append the section.

    Raises:
        ConfigurationError: The address, the name or the file cannot be used.
        RunFailed: The page cannot be fetched, or nothing at it yields articles.
    """
    url = _checked_url(url)
    if writes and not file.exists():
        raise ConfigurationError(
            f"there is no {file}: `copydesk init` writes one; --dry-run shows the section only"
        )
    slug = _free_slug(settings, name, url)
    masked = SECRETS.mask(url, owner=slug)
    if owner := _source_at(settings, masked):
        raise ConfigurationError(
            f"{redact_url(masked)} is the address of the source {owner} already"
        )
    visitor = registry.make_source(slug, "feed", {"url": masked})
    with Fetcher(fetch_policy(settings, [*settings.usable_sources(), visitor])) as fetcher:
        discovery = SiteDiscovery(fetcher, masked)
        candidates = discovery.candidates()
        known, new = _split_known(settings, candidates)
        if known and not [one for one in new if not one.is_comments]:
            raise ConfigurationError(known[0])
        chosen, check, rejected = _choose(fetcher, slug, new, kind, masked)
    notes = [*discovery.notes, *known, *(f"not taken: {one}" for one in rejected)]
    section = _section(slug, chosen, url if chosen.url == masked else chosen.url)
    if writes:
        notes += append_sections(file, section, [slug])
    return NewSource(
        slug=slug,
        candidates=tuple(_shown(one, chosen) for one in candidates),
        chosen=chosen,
        check=check,
        section=_section(slug, chosen, redact_url(chosen.url)),
        file=file.absolute() if writes else None,
        notes=tuple(notes),
    )


def _checked_url(url: str) -> str:
    url = url.strip()
    try:
        check_url(url if "://" in url else f"https://{url}")
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    return url if "://" in url else f"https://{url}"


def _free_slug(settings: Settings, name: str | None, url: str) -> str:
    if name is not None:
        if not _KEY.fullmatch(name) or name in configuration.RESERVED_NAMES:
            raise ConfigurationError(
                f"--name: expected small letters, digits, _ and -, and no name that copydesk uses, "
                f"found {name!r}"
            )
        if name in settings.sources:
            raise ConfigurationError(f"--name: there is a source {name!r} already")
        return name
    base = slug_of(url)
    taken = {*settings.sources, *configuration.RESERVED_NAMES}
    names = [base, *(f"{base[:60]}_{number}" for number in range(2, 1000))]
    return next(one for one in names if one not in taken)


def _source_at(settings: Settings, url: str) -> str:
    """The source that has an address; empty when there is none."""
    for source in settings.usable_sources():
        own = source.options.get("url")
        if isinstance(own, str) and own and canonicalize(own) == canonicalize(url):
            return source.slug
    return ""


def _split_known(
    settings: Settings, candidates: list[Candidate]
) -> tuple[list[str], list[Candidate]]:
    """Sentences about candidates that are sources already, and the other candidates."""
    known, new = [], []
    for candidate in candidates:
        if owner := _source_at(settings, candidate.url):
            known.append(
                f"{redact_url(candidate.url)} is the address of the source {owner} already"
            )
        else:
            new.append(candidate)
    return known, new


# --- the choice ---


def _choose(
    fetcher: Fetcher, slug: str, candidates: list[Candidate], kind: Kind | None, url: str
) -> tuple[Candidate, SourceCheck, list[str]]:
    """The first candidate that yields articles, what it yields, and why others are not taken."""
    wanted = [one for one in candidates if not one.is_comments and kind in (None, one.kind)]
    if not wanted:
        what = kind or "feed, sitemap or list of articles"
        found = "".join(f"\n  {one}" for one in candidates)
        raise RunFailed(
            f"{redact_url(url)} offers no {what}: give the address of its feed, of its sitemap or "
            f"of a page that lists articles{f'; found:{found}' if found else ''}"
        )
    errors = []
    for candidate in wanted:
        for variant in _variants(candidate):
            try:
                source = _source(slug, variant)
            except OptionError as error:
                errors.append(f"{_described(variant)}: {error}")
                continue
            check = check_source(fetcher, source)
            if check.is_ok and check.article is not None:
                return variant, check, errors
            reason = check.errors[0] if check.errors else "no article"
            errors.append(f"{_described(variant)}: {reason}")
    lines = "".join(f"\n  {single_line(one)}" for one in dict.fromkeys(errors))
    raise RunFailed(f"nothing at {redact_url(url)} yields an article:{lines}")


def _variants(candidate: Candidate) -> Iterator[Candidate]:
    """The candidate with the options to try, the best first."""
    options = dict(candidate.options)
    if candidate.kind == "feed":
        yield candidate
        yield replace(candidate, options={"full_text": not options["full_text"]})
    elif candidate.kind == "listing":
        dates = options.pop("dates", ())
        for date in dates:
            yield replace(candidate, options=options | {"date": date})
        yield replace(candidate, options=options)
    else:
        yield candidate


def _described(candidate: Candidate) -> str:
    options = "".join(
        f", {key} = {_toml(value)}" for key, value in candidate.options.items() if key != "dates"
    )
    return f"{candidate.kind} {redact_url(candidate.url)}{options}"


def _shown(candidate: Candidate, chosen: Candidate) -> Candidate:
    return chosen if (candidate.kind, candidate.url) == (chosen.kind, chosen.url) else candidate


def _source(slug: str, candidate: Candidate) -> Source:
    return registry.make_source(slug, candidate.kind, {"url": candidate.url, **candidate.options})


# --- the text ---

_COMMENTS: dict[Kind, str] = {
    "feed": '# select = { body = "article", title = "h1" }  # CSS selectors, with full_text = true\n',
    "sitemap": (
        "# max_age_days = 7                      # how old the articles of the first sync may be\n"
        '# include = ["/news/*"]                 # patterns of paths; exclude = [...] leaves out\n'
        '# select = { body = "article", title = "h1" }  # CSS selectors\n'
    ),
    "listing": (
        "# pages = 1                             # how many pages the first sync reads\n"
        '# select = { body = "article", title = "h1" }  # CSS selectors\n'
    ),
}


def _section(slug: str, chosen: Candidate, url: str) -> str:
    title = single_line(chosen.title).strip() if chosen.title not in ("", chosen.url) else ""
    head = f"\n# {title[:100]}\n" if title else "\n"
    options = "".join(f"{key} = {_toml(value)}\n" for key, value in chosen.options.items())
    return (
        f"{head}[sources.{slug}]\nparser = {quoted(chosen.kind)}\nurl = {quoted(url)}\n"
        f"{options}{_COMMENTS[chosen.kind]}"
        '# time_zone = "Europe/Berlin"           # of times without a zone\n'
    )


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else quoted(str(value))


def _article_lines(article: Article) -> list[str]:
    at = article.published_at.isoformat() if article.published_at else article.published_raw
    text = " ".join((article.text or "").split())
    media = ", ".join(f"{one.kind} {one.url}" for one in article.media[:_SAMPLE_MEDIA])
    fields = {
        "title": (article.title or "", article.provenance["title"]),
        "published": (at or "unknown", article.provenance["published_at"]),
        "authors": (", ".join(article.authors), article.provenance["authors"]),
        "text": (
            f"{text[:_SAMPLE_SIZE]}... ({len(article.text)} characters)",
            article.completeness,
        )
        if article.text
        else (f"none; {media}", article.provenance["text"]),
    }
    return [
        f"    {name:<10}{single_line(value)}  [{single_line(how)}]"
        for name, (value, how) in fields.items()
    ]
