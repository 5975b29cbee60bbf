"""The configuration: ``copydesk.toml``, then the environment, read once.

Every key is also an environment variable ``COPYDESK_<SECTION>__<KEY>``, for example
``COPYDESK_WAREHOUSE__PATH=/data/news.duckdb``. Its value is read as TOML where it is TOML
(``5``, ``true``, ``["a", "b"]``), else as a string. Relative paths start at the folder of the
configuration file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from flows import schedules
from flows.addresses import check_url, host_and_port, parse_proxy
from flows.alert_settings import AlertSettings
from flows.errors import ConfigurationError, UnusableParser
from flows.publish_settings import Publications, publication_schedules, with_absolute_folders
from flows.schedules import Schedule
from flows.secrets.configuration import mask_secrets
from flows.secrets.redact import redact_text
from flows.settings_file import did_you_mean, explain, parse_value, read_file
from flows.source_settings import (
    BUILT_IN_SOURCES,
    DefaultSettings,
    RsshubSettings,
    SourceSettings,
    complete_sources,
)
from flows.text import DEFAULT_USER_AGENT
from flows.warehouse_settings import WarehouseSettings, check_lake
from parsers import registry
from parsers.model import BadEntry, Source
from parsers.sources.rsshub import ANY_INSTANCE, feed_url

DEFAULT_FILE = Path("copydesk.toml")
PREFIX = "COPYDESK_"
CONFIG_DIGEST = f"{PREFIX}CONFIG_DIGEST"
"""Variable of a run: the digest of the configuration that was deployed (``flows.serve.pool``)."""
RESERVED_NAMES = frozenset({"all", "import", "maintenance", "reparse"})
"""Names of deployments and locks that are not a source's."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArchiveSettings(_Section):
    """``[archive]``: the WARC files.

    With ``url``, ``path`` is the folder of the files that wait for their upload.
    """

    path: Path = Path("data/archive")
    url: str = Field(default="", pattern=r"^(s3://[a-z0-9][a-z0-9.-]{2,62}(/[^?#@]*)?)?$")


class FetchSettings(_Section):
    """``[fetch]``: how pages are fetched; see ``flows.fetch.FetchPolicy``."""

    user_agent: str = Field(default=DEFAULT_USER_AGENT, min_length=3, pattern=r"^[\x20-\x7e]+$")
    timeout_seconds: float = Field(default=20.0, gt=0, le=600)
    deadline_seconds: float = Field(default=120.0, gt=0, le=3600)
    max_body_bytes: int = Field(default=20_000_000, gt=0)
    concurrency: int = Field(default=16, ge=1, le=256)
    per_host_concurrency: int = Field(default=2, ge=1, le=64)
    per_host_delay_seconds: float = Field(default=0.0, ge=0, le=3600)
    allow_private_hosts: tuple[str, ...] = ()
    source_hosts: tuple[str, ...] = ()
    respect_robots: bool = True
    revalidate_after_days: float = Field(default=7.0, ge=0, le=3650)
    proxy: str = Field(default="", repr=False)
    secret_parameters: tuple[str, ...] = ()

    @field_validator("allow_private_hosts", "source_hosts")
    @classmethod
    def _check_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for entry in given:
            host_and_port(entry)
        return given

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, given: str) -> str:
        return parse_proxy(given) if given else ""


class RunSettings(_Section):
    """``[run]``: transactions and snapshots of a run, and what does its work."""

    task_runner: Literal["threads", "dask", "ray"] = "threads"
    cluster: str = ""
    workers: int = Field(default=0, ge=0, le=1024)
    batch_size: int = Field(default=200, ge=1, le=5000)
    snapshot_every_batches: int = Field(default=20, ge=1, le=100_000)
    max_revisits: int = Field(default=100, ge=0, le=100_000)


class RetentionSettings(_Section):
    """``[retention]``: how long maintenance keeps rows without content, and versions of a lake."""

    fetches_days: int = Field(default=90, ge=1, le=36_500)
    runs_days: int = Field(default=365, ge=1, le=36_500)
    versions_hours: int = Field(default=24, ge=1, le=8_760)


