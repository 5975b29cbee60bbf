"""Sources of a list of feeds, and a list of the feeds that are sources: OPML in and out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.addresses import check_url
from flows.admin.append_sections import add_lines
from flows.admin.new_config import quoted, slug_of
from flows.admin.opml import Subscription, read_opml, write_opml
from flows.errors import ConfigurationError
from flows.fetch.mirrors import mirror_url
from flows.secrets.redact import redact_url
from flows.secrets.urls import SECRETS
from flows.settings import RESERVED_NAMES, Settings
from flows.text import pluralize
from parsers.sources.rsshub import ANY_INSTANCE, feed_url
from parsers.text.characters import single_line
from parsers.text.pinyin import category_slug
from parsers.text.urls import canonicalize

PUBLIC_RSSHUB = "rsshub.app"
_SLUG_LENGTH = 40
_MAX_SHOWN = 20
_FEED_SCHEME = re.compile(r"(?i)feed:(?://)?(?=https?:)|feed:")
_FEED_PARSERS = ("feed", "rsshub")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFeed:
    """A feed of a list, and what became of it.

    Attributes:
        source: Its source; empty when it has none.
        reason: Why it is no source; empty when it is one.
    """

    subscription: Subscription
    source: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON document."""
        one = self.subscription
        found = {
            "title": one.title,
            "url": redact_url(one.url),
            "categories": list(one.folders),
            "source": self.source or None,
        }
        return {**found, "reason": self.reason} if self.reason else found


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedListImport:
    """The result of an import.

    Attributes:
        added: Feeds that are sources now, or with ``dry_run`` would be.
        configured: Feeds that were sources before.
        duplicates: Further items with the address of another one of the list.
        invalid: Items whose address cannot be fetched.
        lines: The text that was added.
        file: The configuration; ``None`` when nothing was written.
    """

    added: tuple[ListedFeed, ...]
    configured: tuple[ListedFeed, ...]
    duplicates: tuple[ListedFeed, ...]
    invalid: tuple[ListedFeed, ...]
    lines: str
    file: Path | None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when an item cannot be a source."""
        return 3 if self.invalid else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "added": [one.as_json() for one in self.added],
            "configured": [one.as_json() for one in self.configured],
            "duplicates": [one.as_json() for one in self.duplicates],
            "invalid": [one.as_json() for one in self.invalid],
            "file": str(self.file) if self.file else None,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """A line of counts, and a line for each item that cannot be a source."""
        verb = "added" if self.file else "to add"
        counts = {
            verb: self.added,
            "configured already": self.configured,
            "more with the same address": self.duplicates,
            "invalid": self.invalid,
        }
        total = sum(map(len, counts.values()))
        parts = ", ".join(f"{len(found)} {name}" for name, found in counts.items() if found)
        lines = [f"{pluralize(total, 'feed')}: {parts}" if parts else "the list has no feed"]
        for one in self.invalid[:_MAX_SHOWN]:
            title = one.subscription.title or "an item without a title"
            lines.append(f"! {single_line(title)}: {single_line(one.reason)}")
        if len(self.invalid) > _MAX_SHOWN:
            lines.append(f"! and {len(self.invalid) - _MAX_SHOWN} more; --json lists all")
        lines += [f"note: {one}" for one in self.notes]
        if not self.file and self.lines:
            lines.append(f"[sources]\n{self.lines}".rstrip("\n"))
        return "\n".join(lines)


def import_feeds(settings: Settings, file: Path, data: bytes, *, dry_run: bool) -> FeedListImport:
    """Add a line for each feed of an OPML document that is no source yet.

    A folder becomes a category. An address at an RSSHub instance becomes a route, if
    ``[rsshub]`` has an instance. The same list gives the same names in any order.

    Raises:
        ConfigurationError: The document is no OPML, or the configuration cannot be written.
    """
    known = _known_addresses(settings)
    hubs, own_parameters = _hubs(settings), _own_parameters(settings)
    groups: dict[str, list[ListedFeed]] = {
        "configured": [], "duplicates": [], "invalid": [],
    }  # fmt: skip
    new: dict[str, tuple[Subscription, str]] = {}
    for one in read_opml(data):
        try:
            url = _fetchable(one.url)
        except ValueError as error:
            groups["invalid"].append(ListedFeed(subscription=one, reason=str(error)))
            continue
        route = _route(url, hubs, own_parameters)
        key = canonicalize(SECRETS.mask(feed_url(ANY_INSTANCE, route) if route else url))
        if key in known:
            groups["configured"].append(ListedFeed(subscription=one, source=known[key]))
        elif key in new:
            groups["duplicates"].append(
                ListedFeed(subscription=one, reason=f"the address of {new[key][0].title!r}")
            )
        else:
            new[key] = (one, route or url)
    slugs = _slugs({key: one for key, (one, _) in new.items()}, settings.sources)
    lines = "".join(_line(slugs[key], one, where) for key, (one, where) in new.items())
    writes = bool(lines) and not dry_run
    notes = add_lines(file, lines, slugs.values()) if writes else []
    return FeedListImport(
        added=tuple(
            ListedFeed(subscription=one, source=slugs[key]) for key, (one, _) in new.items()
        ),
        **{name: tuple(found) for name, found in groups.items()},
        lines=lines,
        file=file.absolute() if writes else None,
        notes=tuple(notes),
    )


def export_feeds(settings: Settings) -> tuple[str, list[str]]:
    """Return the sources that are feeds as OPML 2.0, and the names of all others.

    Secrets of addresses are masked. A route has the address of the first instance.
    """
    feeds, others = [], []
    for source in settings.usable_sources():
        if source.parser.name not in _FEED_PARSERS:
            others.append(source.slug)
            continue
        url = source.text("url")
        if url.startswith(f"{ANY_INSTANCE}/"):
            instance = settings.rsshub.instances[0].partition("?")[0]
            url = mirror_url(instance, url.removeprefix(ANY_INSTANCE))
        feeds.append(
            Subscription(
                title=source.slug,
                url=redact_url(SECRETS.mask(url)),
                folders=source.texts("categories"),
                language=source.text("language"),
            )
        )
    return write_opml("copydesk", feeds), others


def _known_addresses(settings: Settings) -> dict[str, str]:
    return {
        canonicalize(url): source.slug
        for source in settings.usable_sources()
        if isinstance(url := source.options.get("url"), str) and url
    }


def _fetchable(url: str) -> str:
    """The address as http or https; ``feed:`` is no protocol of its own.

    Raises:
        ValueError: It is none.
    """
    prefix = _FEED_SCHEME.match(url)
    if prefix:
        url = url[prefix.end() :]
        url = url if "://" in url else f"https://{url.lstrip('/')}"
    if url.startswith("rsshub://"):
        return feed_url(ANY_INSTANCE, url.removeprefix("rsshub://"))
    check_url(url)
    return url


def _hubs(settings: Settings) -> dict[str, str]:
    """The hosts whose addresses are routes, with the path of each; none without an instance."""
    parts = [urlsplit(one) for one in settings.rsshub.instances]
    found = {one.netloc.rpartition("@")[2].lower(): one.path.rstrip("/") for one in parts}
    return {PUBLIC_RSSHUB: "", **found} if found else {}


def _own_parameters(settings: Settings) -> set[str]:
    """The names of parameters, such as an access key, that the addresses of instances have."""
    queries = (urlsplit(one).query for one in settings.rsshub.instances)
    return {part.partition("=")[0] for query in queries for part in query.split("&")}


def _route(url: str, hubs: Mapping[str, str], own_parameters: Container[str]) -> str:
    """The route of an address at an instance; empty for any other address.

    Parameters of the instances are left out, because each instance adds its own.

    Raises:
        ConfigurationError: It needs an instance, and there is none.
    """
    parts = urlsplit(url)
    is_any = url.startswith(f"{ANY_INSTANCE}/")
    if is_any and not hubs:
        raise ConfigurationError(
            'the list has addresses such as rsshub://...: first set [rsshub] instances = ["https://..."]'
        )
    base = "" if is_any else hubs.get(parts.netloc.rpartition("@")[2].lower())
    if base is None or not parts.path.startswith(f"{base}/"):
        return ""
    given = parts.query.split("&")
    query = "&".join(one for one in given if one.partition("=")[0] not in own_parameters)
    return parts.path.removeprefix(base) + (f"?{query}" if query else "")


def _slugs(feeds: Mapping[str, Subscription], configured: Iterable[str]) -> dict[str, str]:
    """A name for each feed by its key, whatever the order of the list.

    The first of its names that no other feed has; else one with a digest of the address.
    """
    names = {key: _names(key, one) for key, one in feeds.items()}
    count = Counter(name for own in names.values() for name in set(own))
    taken = {*configured, *RESERVED_NAMES}
    return {
        key: next(
            (name for name in own if count[name] == 1 and name not in taken),
            f"{own[0]}_{sha256(key.encode()).hexdigest()[:8]}",
        )
        for key, own in names.items()
    }


def _names(key: str, one: Subscription) -> list[str]:
    """The route; or the title, alone and with its folder; else the host. Chinese is in pinyin."""
    if key.startswith(f"{ANY_INSTANCE}/"):
        route = _slug(key.removeprefix(ANY_INSTANCE))
        return [route or "rsshub"]
    titles = (_slug(one.title), _slug(" ".join((*one.folders[-1:], one.title))))
    return [name for name in titles if name] or [slug_of(one.url)[:_SLUG_LENGTH]]


def _slug(text: str) -> str:
    latin = category_slug(text).lower()
    return re.sub("[^a-z0-9]+", "_", latin).strip("_")[:_SLUG_LENGTH].strip("_")


def _line(slug: str, one: Subscription, where: str) -> str:
    """The source of a feed: ``name = { ... }  # title``."""
    is_route = where.startswith("/")
    values = (
        [f"route = {quoted(where)}"] if is_route else ['parser = "feed"', f"url = {quoted(where)}"]
    )
    if one.folders:
        values.append(f"categories = {_list(one.folders)}")
    if one.language:
        values.append(f"language = {quoted(one.language)}")
    title = single_line(one.title)[:100]
    return f"{slug} = {{ {', '.join(values)} }}" + (f"  # {title}\n" if title else "\n")


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"
