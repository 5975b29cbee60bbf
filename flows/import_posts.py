"""The flow that imports existing posts; ``flows.import_export.import_files`` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.errors import ConfigurationError
from flows.import_export import import_files
from flows.import_export.site_folders import is_language, zone_of
from flows.pipeline import locks
from flows.pipeline.stats import RunReport
from flows.reporting.artifacts import create_result_table
from flows.reporting.parameters import require_readable
from flows.reporting.pool_run import load_settings
from flows.reporting.states import final_state, invalid_request_state, run_trigger


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    return f"import {' '.join(given.get('paths') or [])}"[:200]


def _require_posts(paths: list[str]) -> None:
    missing = [path for path in paths if not Path(path).exists()]
    if missing or not paths:
        where = f"nothing at {', '.join(missing)}" if missing else "no path"
        raise ConfigurationError(
            f"expected files or folders of posts on the machine that runs this, found {where}"
        )


def _require_options(language: str | None, time_zone: str | None) -> None:
    if language and not is_language(language):
        raise ConfigurationError(f"expected a language tag, such as zh-CN, found {language!r}")
    if time_zone and zone_of(time_zone) is None:
        raise ConfigurationError(
            f"expected a time zone, such as Asia/Shanghai, found {time_zone!r}"
        )


@flow(name="import", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def import_posts(
    paths: list[str],
    source: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    config: str | None = None,
) -> State[RunReport]:
    """Import existing Jekyll or Hexo posts into the warehouse.

    Args:
        paths: Files and folders in the data folder of the machine that runs the import.
        source: The source of posts that name none.
        language: The language of posts that name none, such as zh-CN.
        time_zone: The time zone of dates without one, such as Asia/Shanghai.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    try:
        settings = load_settings(config)
        require_readable(settings, *paths)
        _require_posts(paths)
        _require_options(language, time_zone)
    except ConfigurationError as error:
        return invalid_request_state(error)
    with locks.acquire(settings, "import", flow="import", run_id="of posts"):
        report = import_files.import_posts(
            settings,
            [Path(path) for path in paths],
            source=source,
            language=language,
            time_zone=time_zone,
            trigger=run_trigger(),
        )
    table = [stats.as_json() for stats in report.stats]
    create_result_table(
        "copydesk-import", table, f"Run {report.run_id}: {report.state}", report.errors
    )
    return final_state(report)
