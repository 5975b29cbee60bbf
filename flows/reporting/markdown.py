"""Words of pages, made harmless where Prefect's UI takes text for Markdown.

They stand in code spans, inside of which nothing is markup, a link or HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

WORDS_KEPT = 300


def code_span(words: str, most: int = WORDS_KEPT) -> str:
    """Words as a Markdown code span on one line, whatever they hold; long ones are cut."""
    seen = "".join(
        " " if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") else one for one in words
    )
    text = " ".join(seen.split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{edge}{text}{edge}{fence}" if text else "(nothing)"


def bullet_list(lines: Iterable[str]) -> str:
    """Sentences that may hold words of pages, as a Markdown list."""
    return "\n".join(f"- {code_span(line)}" for line in lines)
