"""Measures the static site: all of it, then after some new articles, then after none.

``python tests/bench/site.py [--articles 37000] [--new 20] [--hugo]`` makes articles of 1,000 characters with
categories, tags and a picture. The floor is to write the same bytes as plain files. With ``--hugo``, Hugo
builds the same articles from ``copydesk export --format hugo``, if it is installed. Seconds are CPU of
processes of their own, with their start.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

from tests.newsroom import END, articles  # noqa: E402
from warehouse import ArticleRow, connect, observe, publish, transaction, upsert_articles  # noqa: E402

HUGO_PAGES = {
    "list.html": "{{ range .Paginator.Pages }}<a href='{{ .RelPermalink }}'>{{ .Title }}</a>{{ end }}",
    "single.html": "<h1>{{ .Title }}</h1><p>{{ .Date }}</p>{{ .Content }}",
}


def main() -> None:
    """Make the articles, build the site three times, and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=37_000)
    parser.add_argument("--new", type=int, default=20)
    parser.add_argument("--hugo", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copydesk.toml").write_text('[warehouse]\npath = "bench.duckdb"\n', "utf-8")
        made = rows()
        store(folder, islice(made, given.articles))
        site = ["site", str(folder / "site"), "--base-url", "https://news.example/"]
        show(f"site of {given.articles:,} articles", *copydesk(folder, *site))
        show("the same bytes as plain files", *measure([sys.executable, __file__, "copy", name]))
        newest = (replace(row, published_at=END + timedelta(minutes=n), published_on=END.date())
                  for n, row in enumerate(islice(made, given.new)))  # fmt: skip
        store(folder, newest)
        show(f"site after {given.new} new articles", *copydesk(folder, *site))
        show("site after none", *copydesk(folder, *site))
        files = [file for file in (folder / "site").rglob("*") if file.is_file()]
        search = [file for file in files if "search" in file.parts]
        for label, some in (("site", files), ("search", search)):
            print(
                f"{label}: {len(some):,} files, {sum(f.stat().st_size for f in some) / 1e6:.1f} MB"
            )
        if given.hugo and shutil.which("hugo"):
            build_with_hugo(folder)
        print(f"load {os.getloadavg()[0]:.1f}")


def rows() -> Iterator[ArticleRow]:
    """Articles with paragraphs, a picture, two of 20 categories and one of 500 tags each."""
    for n, row in enumerate(articles(1_000_000, text_length=1000)):
        text = row.text or ""
        paragraphs = "".join(f"<p>{text[at : at + 120]}</p>\n" for at in range(0, len(text), 120))
        yield replace(
            row,
            body_html=f'{paragraphs}<p><img src="https://images.example/{n}.jpg" alt=""></p>',
            categories=(f"栏目{n % 20}", f"栏目{(n * 7 + 3) % 20}"),
            tags=(*row.tags, f"tag {n % 500}"),
        )


def store(folder: Path, made: Iterator[ArticleRow]) -> None:
    """Store articles and publish the snapshot."""
    with connect(folder / "bench.duckdb") as db:
        while batch := list(islice(made, 2000)):
            with transaction(db):
                upsert_articles(db, map(observe, batch), run_id="run")
        publish(db, folder / "bench.read.duckdb")


def copydesk(folder: Path, *arguments: str) -> tuple[float, float]:
    """CPU and wall seconds of a command."""
    config = ["--config", str(folder / "copydesk.toml"), "-q"]
    return measure([sys.executable, "-m", "flows.cli", *config, *arguments])


def measure(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a process and its children."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=sys.path[0])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - wall


def show(label: str, cpu: float, wall: float) -> None:
    """Print one line."""
    print(f"{label:32} {cpu:6.2f} s of CPU, {wall:6.1f} s", flush=True)


def copy(folder: Path) -> None:
    """Write the files of the site again, as the floor."""
    for file in (folder / "site").rglob("*"):
        if file.is_file():
            target = folder / "copy" / file.relative_to(folder / "site")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())


def build_with_hugo(folder: Path) -> None:
    """Build the same articles with Hugo and two templates of one line."""
    hugo = folder / "hugo"
    copydesk(folder, "export", str(hugo), "--format", "hugo")
    (hugo / "layouts/_default").mkdir(parents=True)
    for name, text in HUGO_PAGES.items():
        (hugo / "layouts/_default" / name).write_text(text, "utf-8")
    (hugo / "hugo.toml").write_text('baseURL = "https://news.example/"\ntitle = "news"\n', "utf-8")
    show("Hugo, with templates of one line", *measure(["hugo", "--source", str(hugo), "--quiet"]))
    pages = sum(1 for _ in (hugo / "public").rglob("*.html"))
    print(f"Hugo: {pages:,} pages")


if __name__ == "__main__":
    if sys.argv[1:2] == ["copy"]:
        copy(Path(sys.argv[2]))
    else:
        main()
