"""Commands that run something: demo, demo-site, sources, sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.console import OK, Console, fits, table, usage, with_globals
from flows.cli.parameters import Number, OutFile
from flows.cli.progress import showing_progress

if TYPE_CHECKING:
    from flows.pipeline.stats import RunReport


def show(console: Console, report: RunReport) -> int:
    """Print what a run did; its exit code."""
    from flows.pipeline.stats import COUNTERS

    rows = [*(stats.as_json() for stats in report.stats), {"source": "total", **report.totals()}]
    names = (*COUNTERS, "seconds")
    found = table(rows, ("source", *names))
    if not fits(found):
        turned = [{"": name, **{row["source"]: row[name] for row in rows}} for name in names]
        found = table(turned, ("", *(row["source"] for row in rows)))
    lines = [found]
    lines += [f"! {problem}" for problem in report.errors]
    lines += [f"{report.flow} {report.state.replace('_', ' ')} (run {report.run_id})"]
    console.document(report.as_json(), "\n".join(lines))
    return report.exit_code


@click.command(
    short_help="Run the main job offline: demo site, Prefect, parsers, DuckDB.",
    epilog="Example: copydesk demo --keep demo",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Keep the warehouse and its configuration in this folder (default: thrown away).",
)
@with_globals
@click.pass_obj
def demo(console: Console, keep: Path | None) -> int:
    """Run the main job offline: demo site, Prefect, parsers, DuckDB.

    Starts the demo site on loopback, syncs every source once into a fresh warehouse,
    and shows counts, a sample query and the path of the file.
    """
    from flows.cli.demo_run import run_demo

    with showing_progress(console) as progress:
        shown = run_demo(keep, notify=console.note, progress=progress, verbosity=console.verbosity)
    if not console.json:
        console.say(shown.words)
    show(console, shown.report)
    return shown.exit_code


@click.command(
    "demo-site",
    short_help="Serve the recorded pages of every source on loopback.",
    epilog="Example: copydesk demo-site --port 8765",
)
@click.option(
    "--port",
    type=Number(0, 65535),
    metavar="PORT",
    help="Port on 127.0.0.1; 0, or none, picks a free one.",
)
@click.option(
    "--port-file",
    type=OutFile(),
    help="Write the port to this file once the site answers.",
)
@with_globals
@click.pass_obj
def demo_site(console: Console, port: int | None, port_file: Path | None) -> int:
    """Serve the recorded pages of every source on loopback, until Ctrl-C."""
    from flows.cli.demo_run import serve_demo_site

    serve_demo_site(port, port_file, notify=console.note)
    return OK


@click.group(
    invoke_without_command=True,
    short_help="Show what is configured, or check whether it answers.",
    epilog="Example: copydesk sources check",
)
@with_globals
@click.pass_context
def sources(context: click.Context) -> int:
    """Show what is configured; `sources check` fetches the listings of each."""
    if context.invoked_subcommand is not None:
        return OK
    from flows.admin.check_sources import describe_sources, sources_text

    console = context.find_object(Console)
    assert console is not None  # noqa: S101  # the group always has one
    settings = console.settings()
    console.document({"sources": describe_sources(settings)}, sources_text(settings))
    return OK


@sources.command(
    "check",
    short_help="Fetch the listings of each source once; say what they yield.",
    epilog="Example: copydesk sources check finews",
)
@click.argument("names", nargs=-1, metavar="[SOURCE]...")
@with_globals
@click.pass_obj
def check(console: Console, names: tuple[str, ...]) -> int:
    """Fetch the listings of each source once and say in one line what they yield.

    Below it stands a line for each problem. Nothing is stored. Exit code 3 when a source yields nothing or a listing is broken.
    """
    from flows.admin.check_sources import check_sources

    with showing_progress(console):
        found = check_sources(console.settings(), names)
    console.document(
        {"sources": [line.as_json() for line in found]}, "\n".join(line.words() for line in found)
    )
    return max((line.exit_code for line in found), default=OK)


@click.command(
    short_help="Fetch what is new into the warehouse.",
    epilog="Example: copydesk sync finews --limit 20",
)
@click.argument("names", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--limit", type=Number(1), metavar="N", help="At most this many entries of each source."
)
@click.option("--dry-run", is_flag=True, help="Say what would be fetched; fetch and store nothing.")
@with_globals
@click.pass_obj
def sync(console: Console, names: tuple[str, ...], limit: int | None, *, dry_run: bool) -> int:
    """Fetch what is new at every source (or the named ones) into the warehouse.

    Exit code 3 means: done, but something is in quarantine or a source is unwell.
    """
    from flows.serving.launch import run_sync

    settings = console.settings()
    if not settings.sources:
        usage("no source is configured; add a [sources.<name>] section")
    with showing_progress(console) as progress:
        report = run_sync(
            settings,
            names,
            config=console.config,
            limit=limit,
            dry_run=dry_run,
            notify=console.note,
            progress=progress,
            verbosity=console.verbosity,
        )
    if dry_run:
        console.list(report.warnings)
    return show(console, report)


COMMANDS = (demo, demo_site, sources, sync)
