"""Ordinary publishing raises no warning, whatever its nights, weekends, holidays and slow weeks."""

from __future__ import annotations

import pytest

from tests.unit.pipeline.health.publishing import PUBLISHERS, Publisher, Simulation


def warnings(publisher: Publisher, seed: int, runs: int) -> list[object]:
    simulation = Simulation(publisher, seed)
    return [(simulation.runs, one) for result in simulation.ordinary(runs) for one in result.opened]


@pytest.mark.parametrize("publisher", PUBLISHERS, ids=lambda one: one.name)
def test_ordinary_runs_raise_no_warning(publisher):
    assert warnings(publisher, 0, 250) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("publisher", PUBLISHERS, ids=lambda one: one.name)
def test_a_thousand_ordinary_runs_raise_no_warning(publisher, seed):
    assert warnings(publisher, seed, 1000) == []
