"""Recognize files that an earlier import read: the same bytes, and the same result today."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from duckdb import DuckDBPyConnection

from flows.import_export.find_posts import PostPath, UnreadablePost, read_bytes
from flows.import_export.read_posts import CHANNEL, Files, modified_at, seen_at
from parsers.frontmatter import Zones
from parsers.frontmatter.read import POST_PARSER
from warehouse.records import posts
from warehouse.records.posts import KnownPost

_FROM_POST = ("front matter", "source declaration")


class Known:
    """The files of an import that an earlier one has read.

    Attributes:
        count: The number of paths that are stored.
        changed: By path the files with the same bytes, whose article has another language or
            time zone today; when their latest values were seen, aware UTC.
    """

    def __init__(self, store: DuckDBPyConnection, found: Files, source: str, zones: Zones) -> None:
        """Look the files up.

        Args:
            store: The warehouse.
            found: The files.
            source: The source of posts that name none.
            zones: The declared time zones of the sources; ``""`` is that of all others.
        """
        self._zones = zones
        files = [one for one in found if isinstance(one, PostPath)]
        self._stored = posts.known_posts(
            store,
            [one.relative for one in files],
            source=source,
            channel=CHANNEL,
            parser=(POST_PARSER.name, POST_PARSER.version),
            has_defaults=any(one.defaults.language or one.defaults.zone for one in files),
        )
        self.count = len(self._stored)
        self.changed: dict[str, datetime] = {}

    def result_of(self, found: PostPath | UnreadablePost) -> KnownPost | None:
        """The result of an earlier import of the same bytes, if it would be the same today."""
        if not isinstance(found, PostPath) or not (stored := self._stored.get(found.relative)):
            return None
        data = read_bytes(found)
        try:
            modified = modified_at(found)
        except OSError:
            return None  # the reader reports the error
        digest = sha256(data).hexdigest() if isinstance(data, bytes) else ""
        same = [one for one in stored if one.digest == digest]
        for one in same:
            if one.problem:
                continue
            if one.current_at and not self._has_defaults(one, found):
                self.changed[found.relative] = one.current_at
                return None
            # With another time of the file it may become current again.
            if one.seen_at in (modified, seen_at(one.published_at, modified)):
                return one
        return next((one for one in same if one.problem), None)

    def _has_defaults(self, stored: KnownPost, found: PostPath) -> bool:
        """Whether an article has the language and the time zone of posts without them."""
        language, zone = found.defaults.language, found.defaults.zone
        has_own = stored.language_provenance.startswith(_FROM_POST)
        if language and not has_own and stored.language != language.value:
            return False
        is_declared = stored.source in self._zones or "" in self._zones
        if zone is None or is_declared or not stored.takes_zone:
            return True
        return stored.time_zone == zone.key