class ServeSettings(_Section):
    """``[serve]``: the Prefect server and the schedules of ``copydesk serve``.

    The password of the server is no key: it comes from PREFECT_SERVER_API_AUTH_STRING.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=4200, ge=1, le=65_535)
    max_concurrent_runs: int = Field(default=4, ge=1, le=64)
    run_retention_days: int = Field(default=14, ge=1, le=3650)
    maintenance_schedule: str = "30 4 * * *"


class Settings(_Section):
    """The whole configuration, validated."""

    warehouse: WarehouseSettings = WarehouseSettings()
    archive: ArchiveSettings = ArchiveSettings()
    fetch: FetchSettings = FetchSettings()
    run: RunSettings = RunSettings()
    retention: RetentionSettings = RetentionSettings()
    serve: ServeSettings = ServeSettings()
    alerts: AlertSettings = AlertSettings()
    defaults: DefaultSettings = DefaultSettings()
    rsshub: RsshubSettings = RsshubSettings()
    publish: Publications = Field(default_factory=dict)
    sources: dict[str, SourceSettings] = Field(
        default_factory=lambda: {
            slug: SourceSettings.model_validate(source) for slug, source in BUILT_IN_SOURCES.items()
        }
    )

    def source(self, slug: str) -> Source:
        """The configured source of that name.

        Raises:
            ConfigurationError: No source has that name, or its options are wrong.
        """
        try:
            settings = self.sources[slug]
        except KeyError:
            raise ConfigurationError(
                f"there is no source {slug!r}{did_you_mean(slug, self.sources)}; "
                f"configured are: {', '.join(self.sources) or 'none'}"
            ) from None
        return _source(slug, settings, self.rsshub)

    def time_zones(self) -> dict[str, ZoneInfo]:
        """The declared time zone of each source; ``""`` has that of all other sources."""
        declared: dict[str, DefaultSettings | SourceSettings] = {"": self.defaults, **self.sources}
        return {
            slug: ZoneInfo(source["time_zone"]) for slug, source in BUILT_IN_SOURCES.items()
        } | {
            slug: ZoneInfo(settings.time_zone)
            for slug, settings in declared.items()
            if "time_zone" in settings.model_fields_set
        }

    def selected_sources(self, slugs: tuple[str, ...] = ()) -> tuple[Source, ...]:
        """The named sources in the order of the configuration; all of them if none is named."""
        for slug in slugs:
            self.source(slug)
        return tuple(self.source(slug) for slug in self.sources if not slugs or slug in slugs)

    def usable_sources(self) -> tuple[Source, ...]:
        """All sources except those whose parser is in a package that cannot be used."""
        found = []
        for slug in self.sources:
            with suppress(UnusableParser):
                found.append(self.source(slug))
        return tuple(found)

    def unusable_sources(self) -> dict[str, str]:
        """Why the other sources cannot be used, by name."""
        found = {}
        for slug in self.sources:
            try:
                self.source(slug)
            except UnusableParser as error:
                found[slug] = str(error)
        return found


def resolve_config_file(file: Path | None) -> Path | None:
    """The absolute path of the configuration file; ``None`` when there is none.

    A later process that reads this path fails when the file is gone, instead of falling back
    to the built-in sources.
    """
    if file is None and not DEFAULT_FILE.exists():
        return None
    return (file or DEFAULT_FILE).absolute()


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read a configuration file and the environment; paths of the result are absolute.

    Args:
        file: The file; ``None`` means ``copydesk.toml`` if it exists, else defaults.
        environ: The environment; ``None`` means that of the process.

    Raises:
        ConfigurationError: The file is missing or unreadable, or a key is unknown or wrong.
    """
    given = read_file(file or DEFAULT_FILE, must_exist=file is not None)
    file = file or DEFAULT_FILE
    environ = os.environ if environ is None else environ
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name not in (f"{PREFIX}CONFIG", CONFIG_DIGEST):
            _put(given, name.removeprefix(PREFIX).lower().split("__"), parse_value(text))
    complete_sources(given)
    mask_secrets(given, environ)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        lines = [
            f"{file} and the environment hold wrong keys:",
            *(explain(one, Settings) for one in error.errors()),
        ]
        raise ConfigurationError(redact_text("\n".join(lines))) from None
    try:
        check_lake(settings.warehouse)
        _check_zone("defaults.time_zone", settings.defaults.time_zone)
        settings.usable_sources()  # a command that needs another one reports it
        for slug, source in settings.sources.items():
            _check_witness(slug, source.witness, settings)
        source_schedules(settings)
        maintenance_schedule(settings)
        publication_schedules(settings.publish, settings.defaults.time_zone)
    except ConfigurationError as error:
        message = f"{file} and the environment hold a wrong key:\n  {error}"
        raise ConfigurationError(redact_text(message)) from None
    return _with_absolute_paths(settings, file.absolute().parent)


def source_schedules(settings: Settings) -> dict[str, Schedule]:
    """The schedules of the sources that have one.

    Raises:
        ConfigurationError: A schedule or a time zone cannot be used.
    """
    return {
        slug: _schedule(f"sources.{slug}.schedule", source.schedule, source.time_zone)
        for slug, source in settings.sources.items()
        if source.schedule
    }


def maintenance_schedule(settings: Settings) -> Schedule | None:
    """The schedule of maintenance, if it has one, in the zone of ``[defaults]``.

    Raises:
        ConfigurationError: The schedule cannot be used.
    """
    text = settings.serve.maintenance_schedule
    return (
        _schedule("serve.maintenance_schedule", text, settings.defaults.time_zone) if text else None
    )


