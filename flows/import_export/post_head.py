"""The front matter of written posts: keys added by others, and keys of the configuration.

Plugins of a generator write posts again. hexo-abbrlink adds ``abbrlink`` and dumps the whole
head; quotes, indentation and the form of the date change. Such a post is still the one that
copydesk wrote.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flows.publish_settings import FrontMatterValue
from parsers.errors import BadFrontMatter
from parsers.frontmatter.block import split
from parsers.frontmatter.yaml_head import Value, words, yaml_fields
from parsers.frontmatter.yaml_quote import quoted, word

OWN_KEYS = frozenset(
    {
        "article_id", "author", "authors", "categories", "comments", "date", "date_precision",
        "headimg", "layout", "media", "publisher", "source_url", "tags", "thumbnail", "title",
    }
)  # fmt: skip
"""The keys that ``write_post`` writes."""

_DATE = "date"
_MAX_ZONE_SECONDS = 26 * 3600
_KEY_LINE = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?=[ \t]|$)")
_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d))?")
_FRAME = re.compile(r"\A(\s*---[ \t]*\n)(.*?\n)?(---[ \t]*(?:\n|\Z))", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMeaning:
    """The values and the body of a post, whatever its quotes.

    Attributes:
        digest: Of the values of copydesk's keys, without the date, and of the body; empty if the
            head cannot be read.
        date: The text of the date.
    """

    digest: str
    date: str

    def is_same(self, other: PostMeaning) -> bool:
        """Whether both have the same values; the dates may be in two time zones."""
        return bool(self.digest) and self.digest == other.digest and _is_same(self.date, other.date)


NO_MEANING = PostMeaning(digest="", date="")


def meaning_of(data: bytes) -> PostMeaning:
    """Read the values and the body of a post."""
    try:
        block = split(data, "")
        fields = yaml_fields(block.head, block.first_line, "")
    except BadFrontMatter:
        return NO_MEANING
    values = {key: _plain(fields[key]) for key in sorted(OWN_KEYS & fields.keys()) if key != _DATE}
    text = json.dumps([values, block.body.strip()], ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return PostMeaning(digest=digest, date=" ".join(words(fields.get(_DATE))))


def head_of(post: bytes) -> bytes:
    """Return the front matter of a post without its body; empty if it has none."""
    frame = _FRAME.match(_text(post))
    return frame[0].encode("utf-8", "surrogateescape") if frame else b""


def keep_added_keys(existing: bytes, new: bytes, *, own: Iterable[str] = ()) -> bytes:
    """Return the new post with the keys that others added to the existing one.

    Args:
        existing: The post in the folder, or its head.
        new: The post to write.
        own: Keys of the configuration, which are not kept.
    """
    frame = _FRAME.match(_text(existing))
    if frame is None:
        return new
    written = OWN_KEYS | set(own) | _lines_of(_FRAME.match(_text(new))).keys()
    found = _lines_of(frame).items()
    kept = _inserted(new, [lines for key, lines in found if key and key not in written])
    # A head that cannot be read adds nothing.
    return kept if meaning_of(kept).is_same(meaning_of(new)) else new


def add_keys(post: bytes, keys: Mapping[str, FrontMatterValue]) -> bytes:
    """Return a post with more keys; a key that it has gets the new value."""
    if not keys:
        return post
    frame = _FRAME.match(_text(post))
    if frame is None:
        return post
    lines = _lines_of(frame) | {key: f"{key}: {_yaml(value)}\n" for key, value in keys.items()}
    text = _text(post)
    head = "".join(lines.values())
    return f"{frame[1]}{head}{frame[3]}{text[frame.end() :]}".encode("utf-8", "surrogateescape")


def _inserted(post: bytes, lines: Iterable[str]) -> bytes:
    text, added = _text(post), "".join(lines)
    frame = _FRAME.match(text)
    if frame is None or not added:
        return post
    at = frame.start(3)
    return f"{text[:at]}{added}{text[at:]}".encode("utf-8", "surrogateescape")


def _lines_of(frame: re.Match[str] | None) -> dict[str, str]:
    """The lines of each key of a head, as they are written."""
    found: dict[str, str] = {}
    key = ""
    for line in (frame[2] or "").splitlines(keepends=True) if frame else ():
        if start := _KEY_LINE.match(line):
            key = start[1]
        found[key] = found.get(key, "") + line
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _yaml(value: FrontMatterValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return word(value)
    return f"[{', '.join(quoted(one) for one in value)}]"


def _plain(value: Value) -> object:
    """A value for comparison; nothing and an empty list are the same."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value.strip() if isinstance(value, str) else [_plain(one) for one in value] or ""


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    clocks = [_CLOCK.match(text) for text in (one, other)]
    times = [
        datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}") for found in clocks if found
    ]
    if len(times) < len(clocks):
        return False
    seconds = abs((times[0] - times[1]).total_seconds())
    return seconds <= _MAX_ZONE_SECONDS and seconds % 900 == 0
