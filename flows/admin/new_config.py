"""A new ``copydesk.toml``: the work of ``copydesk init``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from flows import settings
from flows.errors import ConfigurationError
from flows.fetch.policy import FetchPolicy
from flows.settings import Settings
from flows.source_settings import BUILT_IN_SOURCES
from flows.text import PRODUCT
from parsers.text.urls import is_http

_WARNED_OF = ("user_agent", "respect_robots", "per_host_concurrency")
_HEAD = """\
# The configuration of copydesk. Relative paths start at the folder of this file.
# Each key is also an environment variable, such as COPYDESK_WAREHOUSE__PATH.
# deploy/copydesk.example.toml lists every key with its default value.

[warehouse]
path = "data/copydesk.duckdb"           # the database, written by one process at a time
snapshot = "data/copydesk.read.duckdb"  # its copy, for queries at any time

[archive]
path = "data/archive"                   # raw pages as fetched, WARC

[fetch]
user_agent = {user_agent}  # a site owner can reach you there
# allow_private_hosts = ["127.0.0.1:8765"]  # other private hosts are refused

[alerts]
# to = ["env:DESK_MAIL"]                # gets a message when a source breaks: copydesk alerts test

[defaults]                              # of every source that does not set them
schedule = "*/30 * * * *"               # for `copydesk serve`; "" for never
# time_zone = "Europe/Berlin"           # of times without a zone; UTC unless declared
"""
_BUILT_IN = """
[sources.{slug}]                        # built in; a key here changes that key only
# schedule = "{schedule}"
"""
_FEED = """
[sources.{slug}]
parser = "feed"                         # any RSS, Atom, RDF or JSON feed
url = {url}
full_text = true                        # fetch each article page, not only the feed's text
# time_zone = "Europe/Berlin"
"""


def write_config(
    file: Path, *, contact: str, sources: Sequence[str], is_start: bool = False
) -> Path:
    """Write a new configuration file that can be loaded; return its path.

    Args:
        file: Must not exist.
        contact: An http address or a mail address of the operator.
        sources: Names of built-in sources and addresses of feeds. ``NAME=URL`` names a feed;
            otherwise its host does.
        is_start: The file may have no sources yet, because the caller adds them.

    Raises:
        ConfigurationError: The file exists, or a value cannot be used. Nothing is written.
    """
    if file.exists():
        raise _exists_error(file)
    text = _HEAD.format(user_agent=quoted(_user_agent(contact))) + _sections(
        sources, may_be_empty=is_start
    )
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise _exists_error(file) from None
    try:
        settings.load(file, {})
    except ConfigurationError:
        file.unlink()
        raise
    return file.absolute()


def advice(chosen: Settings, config: Path | None) -> list[str]:
    """What the operator should change before a run; empty for a complete configuration.

    Args:
        chosen: The configuration.
        config: Its file, if one was named.
    """
    # Without flows.pipeline, so that `copydesk serve` does not load DuckDB for this.
    fetch = chosen.fetch.model_dump(include={*_WARNED_OF})
    lines = list(FetchPolicy(**fetch).policy_warnings())
    if settings.resolve_config_file(config) is None:
        lines.insert(
            0,
            f"there is no {settings.DEFAULT_FILE} here, so the built-in configuration is used: "
            f"sources {', '.join(chosen.sources)}, warehouse {chosen.warehouse.location}; "
            "`copydesk init` writes a file",
        )
    return lines


def _exists_error(file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{file} exists, and `copydesk init` overwrites nothing: edit it, or name another file "
        "with --config"
    )


def _user_agent(contact: str) -> str:
    contact = contact.strip()
    if not is_http(contact) and not re.fullmatch(r"[^@\s()]+@[^@\s()]+\.[^@\s()]+", contact):
        raise ConfigurationError(
            "expected as contact a page (https://...) or a mail address at which a site owner "
            f"can reach you, found {contact!r}"
        )
    user_agent = f"{PRODUCT} (+{contact})"
    try:
        warnings = FetchPolicy(user_agent=user_agent).policy_warnings()
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if warnings:
        raise ConfigurationError(warnings[0])
    return user_agent


def split_sources(sources: Sequence[str]) -> tuple[list[str], list[tuple[str | None, str]]]:
    """The names of built-in sources, and the addresses of others with their names."""
    names, addresses = [], list[tuple[str | None, str]]()
    for one in sources:
        name, _, url = one.partition("=")
        if not is_http(one) and is_http(url):
            addresses.append((name, url))
        elif is_http(one):
            addresses.append((None, one))
        else:
            names.append(one)
    return names, addresses


def _sections(sources: Sequence[str], *, may_be_empty: bool) -> str:
    sections: dict[str, str] = {}
    for one in sources:
        name, _, url = one.partition("=")
        if is_http(one) or not is_http(url):
            name, url = "", one
        if one in BUILT_IN_SOURCES:
            name = one
            section = _BUILT_IN.format(slug=one, schedule=BUILT_IN_SOURCES[one]["schedule"])
        elif is_http(url):
            name = name or slug_of(url)
            section = _FEED.format(slug=name, url=quoted(url))
        else:
            raise ConfigurationError(
                f"expected a built-in source ({', '.join(BUILT_IN_SOURCES)}) or the address of a "
                f"feed (https://... or NAME=https://...), found {one!r}"
            )
        if name in sections:
            raise ConfigurationError(
                f"two sources would have the name {name!r}: give the second one another, such as "
                f"{name}_2={url}"
            )
        sections[name] = section
    if not sections and not may_be_empty:
        raise ConfigurationError("expected at least one source, found none")
    return "".join(sections.values())


def slug_of(url: str) -> str:
    """The host of an address as the name of a source."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    return re.sub("[^a-z0-9]+", "_", host).strip("_")[:60] or "source"


def quoted(text: str) -> str:
    """A text as a string of TOML."""
    # A basic string of TOML has the escapes of JSON.
    return json.dumps(text, ensure_ascii=False)
