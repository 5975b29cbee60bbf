"""Types of options: days, times, numbers, output files."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click

_DAY = "%Y-%m-%d"
_TIMES = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%z")


class Moment(click.DateTime):
    """A day or a time with or without its zone; naive without.

    Args:
        days_only: Accept days only.
    """

    def __init__(self, *, days_only: bool = False) -> None:
        super().__init__((_DAY,) if days_only else (_DAY, *_TIMES))
        self._expected = (
            "a day, such as 2022-03-14"
            if days_only
            else "a day or a time, such as 2022-03-14 or 2022-03-14T20:43:16+08:00"
        )
        self._metavar = "YYYY-MM-DD" if days_only else "YYYY-MM-DD[THH:MM:SS[+HH:MM]]"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The format as the help shows it."""
        return self._metavar

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The parsed time; the error shows an example."""
        try:
            moment: datetime = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"expected {self._expected}, found {value!r}.", param, ctx)
        return moment


class OutFile(click.Path):
    """A file to write: its folder must exist.

    Args:
        regular_only: Refuse devices and pipes, because the file is replaced as a whole.
    """

    def __init__(self, *, regular_only: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=False)
        self._regular_only = regular_only

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path of the file."""
        file = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not file.parent.is_dir():
            self.fail(
                f"there is no folder {file.parent} to write {file.name} into: create it, or name "
                "another folder.",
                param,
                ctx,
            )
        if self._regular_only and file.exists() and not file.is_file():
            self.fail(f"{file} is no regular file: name a new file.", param, ctx)
        return file


class Number(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


DAY = Moment(days_only=True)
MOMENT = Moment()


new_warehouse_option = click.option(
    "--new-warehouse",
    is_flag=True,
    help="Start an empty warehouse in place of one that is missing or damaged; keep all files.",
)
