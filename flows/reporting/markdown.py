"""Text that Prefect's UI renders as Markdown, escaped as code spans.

Nothing inside a code span is markup, a link or HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 300


def code_span(text: str, max_length: int = MAX_LENGTH) -> str:
    """Any text as a Markdown code span on one line; long text is cut."""
    visible = "".join(
        " " if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") else one for one in text
    )
    text = " ".join(visible.split())
    text = text if len(text) <= max_length else text[: max_length - 1] + "…"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{edge}{text}{edge}{fence}" if text else "(nothing)"


def bullet_list(lines: Iterable[str]) -> str:
    """Lines of any text as a Markdown list."""
    return "\n".join(f"- {code_span(line)}" for line in lines)
