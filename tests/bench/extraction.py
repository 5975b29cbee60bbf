"""Measures the articles of the generic parser against trafilatura's, on pages with known articles.

    EXTRACTION_CORPUS=DIR python tests/bench/extraction.py [--sets A,B] [--peers PYTHON]
    EXTRACTION_CORPUS=DIR python tests/bench/extraction.py --by-publisher body,weights

DIR holds ``score.py``, and for each set ``gt.json`` and ``html/ID.html.gz``. The pages belong
to their publishers, so that they are not part of the project. ``score.py`` prints precision,
recall and F1 of the body, the shares of right titles, dates and authors, and milliseconds of
CPU a page. ``--peers`` names a Python that has trafilatura. The costs of copydesk follow: an
idle import, and one page of prose of 100 KB and of 5 MB. ``--by-publisher`` scores the pages
without each rule and with other values of each number instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.bench.extraction_bodies import BODIES
from tests.bench.extraction_fields import FIELDS
from tests.bench.extraction_rules import compare_rules

VARIABLE = "EXTRACTION_CORPUS"
TRAFILATURA = textwrap.dedent(
    """
    import gzip, json, sys, time
    import trafilatura

    found = {}
    for line in open(sys.argv[1], encoding="utf-8"):
        page = json.loads(line)
        html, started = gzip.open(page["html"]).read(), time.thread_time()
        try:
            read = trafilatura.bare_extraction(html, url=page["url"] or None, with_metadata=True)
            values = read.as_dict() if read is not None else {}
        except Exception as error:
            values = {"error": repr(error)}
        record = {name: values.get(name) for name in ("title", "text", "date", "author", "error")}
        record["ms"] = (time.thread_time() - started) * 1000
        found[page["id"]] = {name: value for name, value in record.items() if value}
    json.dump(found, open(sys.argv[2], "w", encoding="utf-8"))
    """
)


COSTS = textwrap.dedent(
    """
    import resource, sys, time
    from datetime import UTC, datetime

    def memory():
        with open("/proc/self/statm") as pages:
            return int(pages.read().split()[1]) * resource.getpagesize() / 1e6

    from parsers import registry
    from parsers.model import Page

    print(f"import of parsers.registry: {memory():.0f} MB")
    source = registry.make_source("generic", "generic", {})
    sentence = "The ferry came back to the harbour on Thursday, a year after the storm. "
    for size in (100_000, 100_000, 5_000_000):  # the first page fills caches
        body = f"<p>{sentence * 6}</p>" * (size // (len(sentence) * 6))
        text = f"<html><title>Ferry returns</title><h1>Ferry returns</h1><div>{body}</div></html>"
        page = Page(url="https://gazette.example/a", text=text, fetched_at=datetime.now(UTC))
        started = time.thread_time()
        registry.parse(source, page)
        spent = (time.thread_time() - started) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(f"prose of {size / 1000:,.0f} KB: {spent:,.0f} ms of CPU, peak {peak:.0f} MB")
    """
)


def main() -> int:
    """Score copydesk, and the peer where it is installed; return 0."""
    options = _options()
    corpus = Path(os.environ.get(VARIABLE, ""))
    if not (corpus / "score.py").is_file():
        print(f"Skipped: {VARIABLE} names no folder with score.py and the pages.")
        return 0
    if options.by_publisher is not None:
        modules = set(filter(None, options.by_publisher.split(",")))
        compare_rules(corpus, _folders(corpus, options.sets), modules, (BODIES, FIELDS))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "manifest.jsonl")
        pages = [page for each in _folders(corpus, options.sets) for page in _pages(each)]
        manifest.write_text("\n".join(map(json.dumps, pages)), encoding="utf-8")
        out = Path(folder, "found.json")
        copydesk = [sys.executable, "-m", "flows.cli", "parse", "--batch"]
        subprocess.run([*copydesk, manifest, out], check=True)
        _score("copydesk", corpus, out, options.sets)
        if _has_trafilatura(options.peers):
            subprocess.run([options.peers, "-c", TRAFILATURA, manifest, out], check=True)
            _score("trafilatura", corpus, out, options.sets)
        else:
            print(f"Left out: {options.peers} has no trafilatura (tests/bench/peers.txt).")
    print("\ncosts of copydesk", flush=True)
    subprocess.run([sys.executable, "-c", COSTS], check=True)
    return 0


def _folders(corpus: Path, sets: str) -> list[Path]:
    wanted = set(filter(None, sets.split(",")))
    folders = (path.parent for path in sorted(corpus.glob("*/gt.json")))
    return [folder for folder in folders if not wanted or folder.name in wanted]


def _pages(folder: Path) -> list[dict[str, str]]:
    truth = json.loads((folder / "gt.json").read_text(encoding="utf-8"))
    return [
        {"id": key, "html": str(folder / "html" / f"{key}.html.gz"), "url": page.get("url") or ""}
        for key, page in truth.items()
    ]


def _has_trafilatura(python: str) -> bool:
    command = [python, "-c", "import trafilatura"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _score(name: str, corpus: Path, found: Path, sets: str) -> None:
    print(f"\n{name}", flush=True)
    command = [sys.executable, corpus / "score.py", "--gt", corpus, "--pred", found]
    subprocess.run([*command, *(["--sets", sets] if sets else [])], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sets", default="", help="the sets to score, separated by commas")
    parser.add_argument("--peers", default=sys.executable, help="a Python with trafilatura")
    parser.add_argument(
        "--by-publisher",
        nargs="?",
        const="",
        metavar="MODULES",
        help="score each rule and number of these modules of parsers.extract (default: all)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
