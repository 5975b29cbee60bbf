"""Which runs to begin: what the server has due, sifted, and whose turn it is.

Asked at every poll of the runner. What somebody asked for and cannot begin yet is told
why, in its state at the server: its page in the UI would say no more than "Late".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from flows.serving.health import UNANSWERED
from flows.serving.turns import Places, Turns

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

PREFETCH_SECONDS = 15.0
MANY_RUNS = 50
"""An answer with so many may be cut short: Prefect gives 200 at most, the earliest first."""

TOLD_EACH = 10
"""Waiting requests that are told why at one poll; the others at the next ones."""


async def _always(_client: PrefectClient) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a runner keeps to at a server that is not its own alone.

    Attributes:
        may_begin: Asked before every poll; False when another one has the place there.
        is_ours: Whether a run is one of this installation.
        left: Told the names of requested runs of another installation, once each.
        is_long: Whether the runs of a deployment may take hours.
    """

    may_begin: Callable[[PrefectClient], Awaitable[bool]] = _always
    is_ours: Callable[[FlowRun], bool] = lambda _run: True
    left: Callable[[list[str]], None] = lambda _names: None
    is_long: Callable[[UUID], bool] = lambda _deployment: False


class Due:
    """What is due, from poll to poll.

    Attributes:
        places: For how many runs there is room.
    """

    def __init__(self, places: Places, rules: Rules) -> None:
        self.places = places
        self._rules = rules
        self._turns = Turns(places, rules.is_long)
        self._begun: dict[UUID, UUID] = {}
        self._told: set[UUID] = set()

    async def next(
        self, client: PrefectClient, deployments: Iterable[UUID], under_way: Collection[UUID]
    ) -> list[FlowRun]:
        """The runs to begin now; what stands in for others, or is another's, is dropped.

        Args:
            client: Of the server.
            deployments: Whose runs.
            under_way: Runs that have a place.

        Raises:
            httpx.HTTPError: The server is away.
        """
        now = datetime.now(UTC)
        self._begun = {run: of for run, of in self._begun.items() if run in under_way}
        busy = list(self._begun.values())
        asked = await all_due(client, deployments, now + timedelta(seconds=PREFETCH_SECONDS))
        found = [run for run in asked if run.id not in under_way]
        ours = [run for run in found if self._rules.is_ours(run)]
        ready, drop = sift(ours, busy, now)
        drop += self._of_others([run for run in found if not self._rules.is_ours(run)], now)
        await _cancel(client, drop)
        begin = self._turns.choose(ready, busy, now)
        self._begun.update((run.id, run.deployment_id) for run in begin if run.deployment_id)
        beginning = {run.id for run in begin}
        await self._tell_why(
            client, [run for run in ours if run.id not in beginning and _is_asked(run, now)]
        )
        return begin

    def _of_others(self, runs: list[FlowRun], now: datetime) -> list[tuple[FlowRun, str]]:
        """What to drop of another installation's; what was asked for there is left and told."""
        asked = [run for run in runs if not run.auto_scheduled]
        if fresh := [run.name for run in asked if run.id not in self._told]:
            self._rules.left(fresh)
        self._told.update(run.id for run in asked)
        late = (one for one in runs if one.auto_scheduled)
        return [
            (run, "scheduled by the installation that had this place before")
            for run in late
            if (run.expected_start_time or now) <= now
        ]

    async def _tell_why(self, client: PrefectClient, waiting: Iterable[FlowRun]) -> None:
        """Write why a request waits where the one who asked looks: once, and on its page."""
        from prefect.exceptions import PrefectException
        from prefect.states import AwaitingConcurrencySlot

        fresh = [run for run in waiting if run.id not in self._told][:TOLD_EACH]
        for run in fresh:
            state: State[None] = AwaitingConcurrencySlot(
                scheduled_time=run.expected_start_time, message=self._why(run)
            )
            self._told.add(run.id)
            with suppress(PrefectException, *UNANSWERED):  # words that fail hold up no run
                now = (await client.read_flow_run(run.id)).state
                if now is not None and now.is_scheduled():  # and was not cancelled meanwhile
                    await client.set_flow_run_state(run.id, state)

    def _why(self, run: FlowRun) -> str:
        if run.deployment_id in self._begun.values():
            return "waits for the run before it: one at a time of each deployment"
        if run.deployment_id is not None and self._rules.is_long(run.deployment_id):
            return (
                "waits until a backfill, import, reparse or maintenance that is under way has "
                f"ended: they get {self.places.long} of the places of [serve] max_concurrent_runs, and "
                "the others are kept for the sources"
            )
        return "waits until a run has ended: as many as [serve] max_concurrent_runs allows are under way"


def _is_asked(run: FlowRun, now: datetime) -> bool:
    """Whether somebody asked for it, and for now."""
    return not run.auto_scheduled and (run.expected_start_time or now) <= now


async def _cancel(client: PrefectClient, drop: Iterable[tuple[FlowRun, str]]) -> None:
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Cancelled

    for run, words in drop:
        with suppress(ObjectNotFound):
            await client.set_flow_run_state(run.id, Cancelled(message=words), force=True)


async def all_due(
    client: PrefectClient, deployments: Iterable[UUID], before: datetime
) -> list[FlowRun]:
    """The runs to begin before a time, of every deployment the earliest.

    One question has 200 runs for an answer at most. Where many of one deployment were asked
    for, they fill it, and those of other schedules would never be seen: so the others are
    asked after again, without those that were seen.
    """
    found: list[FlowRun] = []
    others = set(deployments)
    while others:
        page = await client.get_scheduled_flow_runs_for_deployments(
            deployment_ids=sorted(others), scheduled_before=before
        )
        found += page
        seen = {run.deployment_id for run in page if run.deployment_id is not None}
        if len(page) < MANY_RUNS or not seen & others:
            break
        others -= seen
    return found


def sift(
    runs: Iterable[FlowRun], busy: Collection[UUID | None], now: datetime
) -> tuple[list[FlowRun], list[tuple[FlowRun, str]]]:
    """Which of the scheduled runs to begin, and which to drop, with why.

    Of the runs that a schedule made and whose time has come, the newest stands for all of
    its deployment, and none begins beside one that is under way. What somebody asked for
    is never dropped: it waits for its turn, which comes before the schedule's.

    Args:
        runs: Due now or soon.
        busy: Deployments with a run under way.
        now: Aware.
    """
    soon: list[FlowRun] = []
    asked: list[FlowRun] = []
    drop: list[tuple[FlowRun, str]] = []
    newest: dict[UUID | None, FlowRun] = {}
    for run in sorted(runs, key=lambda run: run.expected_start_time or now):
        is_due = (run.expected_start_time or now) <= now
        if run.deployment_id in busy:
            if run.auto_scheduled and is_due:
                drop.append((run, "dropped, because the run before it was still under way"))
        elif run.auto_scheduled and is_due:
            if older_listing := newest.get(run.deployment_id):
                until = f"{run.expected_start_time:%Y-%m-%d %H:%M:%S}"
                drop.append((older_listing, f"late; the run of {until} UTC stands for it"))
            newest[run.deployment_id] = run
        elif is_due:
            asked.append(run)
        else:
            soon.append(run)
    return _one_each([*asked, *newest.values(), *soon]), drop


def _one_each(runs: Iterable[FlowRun]) -> list[FlowRun]:
    """The first run of each deployment."""
    first: dict[UUID | None, FlowRun] = {}
    for run in runs:
        first.setdefault(run.deployment_id, run)
    return list(first.values())
