"""Which process carries out which run, so that the run of a dead one can be ended.

Prefect's server cannot know that the process of a run was killed: the run stays
``Running`` for ever, and may hold a place that others wait for. So each run that begins
here leaves a note beside the warehouse, and each run (and ``copydesk serve``) looks at the
notes whose process is gone: where the server says that the run is over, the note goes, and
where it does not, the run is set to Crashed. Of runs on other machines there is no note
here, or one with another machine's name: they are left alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from flows.callbacks import Notify
from flows.pipeline.lock_probe import is_marked, mark
from flows.serving.ending import in_words
from flows.settings import Settings
from warehouse.process import Process, this_process

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_AT_ONCE = 100
_FORGOTTEN_SECONDS = 30 * 86_400.0
# A run that began again after its note was written (the button in the UI) is another's.
_CLOCKS_DIFFER = timedelta(seconds=60)
_TELLING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The note of one run.

    Attributes:
        since: When the run began here.
        is_marked_by_the_living: Its process marks the file for as long as it lives.
    """

    file: Path
    run: UUID
    since: datetime
    process: Process
    is_marked_by_the_living: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs, in whatever container of this machine it does."""
        if self.is_marked_by_the_living and self.process.boot == this_process().boot:
            # A copy of the folder has the note, too, but not its mark.
            return is_marked(self.file) or self.process.is_known_alive is True
        return self.process.is_alive


_kept_open: list[int] = []  # the mark on a note is gone when its file is closed


def begin(settings: Settings, notify: Notify) -> None:
    """Claim the flow run that this process is in, and end those of dead processes.

    Outside of a flow run there is nothing to do; a server that is away is no reason to stop.
    """
    if (run := _flow_run()) is None:
        return
    if is_deployed():
        in_words()
    _claim(settings, run)
    import httpx

    with suppress(httpx.HTTPError, OSError):
        if names := end_lost_runs(settings):
            notify(words(names))


def words(names: Sequence[str]) -> str:
    """What became of lost runs, and what it means, in one line."""
    return (
        f"{', '.join(names)}: set to Crashed in Prefect, because the process was gone; what "
        "such a run had stored stays stored, and the next run of its kind goes on from there"
    )


def _claim(settings: Settings, run: UUID) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run}.run"
    part = file.with_suffix(".part")
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    _kept_open.append(fd)
    mark(fd)
    note = {
        "since": datetime.now(UTC).isoformat(),
        "process": asdict(this_process()),
        "is_marked_by_the_living": is_marked(part),
    }
    os.write(fd, json.dumps(note).encode())
    part.replace(file)


def end_lost_runs(settings: Settings) -> list[str]:
    """Set the runs of dead processes of this machine to Crashed; their names.

    Raises:
        httpx.HTTPError: The server is away; the notes stay for the next time.
    """
    lost = [one for one in _claims(_folder(settings)) if not one.is_alive]
    ended = []
    for first in range(0, len(lost), _AT_ONCE):
        part = {one.run: one for one in lost[first : first + _AT_ONCE]}
        ended += [run.name for run in _end(part)]
    return ended


def _end(claims: dict[UUID, Claim]) -> list[FlowRun]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    from flows.serving.tidying import set_crashed

    ended = []
    with get_client(sync_client=True) as client:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=list(claims)))
        for run in client.read_flow_runs(flow_run_filter=wanted, limit=_AT_ONCE):
            one = claims.pop(run.id)
            if _is_lost(run, one):
                if set_crashed(client, run, was_alive=False):
                    ended.append(run)
            elif run.state is not None and run.state.is_cancelling():
                continue  # looked at again the next time
            one.file.unlink(missing_ok=True)
    _forget_old(claims.values())
    return ended


def _is_lost(run: FlowRun, claim: Claim) -> bool:
    """Whether the run is under way, and in the attempt that the note is of."""
    state = run.state
    if state is None:
        return False
    if state.is_cancelling():  # who ended its process is about to say so
        return state.timestamp <= datetime.now(UTC) - _TELLING
    return state.is_running() and state.timestamp <= claim.since + _CLOCKS_DIFFER


def _forget_old(claims: Iterable[Claim]) -> None:
    """Remove old notes of runs that this server does not know; another one may."""
    for one in claims:
        with suppress(OSError):
            if time.time() - one.file.stat().st_mtime > _FORGOTTEN_SECONDS:
                one.file.unlink()


def _claims(folder: Path) -> Iterator[Claim]:
    for file in folder.glob("*.run"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(file.read_bytes())
            yield Claim(
                file=file,
                run=UUID(file.stem),
                since=datetime.fromisoformat(found["since"]),
                process=Process(**found["process"]),
                is_marked_by_the_living=bool(found.get("is_marked_by_the_living")),
            )


def is_deployed() -> bool:
    """Whether this is in a flow run of a deployment, which somebody else's process began."""
    run = _run_here()
    return run is not None and run.deployment_id is not None


def _flow_run() -> UUID | None:
    run = _run_here()
    return run.id if run else None


def _run_here() -> FlowRun | None:
    if "prefect" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return context.flow_run if context else None


def _folder(settings: Settings) -> Path:
    return settings.warehouse.path.parent / "leases"
