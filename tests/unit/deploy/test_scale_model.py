"""SCALE.md has the figures that the model computes, and a simulation agrees with the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.scale_model import SCENARIOS, Model, Scenario, load
from tests.bench.scale_simulation import simulate
from tests.bench.scale_tables import compare, limits, tables

SCALE = (Path(__file__).parents[3] / "deploy" / "SCALE.md").read_text(encoding="utf-8")
CONSTANTS = load()
# Rare runs are no random arrivals: the wait of the model is then only an upper limit.
FREQUENT = "1 million"
STABLE = [name for name, one in SCENARIOS.items() if Model(CONSTANTS, one).lock_share < 1]


def test_the_tables_of_scale_md_are_those_of_the_model() -> None:
    assert tables(CONSTANTS) in SCALE
    assert compare(CONSTANTS) in SCALE


@pytest.mark.parametrize("name", STABLE)
def test_the_simulation_agrees_with_the_model(name: str) -> None:
    model = Model(CONSTANTS, SCENARIOS[name])
    seen = simulate(model)
    assert seen.lock_share == pytest.approx(model.lock_share, rel=0.05)
    assert seen.slots == pytest.approx(model.slots, rel=0.05)
    assert seen.lock_wait <= model.lock_wait * 1.15
    if name == FREQUENT:
        assert seen.lock_wait == pytest.approx(model.lock_wait, rel=0.15)


@pytest.mark.parametrize(("share", "is_full"), [(0.9, False), (1.1, True)])
def test_commits_pile_up_where_the_model_has_no_time_left(share: float, is_full: bool) -> None:
    base = SCENARIOS[FREQUENT]
    full = Model(CONSTANTS, base).lock_share
    # As many runs more, each with as many articles.
    busy = replace(base, articles_day=base.articles_day * share / full)
    seen = simulate(Model(CONSTANTS, busy), hours=3)
    assert (seen.backlog > 100) is is_full


def test_the_lock_gives_out_at_the_stored_articles_that_the_model_names() -> None:
    base = SCENARIOS[FREQUENT]
    limit = Model(CONSTANTS, base).stored_limit
    at_limit = Model(CONSTANTS, replace(base, stored_millions=limit))
    assert at_limit.lock_share == pytest.approx(CONSTANTS.utilization)


def test_a_constant_can_be_changed_and_an_unknown_one_is_refused() -> None:
    changed = load(["core_hour=0.08"])
    first = next(iter(SCENARIOS.values()))
    costs = [Model(one, first).cost_month for one in (CONSTANTS, changed)]
    assert costs[1]["workers"] == pytest.approx(2 * costs[0]["workers"])
    assert costs[1]["storage"] == costs[0]["storage"]
    with pytest.raises(TypeError):
        load(["core_year=1"])


def test_every_part_gives_out_somewhere() -> None:
    found = [articles for _, articles, _ in limits(CONSTANTS, Scenario(articles_day=1e6))]
    assert all(1e3 < one < 1e10 for one in found)
