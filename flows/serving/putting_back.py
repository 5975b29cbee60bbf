"""Runs that were about to begin when `serve` was told to stop go back to the schedule.

Processes are started some seconds ahead of their runs. A run that has not begun is not
one that somebody cancelled: ended as one, a request would be lost, or the day of a source.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun, State
    from prefect.runner import Runner

WORDS = "serve ended before it began; it begins when serve runs again"
END_SECONDS = 15.0
"""For the process to end and for Prefect to say so; ``serve`` itself waits a little longer."""

_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


async def cancel_or_put_back(runner: Runner, run: UUID) -> None:
    """End a run that `serve` has in hand; what has not begun is scheduled as it was.

    A run that is over, with only its process not left yet, stays as it ended.

    Raises:
        httpx.HTTPError: The server is away; nothing was done.
        TimeoutError: The process of a run that has not begun did not end.
    """
    before = await runner._client.read_flow_run(run)
    if before.state is not None and before.state.is_final():
        return
    if not _waits(before.state):
        await runner._cancellation_manager.cancel_by_id(run)
        return
    _call_no_crash(runner, run)
    async with asyncio.timeout(END_SECONDS):
        await _end_process(runner, run)
        now = await runner._client.read_flow_run(run)
        if _is_to_put_back(before, now):
            await runner._client.set_flow_run_state(run, state_for(now), force=True)
            runner._logger.info("Flow run '%s': %s", now.name, WORDS)
        elif now.state is None or not (now.state.is_final() or now.state.is_scheduled()):
            # It began in the last moment, or somebody cancelled it: nobody else ends it now.
            words = {"message": "Flow run was cancelled successfully."}
            await runner._state_proposer.propose_cancelled(now, state_updates=words)


def state_for(run: FlowRun) -> State[None]:
    """Scheduled for when it was; so that the server still has it when `serve` runs again.

    At every start the server is told the schedules, and forgets the runs that it had made for
    times to come, but for those that wait in a state of this name.
    """
    from prefect.states import AwaitingConcurrencySlot, Scheduled

    if run.auto_scheduled:
        return AwaitingConcurrencySlot(scheduled_time=run.expected_start_time, message=WORDS)
    return Scheduled(scheduled_time=run.expected_start_time, message=WORDS)


def _waits(state: State | None) -> bool:
    return state is not None and (state.is_pending() or state.is_scheduled())


def _is_to_put_back(before: FlowRun, now: FlowRun) -> bool:
    """Whether it never began, and nobody but the end of its process has changed it."""
    state = now.state
    is_ended = state is not None and (state.is_pending() or state.is_crashed())
    return is_ended and now.run_count == before.run_count


def _call_no_crash(runner: Runner, run: UUID) -> None:
    """Have the runner, which ends, not tell that the run crashed: somebody may be alarmed."""
    proposer = runner._state_proposer
    propose = proposer.propose_crashed

    async def propose_of_others(flow_run: FlowRun, message: str) -> State[Any] | None:
        return None if flow_run.id == run else await propose(flow_run, message)

    proposer.propose_crashed = propose_of_others  # type: ignore[method-assign]


async def _end_process(runner: Runner, run: UUID) -> None:
    """End its process, and wait until Prefect has written whatever it makes of that."""
    in_hand = runner._scheduled_run_poller._submitting_flow_run_ids
    processes = runner._process_manager
    while run in in_hand and processes.get(run) is None:
        await asyncio.sleep(_LOOK_SECONDS)
    if processes.get(run) is not None:
        # Told so, a process that waits for its time leaves without calling its run crashed.
        await runner._control_channel.signal(run, "cancel")
        await processes.kill(run, grace_seconds=_GRACE_SECONDS)
    while run in in_hand:
        await asyncio.sleep(_LOOK_SECONDS)
