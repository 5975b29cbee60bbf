"""Configuration and heads of posts that execute, multiply or nest."""

from __future__ import annotations

import re

import pytest

from flows import settings
from flows.errors import ConfigurationError
from flows.fetch import FetchPolicy
from parsers import registry


def test_the_configuration_is_toml_and_nothing_else(tmp_path) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text("a: !!python/object/apply:os.system ['touch pwned']\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="is not TOML"):
        settings.load(file, {})


def test_deep_values_are_a_mistake_in_the_configuration_and_no_bug(tmp_path) -> None:
    file = tmp_path / "copydesk.toml"
    file.write_text(f"a = {'[' * 20_000}", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="nested too deep"):
        settings.load(file, {})
    with pytest.raises(ConfigurationError, match=r"fetch\.concurrency"):
        settings.load(None, {"COPYDESK_FETCH__CONCURRENCY": "[" * 20_000})


def test_no_option_is_a_selector_or_a_pattern() -> None:
    names = {name for parser in registry.PARSERS.values() for name in parser.options}
    names |= set(FetchPolicy.__slots__)

    assert not [name for name in names if re.search(r"selector|css|xpath|regex|pattern", name)]
    for key in ("selector", "pattern"):
        with pytest.raises(registry.OptionError, match="unknown key"):
            registry.make_source("any", "generic", {key: "div:has(div:has(div))"})