def _schedule(key: str, text: str, zone: str) -> Schedule:
    try:
        return schedules.parse_schedule(text, zone)
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from None


def _check_zone(key: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        names = {name.casefold(): name for name in available_timezones()}
        close = difflib.get_close_matches(zone.strip().casefold(), names, n=1, cutoff=0.8)
        hint = f", did you mean {names[close[0]]!r}?" if close else ""
        raise ConfigurationError(
            f"{key}: expected a zone of the IANA list, such as 'Asia/Shanghai', 'Europe/Berlin' or "
            f"'UTC', found {zone!r}{hint}; without a zone to name, leave the key out"
        ) from None


def _put(given: dict[str, Any], path: list[str], value: Any) -> None:
    *sections, key = path
    if sections[:1] == ["sources"] and "sources" not in given:
        given["sources"] = {slug: dict(source) for slug, source in BUILT_IN_SOURCES.items()}
    for section in sections:
        inner = given.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"{'.'.join(path)}: {section} is a value, not a section")
        given = inner
    given[key] = value


def _source(slug: str, settings: SourceSettings, rsshub: RsshubSettings) -> Source:
    _check_zone(f"sources.{slug}.time_zone", settings.time_zone)
    try:
        parser = registry.PARSERS.get(settings.parser)
    except registry.BrokenPlugin as error:
        raise UnusableParser(f"sources.{slug}.parser: {error}") from error
    if parser is None:
        raise ConfigurationError(
            f"sources.{slug}.parser: there is no parser {settings.parser!r}"
            f"{did_you_mean(settings.parser, registry.PARSERS)}; "
            f"there are: {', '.join(registry.PARSERS)}; a parser of another package needs that "
            "package in this environment"
        )
    if not _SLUG.fullmatch(slug):
        raise ConfigurationError(
            f"sources.{slug}: expected a name of small letters, digits, _ and -, found {slug!r}: "
            "it is the first half of every article_id"
        )
    if slug in RESERVED_NAMES:
        raise ConfigurationError(
            f"sources.{slug}: {', '.join(sorted(RESERVED_NAMES))} are names that copydesk uses: "
            "give the source another name"
        )
    options = dict(settings.model_extra or {})
    if "time_zone" in parser.options and "time_zone" in settings.model_fields_set:
        options["time_zone"] = settings.time_zone
    if options.get("route") and not options.get("url"):
        if not rsshub.instances:
            raise ConfigurationError(
                f"sources.{slug}.route: expected the address of an RSSHub instance in [rsshub] "
                'instances = ["https://..."], found none; or give the whole address as url'
            )
        options["url"] = feed_url(ANY_INSTANCE, str(options["route"]))
    try:
        source = registry.make_source(slug, settings.parser, options)
    except registry.OptionError as error:
        raise ConfigurationError(f"sources.{slug}.{error}") from None
    except registry.BrokenPlugin as error:
        raise UnusableParser(f"sources.{slug}.parser: {error}") from error
    _check_addresses(source)
    return source


def _check_addresses(source: Source) -> None:
    for name, value in source.options.items():
        key = f"sources.{source.slug}.{name}"
        if name.endswith("url"):
            _check_address(key, str(value))
        if name == "channels" and not (value or source.options.get("article_urls")):
            raise ConfigurationError(f"{key}: expected at least one, found none")
        if name.endswith("urls") and isinstance(value, tuple):
            for one in value:
                _check_address(key, one)
    for entry in registry.article_url_entries(source):
        if isinstance(entry, BadEntry):
            raise ConfigurationError(f"sources.{source.slug}.article_urls: {entry.error}")


def _check_witness(slug: str, witness: str, settings: Settings) -> None:
    if ":/" in witness:
        _check_address(f"sources.{slug}.witness", witness)
    elif witness and (witness == slug or witness not in settings.sources):
        others = [name for name in settings.sources if name != slug]
        raise ConfigurationError(
            f"sources.{slug}.witness: expected the address of a feed or a sitemap, or another source "
            f"({', '.join(others) or 'there is none'}), found {witness!r}{did_you_mean(witness, others)}"
        )


def _check_address(key: str, url: str) -> None:
    try:
        check_url(url)
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from None


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    def absolute(section: _Section, *names: str) -> _Section:
        paths = {name: folder / getattr(section, name).expanduser() for name in names}
        return section.model_copy(update=paths)

    sections: dict[str, Any] = {
        "warehouse": settings.warehouse.with_absolute_paths(folder),
        "archive": absolute(settings.archive, "path"),
    }
    own = {
        "the archive": sections["archive"].path,
        "the state of publications": sections["warehouse"].folder / "publish",
    }
    sections["publish"] = with_absolute_folders(settings.publish, folder, own)
    return settings.model_copy(update=sections)
