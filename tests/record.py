"""Record a fixture, or update its expected result.

``python -m tests.record finews page.html --url https://... --case share-page`` saves the
page and a draft of its expected result; ``python -m tests.record finews`` drafts every
case of a parser again. The draft is the parser's current result: correct it by eye,
because it becomes the specification. Cut a page to what the parser needs; the rights stay
with its publisher. A changed article needs a new version of its parser.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from flows.scaffold.cases import (
    OUTCOMES,
    PAGE_SUFFIXES,
    SUFFIX,
    Case,
    case_in,
    changed_results,
    outcome,
    write,
)
from parsers import registry
from parsers.model import Parser
from tests.recorded import FIXTURES, cases_of, version_of, versions_file

TIMEOUT_SECONDS = 20
MAX_BYTES = 20_000_000


def main(arguments: list[str] | None = None) -> int:
    """Record the cases of the command line; return 0 when there was one."""
    options = _options(arguments)
    parser = registry.PARSERS[options.parser]
    folder = Path(options.folder) / parser.name
    if options.page is None:
        wanted = [case for case in cases_of(parser, folder) if options.case in {None, case.name}]
    else:
        wanted = [_saved(parser, folder, options)]
    refuse_old_version(parser, folder)
    for case in wanted:
        write(case)
        print(f"{case.file}: {', '.join(name for name in OUTCOMES if name in outcome(case))}")
    versions = json.dumps(version_of(parser, folder), indent=2)
    versions_file(parser, folder).write_text(versions + "\n", encoding="utf-8")
    return 0 if wanted else 1


def refuse_old_version(parser: Parser, folder: Path) -> None:
    """Refuse to record changed articles under the version of the earlier ones.

    Raises:
        SystemExit: The version was not raised.
    """
    file = versions_file(parser, folder)
    if not file.exists():
        return
    recorded = json.loads(file.read_text(encoding="utf-8"))
    if changed := changed_results(recorded, version_of(parser, folder)):
        raise SystemExit(
            f"parser {parser.name!r}: the articles of {', '.join(changed)} changed, and the version "
            f"is still {parser.version!r}: raise `version` in its PARSER, then record again. If no "
            f"article of this version was ever stored, delete {file} instead"
        )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    line = argparse.ArgumentParser(prog="python -m tests.record", description=__doc__)
    line.add_argument("parser", choices=list(registry.PARSERS))
    line.add_argument("page", nargs="?", help="a URL or a file; none updates the recorded cases")
    line.add_argument("--case", help="the name of the case")
    line.add_argument("--url", help="the URL of a page given as a file")
    line.add_argument("--channel", help="the page is a listing of this channel")
    line.add_argument("--item", type=int, help="parse this item of a feed as an article")
    line.add_argument("--entry", help="the entry of the listing that led to the page, as JSON")
    line.add_argument("--options", default="{}", help="the source's options, as JSON")
    line.add_argument("--content-type", default="", help="for a file")
    line.add_argument("--folder", default=str(FIXTURES), help=argparse.SUPPRESS)
    options = line.parse_args(arguments)
    if options.page and not options.case:
        line.error("--case NAME is needed to record a new page")
    return options


def _saved(parser: Parser, folder: Path, options: argparse.Namespace) -> Case:
    url, body, content_type = _page(options)
    given = json.loads(options.options)
    try:
        registry.make_source(parser.name, parser, given)
    except registry.OptionError as error:
        raise SystemExit(f"--options: {error}") from None
    kept: dict[str, Any] = {"url": url, "fetched_at": datetime.now(UTC).isoformat()}
    kept |= {"content_type": content_type} if content_type else {}
    kept |= {"options": given} if given else {}
    kept |= {"entry": json.loads(options.entry)} if options.entry else {}
    kept |= {"channel": options.channel} if options.channel else {}
    kept |= {"item": options.item} if options.item is not None else {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{options.case}{_suffix(options.page, body)}").write_bytes(body)
    file = folder / f"{options.case}{SUFFIX}"
    file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    return case_in(parser, file)


def _page(options: argparse.Namespace) -> tuple[str, bytes, str]:
    if not options.page.startswith(("http://", "https://")):
        file = Path(options.page)
        return options.url or file.absolute().as_uri(), file.read_bytes(), options.content_type
    with requests.get(options.page, timeout=TIMEOUT_SECONDS, stream=True) as answer:
        answer.raise_for_status()
        body = answer.raw.read(MAX_BYTES, decode_content=True)
        return options.page, body, answer.headers.get("Content-Type", "")


def _suffix(page: str, body: bytes) -> str:
    suffix = Path(urlsplit(page).path).suffix
    if suffix in PAGE_SUFFIXES:
        return suffix
    start = body.lstrip()[:200].lower()
    if start.startswith((b"{", b"[")):
        return ".json"
    return ".xml" if start.startswith((b"<?xml", b"<rss", b"<feed", b"<rdf")) else ".html"


if __name__ == "__main__":
    sys.exit(main())
