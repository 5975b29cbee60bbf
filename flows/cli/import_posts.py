"""``copydesk import``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.console import Console, with_global_options
from flows.cli.parameters import new_warehouse_option
from flows.cli.progress import show_progress
from flows.cli.run_result import print_run


def _language(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from flows.import_export.site_folders import is_language

    if value is not None and not is_language(value):
        raise click.BadParameter(f"expected a language tag, such as zh-CN, found {value!r}.")
    return value


def _time_zone(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from flows.import_export.site_folders import zone_of

    if value is not None and zone_of(value) is None:
        raise click.BadParameter(
            f"expected a name of the IANA database, such as Asia/Shanghai, found {value!r}."
        )
    return value


@click.command(
    "import",
    short_help="Import existing Jekyll or Hexo posts.",
    epilog="Example: copydesk import my-site --language zh-CN --time-zone Asia/Shanghai",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--source", metavar="SOURCE", help="The source of posts that name none (default: posts)."
)
@click.option(
    "--language",
    metavar="TAG",
    callback=_language,
    help="The language of posts that name none, such as zh-CN (default: the site's).",
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    callback=_time_zone,
    help="The time zone of dates without one (default: the source's, else the site's, else UTC).",
)
@new_warehouse_option
@with_global_options
@click.pass_obj
def import_posts(
    console: Console,
    paths: tuple[Path, ...],
    source: str | None,
    language: str | None,
    time_zone: str | None,
    *,
    new_warehouse: bool,
) -> int:
    """Import existing Jekyll or Hexo posts: a site, or files and folders with all they hold.

    A folder with a _config.yml and posts is a site. Then only its folders _posts, _drafts and
    old_post are imported, wherever they are, and its language and time zone are those of posts
    without any. Files that are left out are counted with the reason. The provenance of an
    article records where its language and its time zone come from. Other posts are of Jekyll, Hexo
    or Hugo as the site around their folder is, else as most posts of the folder are.

    The same command resumes an interrupted import, and later reads only new and changed files.
    Exit code 3: a post cannot be read; it is in quarantine with its bytes.
    """
    from flows.import_export.find_posts import EXTENSIONS
    from flows.serve.run_local import run_import

    if new_warehouse:
        console.start_new_warehouse()
    with show_progress(console) as on_progress:
        report = run_import(
            console.settings(),
            paths,
            source=source,
            language=language,
            time_zone=time_zone,
            notify=console.notify,
            progress=on_progress,
        )
    if not report.totals()["discovered"]:
        console.notify(
            f"no post was found in {', '.join(map(str, paths))}: expected files that end in "
            f"{', '.join(sorted(EXTENSIONS))}"
        )
    return print_run(console, report)
