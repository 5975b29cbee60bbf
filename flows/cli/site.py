"""``copydesk site``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.console import Console, usage_error, with_global_options
from flows.cli.parameters import Number

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.web.site.build import SiteResult
    from flows.web.site.options import SiteOptions

DEFAULT_PORT = 8767
LANGUAGES = ("en", "zh")
# Of DuckDB: the texts of a part of the articles.
_LIMITS = {"memory_limit": "256MB", "threads": "2"}


@click.command(
    short_help="Write a static site of the articles.",
    epilog="Example: copydesk site public --base-url https://news.example/ --serve",
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option(
    "--base-url",
    default="",
    metavar="URL",
    help="The public address of the site, for its feeds, sitemap.xml and 404.html.",
)
@click.option("--title", default="", metavar="TITLE", help="The name of the site.")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="Language of its own words (default: that of most articles).",
)
@click.option(
    "--source", "sources", multiple=True, metavar="SOURCE", help="Only this source; repeatable."
)
@click.option(
    "--one-per-content",
    is_flag=True,
    help="Of articles with the same content, show the first that was published only.",
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Templates, style.css and search.js in place of copydesk's; static/ is copied.",
)
@click.option("--serve", is_flag=True, help="Serve the site on 127.0.0.1 until Ctrl-C.")
@click.option(
    "--port",
    type=Number(0, 65535),
    default=DEFAULT_PORT,
    metavar="PORT",
    help=f"Port of --serve (default {DEFAULT_PORT}; 0 takes a free one).",
)
@with_global_options
@click.pass_obj
def site(
    console: Console,
    directory: Path,
    base_url: str,
    title: str,
    lang: str | None,
    sources: tuple[str, ...],
    templates: Path | None,
    *,
    one_per_content: bool,
    serve: bool,
    port: int,
) -> int:
    """Write a static site of the articles, from the snapshot; any web server can serve DIR.

    It has a front page, a page for each article, and lists by source, category, tag and day. It
    also has a search, Atom and JSON feeds, and with --base-url a sitemap.xml. Links are relative: the
    site works below any path, and opened as files. The next call writes what changed, and removes
    the pages of erased articles. A file that copydesk did not write, or that was edited since, is left alone (exit code 3).

    With --json: directory, articles, written, unchanged, removed, and left_alone, the reason
    by path; with --serve also url.
    """
    from flows.web.site.options import SiteOptions

    settings = console.settings()
    for name in sources:
        console.warn_unknown_source(name)
    try:
        options = SiteOptions(
            title=title or SiteOptions().title,
            base_url=base_url,
            language=lang or "",
            templates=templates,
            sources=sources,
            one_per_content=one_per_content,
            time_zone=settings.defaults.time_zone,
        )
    except ValueError as error:
        usage_error(str(error))
    result = write_site(settings, directory, options)
    if serve:
        _serve(console, result, options.base_url, port)
    else:
        console.print_result(result.as_json(), result.message())
    return result.exit_code


def write_site(settings: Settings, directory: Path, options: SiteOptions) -> SiteResult:
    """Write the site of the snapshot.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        WarehouseTooOld: An earlier copydesk published it.
        ConfigurationError: The folder or a template cannot be used.
    """
    from flows.pipeline.snapshot import current_snapshot
    from flows.web.site.build import build_site
    from warehouse import connect_for_queries
    from warehouse.migrate import check_version

    snapshot = current_snapshot(settings)
    with connect_for_queries(snapshot.path, _LIMITS) as db:
        check_version(db, snapshot.path)
        return build_site(db, directory, options)


def _serve(console: Console, result: SiteResult, base_url: str, port: int) -> None:
    import threading

    from flows.pipeline.signals import graceful_shutdown
    from flows.web.site.serve import serve_site

    stop = threading.Event()
    with graceful_shutdown(stop, lambda _message: None):
        serve_site(
            result.directory,
            base_url=base_url,
            port=port,
            stop=stop,
            on_ready=lambda url: console.print_result(
                {**result.as_json(), "url": url},
                f"{result.message()}\n{url} shows the site; Ctrl-C ends it",
            ),
        )
