"""The parameter forms of flows: what Prefect's server and UI refuse before a run is made.

A JSON schema can name the sources that there are and demand a window or something else;
that a window ends after it begins only code can check: the flow does so first of all, and
ends with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect import Flow
from prefect.utilities.callables import ParameterSchema
from pydantic import ConfigDict

from flows.settings import Settings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment


class _Form(ParameterSchema):
    """A schema with more demands than Prefect makes, in JSON schema's own words."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class ParameterSchemaFlow:
    """A flow together with the form that its deployments shall have."""

    flow: Flow[Any, Any]
    form: ParameterSchema

    def to_deployment(self, **options: Any) -> RunnerDeployment:
        """The flow's deployment with this form; Prefect would make one from the signature."""
        made: Any = self.flow.to_deployment(**options)
        made._parameter_openapi_schema = self.form
        deployment: RunnerDeployment = made
        return deployment


def with_source_enum(flow: Flow[Any, Any], settings: Settings) -> ParameterSchemaFlow:
    """The flow with a form that offers the configured sources and no others.

    The form is closed: a parameter the flow does not have is refused by its name, where
    the run would only crash.
    """
    form = _Form(**flow.parameters.model_dump() | {"additionalProperties": False})
    offered = list(settings.sources)
    for name, schema in form.properties.items():
        if name == "source":
            form.properties[name] = _choice(schema, offered)
        elif name == "sources":
            form.properties[name] = _choices(schema, offered)
    return ParameterSchemaFlow(flow, form)


def _choice(schema: dict[str, Any], offered: list[str]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_choice(one, offered) for one in schema["anyOf"]]}
    return {**schema, "enum": offered} if schema.get("type") == "string" else schema


def _choices(schema: dict[str, Any], offered: list[str]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_choices(one, offered) for one in schema["anyOf"]]}
    if schema.get("type") == "array":
        return {**schema, "items": _choice(schema.get("items", {"type": "string"}), offered)}
    return schema


def require(flow: Flow[Any, Any], *ways: tuple[str, ...]) -> Flow[Any, Any]:
    """The flow, its form demanding that every parameter of one of the ways is given.

    Written as one ``if`` inside the other: what is not required of a deployment's own
    parameters Prefect strips from objects, and forgets to strip from lists (``anyOf``).
    """
    demand = _given(*ways[-1])
    for way in reversed(ways[:-1]):
        demand = {"if": _given(*way), "then": {}, "else": demand}
    flow.parameters = _Form(**flow.parameters.model_dump(), **demand)
    return flow


def _given(*names: str) -> dict[str, Any]:
    is_something = {"not": {"enum": [None, ""]}}
    return {"required": list(names), "properties": dict.fromkeys(names, is_something)}
