"""``[defaults]``, ``[rsshub]`` and ``[sources.<name>]``: the keys of sources, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from flows import schedules
from flows.addresses import check_url
from parsers import registry
from parsers.model import Parser

DEFAULT_REVISIT = ("1h", "1d", "7d")
_ANY_PARSER = ("schedule", "time_zone", "revisit")
"""Keys of ``[defaults]`` that every source has; the others are options of some parsers."""


def _check_durations(given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        schedules.parse_duration(text)
    return given


Durations = Annotated[tuple[str, ...], AfterValidator(_check_durations)]
"""Texts that ``schedules.parse_duration`` reads."""


class DefaultSettings(BaseModel):
    """``[defaults]``: keys of every source that sets none.

    Attributes:
        language: For sources whose parser has the option and declares no language.
        categories: Likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str = ""
    time_zone: str = "UTC"
    revisit: Durations = DEFAULT_REVISIT
    language: str = ""
    categories: tuple[str, ...] = ()


class RsshubSettings(BaseModel):
    """``[rsshub]``: the instances that serve the ``route`` of a source.

    Attributes:
        instances: In order of preference; the next one is asked when one refuses or fails. A
            query of an address, such as an access key, is sent to that instance only.
        secret_env: Variables whose values replace ``{NAME}`` in the addresses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instances: tuple[str, ...] = ()
    secret_env: str | tuple[str, ...] = ()

    @field_validator("instances")
    @classmethod
    def _check_instances(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            check_url(one)
        return given


class SourceSettings(BaseModel):
    """``[sources.<name>]``: the keys of all sources; the others belong to the parser."""

    model_config = ConfigDict(extra="allow", frozen=True)

    parser: str
    schedule: str = ""
    time_zone: str = "UTC"
    revisit: Durations = DEFAULT_REVISIT
    secret_env: str | tuple[str, ...] = ()
    witness: str = ""
    daily_range: tuple[int, int] | None = None

    @field_validator("daily_range")
    @classmethod
    def _check_range(cls, given: tuple[int, int] | None) -> tuple[int, int] | None:
        if given is not None and not 0 <= given[0] <= given[1]:
            raise ValueError(f"expected the least and the most articles of a day, found {given}")
        return given


BUILT_IN_SOURCES: Mapping[str, Mapping[str, Any]] = {
    "finews": {
        "parser": "finews",
        "base_url": "http://finews.zning.xyz",
        "channels": ["emnews", "media", "market-37", "market-38", "market-39"],
        "schedule": "*/5 * * * *",
        "time_zone": "Asia/Shanghai",
    },
    "woshipm": {
        "parser": "woshipm",
        "base_url": "https://www.woshipm.com",
        "categories": ["新媒体", "人人都是产品经理", "最新文章"],
        "schedule": "*/30 * * * *",
        "time_zone": "Asia/Shanghai",
    },
    "ofweek": {
        "parser": "ofweek",
        "base_url": "https://www.ofweek.com",
        "schedule": "*/30 * * * *",
        "time_zone": "Asia/Shanghai",
    },
}


def complete_sources(given: dict[str, Any]) -> None:
    """Add what a ``[sources.<name>]`` leaves out.

    A section without ``parser`` changes the built-in source of its name; with a ``route`` it is a
    feed of RSSHub. Schedule and time zone then come from ``[defaults]``. A parser that declares a
    zone of its own keeps that zone.

    Args:
        given: The configuration as it was read; changed in place.
    """
    sources, defaults = given.get("sources"), given.get("defaults")
    if not isinstance(sources, dict):
        return
    defaults = defaults if isinstance(defaults, dict) else {}
    common = {key: defaults[key] for key in _ANY_PARSER if key in defaults}
    for slug, source in sources.items():
        if not isinstance(source, dict):
            continue
        if "parser" not in source and "route" in source:
            known = {**BUILT_IN_SOURCES.get(slug, {}), "parser": "rsshub"}
            known.pop("base_url", None)
            source = {**known, **source}
        elif "parser" not in source:
            source = {**BUILT_IN_SOURCES.get(slug, {}), **source}
        parser = None
        with suppress(registry.BrokenPlugin):  # a command that needs the source reports it
            parser = registry.PARSERS.get(str(source.get("parser")))
        built_in = BUILT_IN_SOURCES.get(slug, {})
        zone = str(parser.options.get("time_zone", "")) if parser else ""
        if built_in and source.get("parser") in (built_in["parser"], "rsshub"):
            zone = built_in["time_zone"]
        own = {"time_zone": zone} if "/" in zone else {}
        sources[slug] = {**common, **_options(defaults, parser), **own, **source}


def _options(defaults: Mapping[str, Any], parser: Parser | None) -> dict[str, Any]:
    """The defaults for options of a parser that are empty unless they are set."""
    known = parser.options if parser else {}
    return {
        key: value
        for key, value in defaults.items()
        if key not in _ANY_PARSER and key in known and not known[key]
    }
