"""One file of an import to what is stored of it: no database, no counters.

This is what the reading processes do, so everything here can be pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from flows.pipeline import rows
from flows.publishing.find_posts import PostPath, UnreadablePost, parse_post, read_bytes
from parsers.errors import ParseError
from parsers.frontmatter import Post
from warehouse.errors import BadRow
from warehouse.rows import NewQuarantineEntry, StoredPost
from warehouse.upsert.observations import Observation, observe

CHANNEL = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOutcome:
    """What came of one file; just one of ``imported``, ``bad`` and neither.

    Attributes:
        source: The source it is counted for.
        imported: The article, when it is one.
        bad: What goes to quarantine, when it is none.
        problem: What is wrong, in words; alone, when the file could not be read at all.
    """

    source: str
    imported: Observation | None = None
    bad: NewQuarantineEntry | None = None
    problem: str = ""


class PostReader:
    """Reads the files of an import, one after the other.

    The same file in two folders, one after the other, is read once: half of an archive
    may be copies.

    Args:
        source: The source of posts that do not name theirs.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        # Name and digest of the last file that may be met in another folder, and the post.
        self._last: tuple[str, bytes, Post] | None = None

    def read(self, found: PostPath | UnreadablePost) -> PostOutcome:
        """What a file holds."""
        post = self._post(found)
        try:
            written = modified_at(found)
        except OSError as error:
            lost = post.error if isinstance(post, UnreadablePost) else error
            return PostOutcome(source=self._source, problem=str(lost))
        if isinstance(post, UnreadablePost):
            return quarantined_post(post, written, self._source)
        return _article(post, written)

    def _post(self, found: PostPath | UnreadablePost) -> Post | UnreadablePost:
        if isinstance(found, UnreadablePost):
            return found
        data = read_bytes(found)
        if not isinstance(data, bytes):
            return data
        name, digest = found.file.name, sha256(data).digest()
        if self._last and self._last[:2] == (name, digest):
            return replace(self._last[2], path=found.relative)
        post = parse_post(found, data, self._source)
        if isinstance(post, Post) and post.is_movable:
            self._last = (name, digest, post)
        return post


def modified_at(found: PostPath | UnreadablePost) -> datetime:
    """When the file itself was last written, aware UTC."""
    return datetime.fromtimestamp(found.file.stat().st_mtime, UTC)


def seen_at(published: datetime | None, written: datetime) -> datetime:
    """When a post's content was seen, as far as the file itself tells (aware UTC).

    Its own time, or that of the file if it has none or claims a later one: a time that
    a second import gives again, so that it changes nothing, and that never makes an old
    post newer than a page fetched since.
    """
    return min(published, written) if published else written


def quarantined_post(post: UnreadablePost, written: datetime, source: str) -> PostOutcome:
    """What is kept of a file that is no article."""
    if not isinstance(post.error, ParseError):
        return PostOutcome(source=source, problem=str(post.error))
    if post.error.article_id:
        source = post.error.article_id.partition(":")[0]
    bad = rows.post_failure(source, post.relative, post.data, post.error, written)
    return PostOutcome(source=source, bad=bad, problem=str(post.error))


def _article(post: Post, written: datetime) -> PostOutcome:
    own = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
    at = seen_at(post.article.published_at, written)
    row = rows.article_row(post.article, channel=CHANNEL, seen_at=at, post=own)
    try:
        imported = observe(row)
    except BadRow as error:
        bad = rows.post_failure(post.source, post.path, post.data, error, at)
        return PostOutcome(source=post.source, bad=bad, problem=f"{post.path}: {error}")
    return PostOutcome(source=post.source, imported=imported)
