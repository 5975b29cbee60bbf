"""Articles as one file of JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from flows.atomic_file import atomic_file
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
