"""One ``copydesk serve`` at a Prefect server: two would replace each other's schedules.

Who serves is written down at the server itself, as a Prefect variable. The lock beside the
warehouse (``place.held``) keeps a second one of the same warehouse away; this one keeps away
the ``serve`` of another warehouse, or of another machine.

    nobody, or this process             the place is taken
    this installation, its end seen     taken: it was started again
    this installation, elsewhere        watched: taken if it asks for no runs meanwhile
    another installation                refused, whether it is at work or silent

The place is looked at before every question for runs and before anything is tidied: whoever
lost it, in an outage of the network for example, begins nothing more and ends with a message.
Only the owner of a server (its parent) takes the place there back from others.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from flows.callbacks import Notify
from flows.errors import RunFailed
from flows.serving.health import ask, impatient, silence
from warehouse.process import Process, this_process

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient, SyncPrefectClient

VARIABLE = "copydesk_serve"
REFUSED = (
    "wants another password: set PREFECT_API_AUTH_STRING to what its "
    "PREFECT_SERVER_API_AUTH_STRING is (and unset PREFECT_API_KEY)"
)
WATCH_SECONDS = 45.0
_LOOK_SECONDS = 2.0
_POLLS_SEEN = 2
"""Of a process that was killed one last question may still be under way; never two."""


class Displaced(RunFailed):
    """Another ``copydesk serve`` has the place at the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Who has the place.

    Attributes:
        installation: Of whom; empty in notes of earlier versions.
        token: Of one start of it; empty in notes of earlier versions.
        since: RFC 3339.
    """

    home: str
    process: Process
    installation: str = ""
    token: str = ""
    since: str = ""

    def words(self) -> str:
        """Which process it is and where, for a message."""
        of = f"installation {self.installation}, " if self.installation else ""
        since = f", since {self.since}" if self.since else ""
        return f"process {self.process.pid} on {self.process.host}, {of}{self.home}{since}"


class Seat:
    """The place of this process at the server that the environment names.

    Args:
        home: Prefect's folder of this warehouse.
        installation: Whose place it is.
        owns_server: The server is a child of this process.
        notify: Told when another one's place is taken, and about waiting.
        stop: Ends waiting.

    Attributes:
        is_lost: The last look found that another one has the place, or nobody.
        is_taken: It was this process's at some time.
    """

    def __init__(
        self,
        home: Path,
        installation: str,
        *,
        owns_server: bool,
        notify: Notify,
        stop: threading.Event | None = None,
    ) -> None:
        self.is_lost = self.is_taken = False
        self._installation = installation
        self._owns_server = owns_server
        self._say = notify
        self._stop = stop or threading.Event()
        self._note = Note(
            home=str(home),
            process=this_process(),
            installation=installation,
            token=uuid4().hex,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def take(self) -> None:
        """Write down that this process serves there, unless it is written already.

        Raises:
            Displaced: Another one has the place and keeps it.
            RunFailed: The server refuses the password.
            httpx.HTTPError: The server is away.
        """
        from prefect.client.orchestration import get_client
        from prefect.exceptions import ObjectAlreadyExists

        with get_client(sync_client=True) as client, told_of_the_password(str(client.api_url)):
            found = client.read_variable_by_name(VARIABLE)
            if found is None:
                with suppress(ObjectAlreadyExists):
                    _write(client, self._note, is_new=True)
                found = client.read_variable_by_name(VARIABLE)  # of two at once one is first
            note = note_of(found)
            if note is None or note.token != self._note.token:
                if note is not None:
                    self._replace(client, note)
                    self._tell_taken_back(note)
                _write(client, self._note, is_new=False)
            self.is_lost, self.is_taken = False, True

    def is_ours(self) -> bool:
        """Whether the place is still this process's.

        Raises:
            httpx.HTTPError: The server is away.
        """
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return self._is_in(client.read_variable_by_name(VARIABLE))

    async def may_begin(self, client: PrefectClient) -> bool:
        """Whether runs may be asked for now.

        Raises:
            httpx.HTTPError: The server is away.
        """
        return self._is_in(await client.read_variable_by_name(VARIABLE))

    def leave(self) -> None:
        """Take the note away, if it is this process's; a server that is away keeps it."""
        from prefect.client.orchestration import get_client

        away = suppress(httpx.HTTPError, RuntimeError)
        with away, impatient(), get_client(sync_client=True) as client:
            if self._is_in(client.read_variable_by_name(VARIABLE)):
                client.delete_variable_by_name(VARIABLE)

    def _is_in(self, found: Any) -> bool:
        note = note_of(found)
        self.is_lost = note is None or note.token != self._note.token
        return not self.is_lost

    def _replace(self, client: SyncPrefectClient, note: Note) -> None:
        """Return if that one's place may be taken, having said so where it is not plain.

        Raises:
            Displaced: It may not.
        """
        if replace(note.process, space=self._note.process.space) == self._note.process:
            return
        is_other = bool(note.installation) and note.installation != self._installation
        is_alive = note.process.is_known_alive
        if self._owns_server:
            if is_other or is_alive:
                self._say(
                    f"another `copydesk serve` ({note.words()}) was written down at the Prefect "
                    "server of this one here: it is replaced, and ends by itself; give it "
                    "another PREFECT_API_URL, or none"
                )
            return
        if not is_other:
            if is_alive is None:
                is_alive = self._is_at_work(client, note)
            if not is_alive:
                return
        raise Displaced(_refusal(note, str(client.api_url), is_other=is_other, is_alive=is_alive))

    def _tell_taken_back(self, note: Note) -> None:
        if self.is_taken and not self._owns_server:
            self._say(
                f"another `copydesk serve` ({note.words()}) had taken this one's place at the "
                "Prefect server and is gone: it is taken back, and the schedules go on here"
            )

    def _is_at_work(self, client: SyncPrefectClient, note: Note) -> bool:
        """Whether somebody asks for runs of ours, while this process does not."""
        self._say(
            f"a `copydesk serve` ({note.words()}) is written down at the Prefect server; looking "
            f"for up to {WATCH_SECONDS:.0f} s whether it is still at work"
        )
        seen, looks = {_last_polled(client)}, round(WATCH_SECONDS / _LOOK_SECONDS)
        for _ in range(looks):
            if self._stop.wait(_LOOK_SECONDS):
                break
            seen.add(_last_polled(client))
            if len(seen) > _POLLS_SEEN:
                return True
        return self._stop.is_set()


