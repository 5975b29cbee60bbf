"""Quotes of names and texts in SQL that takes no parameters, such as ``ATTACH``."""

from __future__ import annotations

from pathlib import Path


def literal(text: str | Path) -> str:
    """Return a text or a path as a SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return the name of a database, table or column in quotes."""
    return '"' + name.replace('"', '""') + '"'
