"""Each drift is named in the first run where it can be known, and its end closes the finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.pipeline.health.evaluate import Evaluation
from flows.pipeline.health.values import ChannelRun
from tests.unit.pipeline.health import drifts
from tests.unit.pipeline.health.publishing import DAY, PUBLISHERS, Drift, Publisher, Simulation

NEWSPAPER = next(one for one in PUBLISHERS if one.name == "daily newspaper")
SECTIONS = next(one for one in PUBLISHERS if one.name == "newspaper of five sections")


def quiet(publisher: Publisher, runs: int, seed: int = 1) -> Simulation:
    """A source after some ordinary runs, none of which raised a finding."""
    simulation = Simulation(publisher, seed)
    found = [one for result in simulation.ordinary(runs) for one in result.opened]
    assert found == []
    return simulation


@pytest.fixture(scope="module")
def newspaper_history():
    return quiet(NEWSPAPER, 24 * 30)


@pytest.fixture(scope="module")
def sections_history():
    return quiet(replace(SECTIONS, every=timedelta(hours=4)), 6 * 25)


def continued(simulation: Simulation) -> Simulation:
    """A copy that continues on its own: on a working day, in the morning."""
    copy = Simulation(simulation.publisher, 2)
    copy.history, copy.seen = simulation.history, set(simulation.seen)
    copy.stories, copy.story_count = (
        [list(one) for one in simulation.stories],
        simulation.story_count,
    )
    copy.published_until, copy.holidays, copy.slow_weeks = simulation.published_until, [], set()
    copy.at = simulation.at
    while copy.at.astimezone(copy.zone).weekday() != 1 or copy.at.astimezone(copy.zone).hour != 10:
        for _ in copy.ordinary(1):
            pass
    return copy


def until_named(simulation: Simulation, drift: Drift, runs: int = 200) -> tuple[Evaluation, int]:
    """The run that names a drift, and how many pages the drift had until then."""
    pages = 0

    def counted(run: ChannelRun) -> ChannelRun:
        nonlocal pages
        changed = drift(run)
        pages += len(changed.pages)
        return changed

    for _ in range(runs):
        result = simulation.run(counted)
        if result.opened:
            return result, pages
    raise AssertionError(f"no finding in {runs} runs")


@pytest.mark.parametrize(
    ("drift", "kind", "field", "at_most"),
    [
        (drifts.no_entries, "no_entries", "", 0),
        (drifts.unreadable, "unreadable_listing", "", 0),
        (drifts.failing("consent_page"), "wrong_pages", "consent_page", 4),
        (drifts.failing("soft_404"), "wrong_pages", "soft_404", 6),
        (drifts.failing("layout_changed"), "unreadable_pages", "layout_changed", 6),
        (drifts.without("published_at"), "field_missing", "published_at", 9),
        (drifts.without("full_text"), "field_missing", "full_text", 10),
        (drifts.without("authors"), "field_missing", "authors", 16),
        (drifts.short_bodies, "short_bodies", "", 10),
        (drifts.same_text, "same_text", "", 9),
        (drifts.same_canonical_url, "same_canonical_url", "", 9),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_drift_of_a_newspaper_is_named_after_a_few_pages(
    newspaper_history, drift, kind, field, at_most
):
    result, pages = until_named(continued(newspaper_history), drift)

    assert {(one.kind, one.field) for one in result.opened} == {(kind, field)}
    assert pages <= at_most
    assert result.health.state == "warning"


@pytest.mark.parametrize(
    "drift",
    [drifts.no_entries, drifts.unreadable, drifts.failing("consent_page"), drifts.without("authors"),
     drifts.short_bodies, drifts.same_text, drifts.same_canonical_url, drifts.frozen],
    ids=["no_entries", "unreadable", "consent", "authors", "short", "text", "canonical", "frozen"],
)  # fmt: skip
def test_a_drift_is_reported_once_and_its_end_closes_it(newspaper_history, drift):
    simulation = continued(newspaper_history)
    named, _ = until_named(simulation, drift)
    during = [simulation.run(drift) for _ in range(24)]

    after = [simulation.run() for _ in range(48)]

    assert [one for result in during for one in (*result.opened, *result.closed)] == []
    assert {one.row.key for result in after for one in result.closed} == {
        one.key for one in named.opened
    }
    assert after[-1].known == ()
    assert [one for result in after for one in result.opened] == []


def test_a_listing_that_stops_moving_is_named_when_its_longest_silence_is_over(newspaper_history):
    simulation = continued(newspaper_history)
    start = simulation.at

    result, _ = until_named(simulation, drifts.frozen)

    (found,) = result.opened
    assert (found.kind, result.health.state) == ("not_moving", "silent")
    assert 2 * DAY < simulation.at - start < 6 * DAY
    assert found.since is not None
    assert found.since <= start


def test_a_drift_of_all_channels_is_one_finding(sections_history):
    simulation = continued(sections_history)

    result, _ = until_named(simulation, drifts.without("title"))

    assert [one.key for one in result.opened] == [("", "field_missing", "title")]


def test_a_drift_of_one_channel_names_the_channel(sections_history):
    simulation = continued(sections_history)
    drift = drifts.without("title")

    result, _ = until_named(
        simulation, lambda run: drift(run) if run.channel == "channel 3" else run
    )

    assert [one.key for one in result.opened] == [("channel 3", "field_missing", "title")]


def test_a_section_that_falls_silent_is_named_although_the_others_move(sections_history):
    simulation = continued(sections_history)

    result, _ = until_named(
        simulation, lambda run: drifts.frozen(run) if run.channel == "channel 2" else run, 6 * 30
    )

    assert [one.key for one in result.opened] == [("channel 2", "not_moving", "")]


@pytest.mark.parametrize("drift", [drifts.no_entries, drifts.without("title"), drifts.frozen])
def test_a_new_source_learns_and_raises_nothing(drift):
    simulation = Simulation(NEWSPAPER, 1)

    first = simulation.run()
    second = simulation.run(drift)

    assert first.health.state == second.health.state == "learning"
    assert second.opened == ()
    assert any(one.startswith("silence: 15 more days") for one in first.health.learning)


def test_learning_ends_and_names_a_limit(newspaper_history):
    result = continued(newspaper_history).run()

    assert (result.health.state, result.health.learning) == ("ok", ())
    assert result.health.silence_limit_seconds is not None
    assert result.health.normal_in_7_days is not None
