"""Parsers of other packages: found by entry point, checked when they are used."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from parsers import registry
from parsers.errors import BrokenPlugin
from parsers.model import Source
from parsers.plugins import GROUP, ParserRegistry
from parsers.sources import finews, generic

GAZETTE = replace(generic.PARSER, name="gazette")


@pytest.fixture
def plugins(monkeypatch):
    """Make a registry of one built-in parser and of entry points ``name=module:attribute``."""
    module = ModuleType("copydesk_gazette")
    module.PARSER = GAZETTE  # type: ignore[attr-defined]
    module.text = "no parser"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "copydesk_gazette", module)

    def make(**values: str) -> ParserRegistry:
        points = [EntryPoint(name, value, GROUP) for name, value in values.items()]
        return ParserRegistry([finews.PARSER], points)

    return make


def test_parser_of_another_package_is_found_by_name(plugins):
    parsers = plugins(gazette="copydesk_gazette:PARSER")

    assert parsers["gazette"] is GAZETTE
    assert list(parsers) == ["finews", "gazette"]
    assert parsers.problems() == {}


def test_installed_packages_are_not_looked_at_for_a_built_in_parser(monkeypatch):
    def refuse(**_options):
        raise AssertionError("the packages were looked at")

    monkeypatch.setattr("parsers.plugins.entry_points", refuse)

    assert ParserRegistry([finews.PARSER])["finews"] is finews.PARSER


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("copydesk_absent:PARSER", "ModuleNotFoundError"),
        ("copydesk_gazette:ABSENT", "AttributeError"),
        ("copydesk_gazette:text", "found str"),
    ],
)
def test_package_that_cannot_be_used_is_named_and_leaves_the_other_parsers(plugins, value, cause):
    parsers = plugins(broken=value, gazette="copydesk_gazette:PARSER")

    with pytest.raises(BrokenPlugin, match=cause) as caught:
        parsers["broken"]

    assert value in str(caught.value)
    assert list(parsers.problems()) == ["broken"]
    assert parsers["gazette"] is GAZETTE


def test_entry_point_and_parser_have_one_name(plugins):
    with pytest.raises(BrokenPlugin, match=r"'gazete'.*'gazette'"):
        plugins(gazete="copydesk_gazette:PARSER")["gazete"]


def test_one_name_in_two_packages_is_refused(plugins):
    points = [
        EntryPoint("gazette", value, GROUP)
        for value in ("copydesk_gazette:PARSER", "copydesk_other:PARSER")
    ]
    parsers = ParserRegistry([finews.PARSER], points)

    with pytest.raises(BrokenPlugin, match=r"copydesk_gazette.*copydesk_other"):
        parsers["gazette"]


def test_built_in_parser_wins_over_a_package_that_takes_its_name(plugins):
    parsers = plugins(finews="copydesk_gazette:PARSER")

    assert parsers["finews"] is finews.PARSER
    assert list(parsers.problems()) == ["finews"]
    assert list(parsers) == ["finews"]


def test_broken_package_does_not_hinder_the_search_by_address(plugins, monkeypatch):
    parsers = plugins(broken="copydesk_absent:PARSER")
    monkeypatch.setattr(registry, "PARSERS", parsers)

    assert registry.parser_for("https://finance.eastmoney.com/a/202203142308441556.html")
    assert registry.parser_for("https://gazette.example/1") is None


def test_parser_whose_listings_fail_is_a_broken_package():
    def fail(_source: Source):
        raise ZeroDivisionError

    with pytest.raises(BrokenPlugin, match="'gazette'"):
        registry.make_source("gazette", replace(GAZETTE, listings=fail), {})
