"""A configured option that its parser cannot use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OptionError(ValueError):
    """A wrong option of a source; the message begins with the option's name."""


def choice(option: str, value: str, known: Iterable[str]) -> str:
    """The value, which is one of the known ones.

    Raises:
        OptionError: It is not; the message names the nearest.
    """
    names = list(known)
    if value not in names:
        raise OptionError(
            f"{option}: expected one of {', '.join(names)}, found {value!r}{nearest(value, names)}"
        )
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` when a known name is near, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
