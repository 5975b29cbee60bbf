"""Mask the secrets of a configuration, as ``copydesk.toml`` and the environment give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard
from urllib.parse import quote

from flows.errors import ConfigurationError
from flows.secrets.urls import SECRETS
from parsers.sources.rsshub import ANY_INSTANCE, feed_url


def mask_secrets(given: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Replace the secrets of every address by marks; only the fetcher knows them then.

    Raises:
        ConfigurationError: A variable of ``secret_env`` is not set.
    """
    fetch, rsshub, sources = (given.get(name) for name in ("fetch", "rsshub", "sources"))
    if isinstance(fetch, dict) and isinstance(names := fetch.get("secret_parameters"), list):
        SECRETS.add_names(filter(_is_text, names))
    instances: list[Any] = []
    if isinstance(rsshub, dict) and isinstance(rsshub.get("instances"), list):
        values = _secret_values("rsshub.secret_env", rsshub.get("secret_env"), environ)
        instances = [_mask(one, "rsshub", values) for one in rsshub["instances"]]
        rsshub["instances"] = instances
    for slug, source in sources.items() if isinstance(sources, dict) else ():
        if not isinstance(source, dict):
            continue
        values = _secret_values(f"sources.{slug}.secret_env", source.get("secret_env"), environ)
        for key, value in source.items():
            if key == "route" and _is_text(value):
                source[key] = _mask_route(slug, value, instances, values)
            elif key != "secret_env":
                source[key] = _mask(value, slug, values, is_page=key == "article_urls")


def _mask_route(slug: str, route: str, instances: list[Any], values: Mapping[str, str]) -> str:
    """A route with its secrets masked, which every instance gets.

    Raises:
        ConfigurationError: An instance has another secret under the same name.
    """
    found = {}
    for instance in map(str, instances or [ANY_INSTANCE]):
        base = instance.partition("?")[0]
        url = str(_mask(feed_url(base, route), slug, values))
        found[url.removeprefix(base.rstrip("/"))] = instance
    if len(found) > 1:
        raise ConfigurationError(
            f"sources.{slug}.route: expected no parameter that holds a secret of an instance of "
            "[rsshub], too: give the secret to the instance only"
        )
    return next(iter(found))


def _secret_values(key: str, names: Any, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of the variables that ``secret_env`` names, percent-encoded."""
    names = [names] if isinstance(names, str) else names if isinstance(names, list) else []
    for name in names:
        if not environ.get(str(name)):
            raise ConfigurationError(
                f"{key}: the environment variable {name} is not set; its value replaces "
                f"{{{name}}} in the addresses of the source"
            )
    return {name: quote(environ[name], safe="") for name in map(str, names)}


def _mask(value: Any, owner: str, secrets: Mapping[str, str], *, is_page: bool = False) -> Any:
    """A value of the configuration with the secrets of its addresses masked."""
    if isinstance(value, list):
        return [_mask(one, owner, secrets, is_page=is_page) for one in value]
    if not _is_text(value) or ":/" not in value:
        return value
    if is_page:
        return SECRETS.mask_page(value)
    for name, secret in secrets.items():
        value = value.replace(f"{{{name}}}", secret)
    return SECRETS.mask(value, owner=owner, secrets=secrets.values())


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str)
