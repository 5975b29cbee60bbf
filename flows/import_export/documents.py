"""Articles as one file of JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flows.csv_cells import safe_cell
from flows.pipeline.article_json import ARTICLE_KEYS, article_json
from parsers.model import Article

# Every version of copydesk begins a file with them.
_FIRST_KEYS = ARTICLE_KEYS[:5]
_LONGEST_LINE = 256 * 1024 * 1024


def write_jsonl(articles: Iterable[Article], file: Path) -> int:
    """Write one article JSON a line, UTF-8; return the number of lines."""
    number = 0
    with atomic_file(file) as out:
        for article in articles:
            line = json.dumps(article_json(article), ensure_ascii=False)
            out.write(f"{line}\n".encode("utf-8", "replace"))
            number += 1
    return number


def write_csv(articles: Iterable[Article], file: Path) -> int:
    """Write one article a row, UTF-8 with a byte order mark; return the number of rows.

    The file is for spreadsheets; see ``safe_cell``. JSON lines and Parquet hold the exact data as
    it is.
    """
    number = 0
    with atomic_file(file) as out:
        text = io.TextIOWrapper(out, encoding="utf-8-sig", errors="replace", newline="")
        table = csv.writer(text, lineterminator="\r\n")
        table.writerow(ARTICLE_KEYS)
        for article in articles:
            table.writerow([safe_cell(value) for value in article_json(article).values()])
            number += 1
        text.detach()  # flushes it; the file is closed with ``out``
    return number


def is_copydesk_file(file: Path) -> bool:
    """Whether copydesk wrote a file of JSON lines or CSV, by its first line."""
    try:
        with file.open("rb") as stream:
            line = stream.readline(_LONGEST_LINE)
    except OSError:
        return False
    if file.suffix == ".csv":
        return line.decode("utf-8-sig", "replace").startswith(",".join(_FIRST_KEYS))
    try:
        found = json.loads(line or b"{}")
    except ValueError:
        return False
    return not line or (isinstance(found, dict) and tuple(found)[: len(_FIRST_KEYS)] == _FIRST_KEYS)


@contextmanager
def atomic_file(file: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name when it is complete, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".copydesk-export-{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as out:
            yield out
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def replace_if_changed(file: Path, data: bytes) -> bool:
    """Write a file unless it has these bytes; return whether it was written."""
    if file.exists() and file.read_bytes() == data:
        return False
    with atomic_file(file) as out:
        out.write(data)
    return True