def _refusal(note: Note, api_url: str, *, is_other: bool, is_alive: bool | None) -> str:
    is_copy = bool(note.installation) and not is_other
    copy = "; one of the two folders is a copy of the other" if is_copy else ""
    if is_alive is None or (is_other and not is_alive):
        gone = (
            "; if it is gone for good, delete its place (`prefect variable delete "
            f"{VARIABLE}`, or Variables in the UI) and start this one again: its schedules there "
            "are then replaced"
        )
    elif note.process.is_known_alive is None:
        gone = "; if it ended a moment ago, try again in two minutes"
    else:
        gone = ""
    return (
        f"another `copydesk serve` ({note.words()}) already uses the Prefect server {api_url}, and "
        "two would replace each other's schedules and end each other's runs. This one ends, and no "
        "run of its warehouse begins before it is started again: end that one first, or unset "
        f"PREFECT_API_URL to have a server for this one here{gone}{copy}"
    )


@contextmanager
def told_of_the_password(api_url: str) -> Iterator[None]:
    """A server that refuses the password, in words that say what to do.

    Raises:
        RunFailed: It did.
    """
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise
        raise RunFailed(f"the Prefect server {api_url} {REFUSED}") from None


def why_unusable(api_url: str) -> str | None:
    """Why runs cannot use the server with the environment's password, and what to do."""
    if why := silence(api_url):
        return why
    try:
        answer = ask("GET", f"{api_url}/admin/version", seconds=10)
    except httpx.HTTPError:
        return "does not answer"
    is_refused = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    return REFUSED if is_refused else None


def note_of(variable: Any) -> Note | None:
    """What is written down; ``None`` when nobody is, or what is there is no such note."""
    if variable is None:
        return None
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(str(variable.value))
        return Note(**{**found, "process": Process(**found["process"])})
    return None


def _last_polled(client: SyncPrefectClient) -> datetime | None:
    """When somebody last asked for runs of a sync."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    found = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=["sync"])))
    polled = [
        one.last_polled
        for one in found
        # Those of a pool are asked for by workers.
        if "copydesk" in one.tags and one.work_pool_name is None and one.last_polled
    ]
    return max(polled, default=None)


def _write(client: SyncPrefectClient, note: Note, *, is_new: bool) -> None:
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate

    value = json.dumps(asdict(note))
    if is_new:
        client.create_variable(VariableCreate(name=VARIABLE, value=value, tags=["copydesk"]))
    else:
        client.update_variable(VariableUpdate(name=VARIABLE, value=value, tags=["copydesk"]))
