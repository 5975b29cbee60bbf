"""``copydesk migrate-warehouse``."""

from __future__ import annotations

import click

from flows.cli.console import Console, with_global_options
from flows.cli.exit_codes import OK
from flows.cli.progress import show_progress


@click.command(
    name="migrate-warehouse",
    short_help="Copy the warehouse from a file to a lake, or back.",
    epilog="Example: copydesk migrate-warehouse data/copydesk.duckdb "
    "'ducklake:postgres:host=db dbname=news' --to-data s3://bucket/lake",
)
@click.argument("origin", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--from-data", default="", metavar="DIR", help="The folder or bucket of FROM.")
@click.option("--to-data", default="", metavar="DIR", help="The folder or bucket of TO.")
@with_global_options
@click.pass_obj
def migrate_warehouse(
    console: Console, origin: str, target: str, from_data: str, to_data: str
) -> int:
    """Copy the whole warehouse FROM a DuckDB file or a lake TO a new file or lake.

    FROM and TO are files, or lakes as in [warehouse] url. A lake has its Parquet files in a folder
    or a bucket, which is that of the configuration if the lake is. Every table is compared by
    counts and hashes. FROM stays as it is; writers of it wait. Stop `copydesk serve` before,
    because what is stored after the copy is in FROM only.

    An interrupted copy leaves no file, or a lake that every command refuses. The same command
    begins again. Exit code 2: TO has a warehouse already.
    """
    from flows.admin import migrate_warehouse as admin

    with show_progress(console) as on_progress:
        result = admin.migrate_warehouse(
            console.settings(), origin, target, origin_data=from_data, target_data=to_data,
            notify=console.notify, on_progress=on_progress,
        )  # fmt: skip
    console.print_result(result.as_json(), result.message())
    return OK
