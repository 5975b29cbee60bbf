"""Parameter schemas of deployments: what Prefect's server and UI refuse before a run starts.

The schema lists the configured sources and requires one of several groups of parameters. The
flow itself checks the rest, for example that a range of days ends after its start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.utilities.callables import ParameterSchema
from pydantic import ConfigDict

from flows.errors import ConfigurationError
from flows.reporting.states import run_trigger
from flows.settings import Settings


class _Schema(ParameterSchema):
    """A parameter schema with more keywords of JSON schema than Prefect sets."""

    model_config = ConfigDict(extra="allow")


def with_source_enum(flow: Flow[Any, Any], settings: Settings) -> ParameterSchema:
    """The flow's schema with ``source`` and ``sources`` limited to the configured ones.

    It refuses unknown parameters.
    """
    schema = _Schema(**flow.parameters.model_dump() | {"additionalProperties": False})
    for name, limit in (("source", _limit), ("sources", _limit_items)):
        if name in schema.properties:
            schema.properties[name] = limit(schema.properties[name], list(settings.sources))
    return schema


def require_readable(settings: Settings, *paths: str) -> None:
    """Refuse what a run of a deployment may not read.

    Prefect's API starts such a run. A run of the command line reads what its user names.

    Raises:
        ConfigurationError: A path or address is neither in the data folder nor in the archive.
    """
    if run_trigger() == "person":
        return
    folders = [settings.warehouse.folder.resolve(), settings.archive.path.resolve()]
    own = settings.archive.url.rstrip("/")
    for path in paths:
        if own and (path.rstrip("/") == own or path.startswith(f"{own}/")):
            continue
        if not any(Path(path).resolve().is_relative_to(folder) for folder in folders):
            raise ConfigurationError(
                f"{Path(path).absolute()} is not in the data folder ({folders[0]}): copy it there, "
                "or use the command line"
            )


def _limit(schema: dict[str, Any], values: list[str]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_limit(one, values) for one in schema["anyOf"]]}
    return {**schema, "enum": values} if schema.get("type") == "string" else schema


def _limit_items(schema: dict[str, Any], values: list[str]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_limit_items(one, values) for one in schema["anyOf"]]}
    if schema.get("type") == "array":
        return {**schema, "items": _limit(schema.get("items", {"type": "string"}), values)}
    return schema


def require(flow: Flow[Any, Any], *groups: tuple[str, ...]) -> Flow[Any, Any]:
    """Require that all parameters of one of the groups are given.

    The schema nests ``if`` in ``else``, because Prefect removes from objects, but not from lists
    (``anyOf``), what a deployment's own parameters already provide.
    """
    condition = _given(*groups[-1])
    for group in reversed(groups[:-1]):
        condition = {"if": _given(*group), "then": {}, "else": condition}
    flow.parameters = _Schema(**flow.parameters.model_dump(), **condition)
    return flow


def _given(*names: str) -> dict[str, Any]:
    is_given = {"not": {"enum": [None, ""]}}
    return {"required": list(names), "properties": dict.fromkeys(names, is_given)}
