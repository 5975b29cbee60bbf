"""What a publication changed in an article after publishing it: ``copydesk revisions``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows import word_diff
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from flows.text import pluralize
from flows.word_diff import Mark, Operation
from parsers.text.characters import single_line
from warehouse import connect_read_only
from warehouse.errors import NotFound
from warehouse.read.revisions import Revision, nearest_article_id, read_revisions

COMPARED_FIELDS = (
    "title", "text", "body_html", "published_at", "published_on", "updated_at", "completeness",
    "media",
)  # fmt: skip
_SHORT_FIELDS = COMPARED_FIELDS[3:]
_SHORT_HASH = 15
_HOW_TO_FIND = (
    "an id is SOURCE:ID. This lists ids: "
    "copydesk query \"select article_id, title from articles where title like '%WORDS%'\""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionHistory:
    """The revisions of one article, for people and as JSON.

    Attributes:
        revisions: In order of time.
        has_diff: Whether both forms show the changes of title and text.
    """

    article_id: str
    revisions: tuple[Revision, ...]
    has_diff: bool

    def as_json(self) -> dict[str, Any]:
        """The revisions; with the diff also the operations that lead from the one before."""
        rows = []
        for before, one in self._pairs():
            row = asdict(one)
            del row["body_html"], row["text"]
            row["changed_fields"] = changed_fields(before, one)
            row["is_other_parse"] = is_other_parse(before, one)
            if self.has_diff:
                row["diff"] = _diff_json(before, one) if before else None
            rows.append(row)
        return {"article_id": self.article_id, "revisions": rows}

    def lines(self, mark: Mark = word_diff.mark) -> list[str]:
        """A line for each revision, with the diff also its changes, marked with ``mark``."""
        lines = [f"{single_line(self.article_id)}: {pluralize(len(self.revisions), 'revision')}"]
        for before, one in self._pairs():
            lines.append("")
            lines += self._lines_of(before, one, mark)
        return lines

    def _pairs(self) -> Iterator[tuple[Revision | None, Revision]]:
        return zip((None, *self.revisions), self.revisions, strict=False)

    def _lines_of(self, before: Revision | None, one: Revision, mark: Mark) -> Iterator[str]:
        until = f"until {_time(one.valid_to)}" if one.valid_to else "current"
        short_hash = one.content_hash[:_SHORT_HASH]
        yield f"{one.revision}. from {_time(one.valid_from)}, {until}, {short_hash}"
        yield f"   title: {single_line(one.title or 'none')}"
        if before is None:
            return
        reason = " (another parse of the same page)" if is_other_parse(before, one) else ""
        yield f"   changed: {', '.join(changed_fields(before, one)) or 'nothing'}{reason}"
        if self.has_diff:
            yield from (f"   {line}" for line in _diff_lines(before, one, mark))


def read_history(settings: Settings, article_id: str, *, has_diff: bool = False) -> RevisionHistory:
    """Return the revisions of an article from the snapshot.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        NotFound: No article has this id; the message names the nearest known one.
    """
    snapshot = current_snapshot(settings)
    with connect_read_only(snapshot.path) as db:
        return history_in(db, article_id, has_diff=has_diff)


def history_in(
    db: DuckDBPyConnection, article_id: str, *, has_diff: bool = False
) -> RevisionHistory:
    """Return the revisions of an article from an open snapshot.

    Raises:
        NotFound: As ``read_history``.
    """
    found = read_revisions(db, article_id)
    if not found:
        raise unknown_article(db, article_id)
    return RevisionHistory(article_id=article_id, revisions=tuple(found), has_diff=has_diff)


def changed_fields(before: Revision | None, after: Revision) -> list[str]:
    """Return the names of the fields that differ; none for the first revision."""
    if before is None:
        return []
    return [name for name in COMPARED_FIELDS if getattr(before, name) != getattr(after, name)]


def is_other_parse(before: Revision | None, after: Revision) -> bool:
    """Whether a revision is another parse of the page of the one before, no change of the page."""
    return before is not None and before.valid_from == after.valid_from


def unknown_article(db: DuckDBPyConnection, article_id: str) -> NotFound:
    """Return the error for an id that no article has; it names the nearest known one."""
    if nearest := nearest_article_id(db, article_id):
        return NotFound(
            f"there is no article {article_id!r} in the snapshot, did you mean {nearest!r}?"
        )
    return NotFound(f"there is no article {article_id!r} in the snapshot; {_HOW_TO_FIND}")


def _diff_json(before: Revision, after: Revision) -> dict[str, Any]:
    return {
        name: [asdict(one) for one in diff_of(before, after, name)] for name in ("title", "text")
    }


def diff_of(before: Revision, after: Revision, name: str) -> tuple[Operation, ...]:
    """Return how a title or text changed; an absent one is as an empty one."""
    return word_diff.diff(getattr(before, name) or "", getattr(after, name) or "")


def _diff_lines(before: Revision, after: Revision, mark: Mark) -> Iterator[str]:
    changed = changed_fields(before, after)
    for name in _SHORT_FIELDS:
        if name in changed:
            old, new = _value(getattr(before, name)), _value(getattr(after, name))
            yield f"{name}: {mark('delete', old)}{mark('insert', new)}"
    if "title" in changed:
        operations = diff_of(before, after, "title")
        yield from (f"title: {line}" for line in word_diff.render(operations, mark))
    if "text" in changed:
        yield "text:"
        operations = diff_of(before, after, "text")
        yield from (f"  {line}" for line in word_diff.render(operations, mark))


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, tuple):
        return single_line(", ".join(one.url for one in value)) or "none"
    return "none" if value is None else single_line(str(value))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
