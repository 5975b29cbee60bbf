"""Write the demo site's pages: edition 1 of the test site, as a sync and backfills ask for it.

``python -m tests.site.record`` rewrites ``flows/demo_site/pages.jsonl``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import flows.demo_site
from flows.cli import demo_run
from tests import site
from tests.site.router import represent

PAGES = Path(flows.demo_site.__file__).with_name("pages.jsonl")
SOURCES = ("finews", "woshipm", "woshipm_direct", "ofweek", "ofweek_feed")
EVERY_DAY = ("--from", "2010-01-01", "--to", "2022-12-31")


def requested() -> list[str]:
    """The targets that a sync and a backfill of every source ask the test site for."""
    with tempfile.TemporaryDirectory() as folder, site.serve(0) as news_site:
        config = demo_run.write_config(
            Path(folder), port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        copydesk = (sys.executable, "-m", "flows.cli", "--config", str(config), "--quiet")
        for job in (("sync",), *(("backfill", source, *EVERY_DAY) for source in SOURCES)):
            subprocess.run((*copydesk, *job), check=False)  # entries broken on purpose: exit 3
        return sorted({request.target for request in news_site.requests})


def recorded(targets: list[str]) -> Iterator[str]:
    """One JSON line per target, in the order given."""
    for target in targets:
        answer = represent(target, 1).answer
        charset, text = decoded(answer.body)
        yield json.dumps(
            {
                "target": target,
                "content_type": answer.content_type,
                "charset": charset,
                "body": text,
            },
            ensure_ascii=False,
        )


def decoded(body: bytes) -> tuple[str, str]:
    """The first of some charsets that keeps every byte of a body, and the text."""
    for charset in ("utf-8", "gb18030"):
        with suppress(UnicodeError):
            if (text := body.decode(charset)).encode(charset) == body:
                return charset, text
    return "latin-1", body.decode("latin-1")


if __name__ == "__main__":
    PAGES.write_text("\n".join(recorded(requested())) + "\n", "utf-8")
    sys.stdout.write(f"{PAGES}\n")
