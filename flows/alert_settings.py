"""``[alerts]``: who gets messages about the sources, and saved queries."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FROM_ENVIRONMENT = "env:"
"""Begins an entry that names an environment variable in place of an address."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+]*://\S*|env:[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class QuerySettings(BaseModel):
    """``[alerts.queries.<name>]``: a saved query; its new rows are sent.

    Attributes:
        sql: One read-only statement.
        search: Words that the title or the text of an article has, instead of ``sql``.
        key: The columns that make a row; ``article_id`` if there is one, else all of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: str = ""
    search: str = ""
    key: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> QuerySettings:
        if bool(self.sql.strip()) == bool(self.search.strip()):
            raise ValueError("expected one of sql and search")
        return self


class AlertSettings(BaseModel):
    """``[alerts]``: the addresses, as Apprise writes them. They may hold tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: tuple[str, ...] = Field(default=(), repr=False)
    queries: dict[str, QuerySettings] = Field(default_factory=dict)

    @field_validator("to", mode="before")
    @classmethod
    def _accept_one(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) and given else given or []

    @field_validator("to")
    @classmethod
    def _check_addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for number, address in enumerate(given, 1):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(
                    f"expected addresses such as mailto://... and ntfy://..., or {FROM_ENVIRONMENT}"
                    f"VARIABLE; entry {number} is neither"
                )
        return given

    @field_validator("queries")
    @classmethod
    def _check_names(cls, given: dict[str, QuerySettings]) -> dict[str, QuerySettings]:
        for name in given:
            if not _NAME.fullmatch(name):
                raise ValueError(f"expected names of small letters, digits, _ and -, not {name!r}")
        return given
