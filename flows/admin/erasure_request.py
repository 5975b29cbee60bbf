"""What is wished to be forgotten, and what came of it, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from flows.text import pluralize
from warehouse.care.erasure import ErasedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """What is to be forgotten: some articles, or a whole source."""

    article_ids: tuple[str, ...] = ()
    source: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that must rest meanwhile."""
        named = (one.partition(":")[0] for one in self.article_ids)
        return (self.source,) if self.source else tuple(sorted(set(named)))

    @property
    def names(self) -> tuple[str, ...]:
        """The articles, or the source."""
        return (self.source,) if self.source else self.article_ids

    def without(self, names: Sequence[str]) -> ErasureRequest:
        """The wish for the other articles only."""
        return replace(self, article_ids=tuple(one for one in self.article_ids if one not in names))

    def words(self) -> str:
        """What it is about, for a message."""
        if self.source:
            return f"the whole source {self.source}"
        some = ", ".join(self.article_ids[:5])
        return some + (
            f" and {len(self.article_ids) - 5} more" if len(self.article_ids) > 5 else ""
        )


@dataclass(slots=True, kw_only=True)
class ErasureResult:
    """What was removed, and what is still on the disk.

    Attributes:
        removed: Rows of the warehouse.
        erased: Pages overwritten in the archive.
        absent: Names of the wish of which nothing was stored; whether each was forgotten before.
        remains: What still holds the words, and what to do about each; for a person.
        notes: What nobody can see from here, to be thought of.
    """

    wish: ErasureRequest
    removed: ErasedRows
    erased: int = 0
    absent: dict[str, bool] = field(default_factory=dict)
    remains: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def not_found(self) -> list[str]:
        """What was never there, as far as is known: a wish for it may be a slip of the keyboard."""
        return [name for name, was_forgotten in self.absent.items() if not was_forgotten]

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing at all to remove."""
        return set(self.not_found) == set(self.wish.names) and not self.erased

    @property
    def exit_code(self) -> int:
        """3 when something is still to be done, or nothing was there."""
        return 3 if self.remains or self.not_found else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "forgotten": list(self.wish.article_ids) or [f"{self.wish.source}:*"],
            "removed": asdict(self.removed),
            "archived_pages_erased": self.erased,
            "not_found": self.not_found,
            "remains": self.remains,
            "notes": self.notes,
        }

    def words(self) -> str:
        """What was done, then a line for each thing that is left or was not there."""
        lines = []
        if not self.is_nothing:
            wish = self.wish.without(self.not_found)
            lines.append(f"forgot {wish.words()}: {counted(self.removed, self.erased)}")
        lines += [f"! {not_there(self.wish, name)}" for name in self.not_found]
        lines += [
            f"{name} was forgotten before; nothing more of it was there"
            for name, was_forgotten in self.absent.items()
            if was_forgotten
        ]
        lines += [f"! still there: {one}" for one in self.remains]
        return "\n".join([*lines, *self.notes])


def not_there(wish: ErasureRequest, name: str) -> str:
    """That nothing of a name is stored, and what to do."""
    if wish.source:
        return (
            f"nothing of the source {name} is stored, so nothing was deleted. It is kept out from "
            "now on; `copydesk sources` shows the names of sources, and "
            f"`copydesk erase --undo --source {name}` lets it in again"
        )
    return (
        f"nothing of {name} is stored, so nothing was deleted. It is kept out from now on; if "
        f"another one is meant, `copydesk erase --undo {name}` lets it in again, and "
        "`copydesk query` finds the ids of articles by their titles and addresses"
    )


def counted(found: ErasedRows, pages_in_archive: int) -> str:
    """How much there is (or was), in words."""
    contents = pluralize(found.contents, "content")
    return (
        f"{pluralize(found.articles, 'article')}, {contents} that no other article says, "
        f"{pluralize(found.posts, 'imported file')}, {pluralize(found.quarantine, 'page')} in quarantine, "
        f"{pluralize(found.pages, 'fetch', 'fetches')}, "
        f"{pluralize(pages_in_archive, 'raw page')} in the archive"
    )
