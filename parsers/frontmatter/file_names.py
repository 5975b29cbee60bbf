"""File names of posts: portable, inside their folder, and unique for each article.

The name of a finews article is ``<date>-<id>``, of any other ``<date>-<source>_<id>``.
When the id is not usable in a name, or has capitals, ``_<12 hex digits>`` of its hash
follow. Unchanged ids are lower case without ``_``, so that two articles never share a
name, even on disks that fold case or Unicode. A name depends on its article only.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from parsers.frontmatter.finews_post import SOURCE as FINEWS
from parsers.frontmatter.finews_post import is_id

MAX_NAME_BYTES = 200
_UNTOUCHED = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|\Z)", re.IGNORECASE
)
_HALF = re.compile("[\ud800-\udfff]")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"\\|?*]')


def file_name(source: str, source_article_id: str, day: str, extension: str) -> str:
    """Return the file name of an article's post; ``day`` (``YYYY-MM-DD``) may be empty."""
    front = f"{day}-" if day else ""
    if source == FINEWS and is_id(source_article_id):
        return f"{front}{source_article_id}{extension}"
    plain = f"{front}{source}_{source_article_id}{extension}"
    is_untouched = _UNTOUCHED.fullmatch(source) and _UNTOUCHED.fullmatch(source_article_id)
    if is_untouched and is_portable(plain):
        return plain
    digest = _digest(f"{source}:{source_article_id}")
    room = MAX_NAME_BYTES - len(front) - len(digest) - len(extension) - 1
    stem = _cut(f"{_speakable(source)}_{_speakable(source_article_id)}", room)
    return f"{front}{stem}_{digest}{extension}"


def component(text: str, *, max_bytes: int = 100) -> str:
    """Return a part of a file name that shows a text; it is not unique."""
    return _cut(_speakable(text), max_bytes)


def folded(path: str) -> str:
    """Return the form of a path on a disk that folds case and Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def is_inside(path: str) -> bool:
    """Return whether a relative path stays in its folder and names no hidden file."""
    return not any(
        part == "" or part.startswith(".") or "\0" in part or _HALF.search(part)
        for part in path.split("/")
    )


def is_portable(path: str) -> bool:
    """Return whether the path is inside its folder and valid on every disk, also Windows."""
    return is_inside(path) and not any(
        _FORBIDDEN.search(part)
        or _RESERVED.match(part)
        or part[-1] in " ."
        or len(part.encode("utf-8")) > MAX_NAME_BYTES
        for part in path.split("/")
    )


def distinct_paths(
    wanted: Iterable[tuple[str, str]], *, keep: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return distinct paths for an export, independent of the order.

    Articles with equal folded paths all get their hash appended. A path that leaves the
    folder or names a hidden file becomes a plain name.

    Args:
        wanted: Pairs of article_id and path.
        keep: The article_ids whose path must not change.
    """
    paths = {article_id: _inside(path, article_id) for article_id, path in wanted}
    for length in (12, 64):
        taken = Counter(map(folded, paths.values()))
        paths = {
            article_id: path
            if taken[folded(path)] == 1 or article_id in keep
            else _suffixed(path, article_id, length)
            for article_id, path in paths.items()
        }
    return paths


def _inside(path: str, article_id: str) -> str:
    if is_inside(path):
        return path
    return f"{_cut(_speakable(path), 100)}_{_digest(article_id)}.md"


def _suffixed(path: str, article_id: str, length: int) -> str:
    pure = PurePosixPath(path)
    digest = _digest(article_id, length)
    stem = _cut(pure.stem, MAX_NAME_BYTES - len(digest) - len(pure.suffix.encode()) - 1)
    return str(pure.with_name(f"{stem}_{digest}{pure.suffix}"))


def _speakable(text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    kept = "".join(character if character.isalnum() else "-" for character in normal)
    return re.sub(r"-{2,}", "-", kept).strip("-") or "post"


def _cut(text: str, room: int) -> str:
    return text.encode("utf-8", "ignore")[:room].decode("utf-8", "ignore").rstrip("-. ") or "post"


def _digest(text: str, length: int = 12) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
