"""What the Prefect server knows of one installation: its deployments, and its runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from uuid import UUID

from flows.callbacks import Notify
from flows.serving import claims, installation
from flows.serving.deployments import Registered, forgotten, register, remove_stale
from flows.serving.neighbours import Displaced
from flows.serving.tidying import are_ours, tidy
from flows.settings import Settings


class Registry:
    """The deployments of a configuration at the server that the environment names.

    Args:
        settings: The configuration.
        config: Its file.
        installed: The installation's id.
        is_own: The server is this installation's alone.
        stop: Ends registering before its time.
        notify: Told what changed at the server.

    Attributes:
        registered: What the server was last told.
        is_ours: Whether a run is one of this installation.
    """

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        *,
        installed: str,
        is_own: bool,
        stop: threading.Event,
        notify: Notify,
    ) -> None:
        self.registered: list[Registered] = []
        self.is_ours = are_ours(installed, config, is_own=is_own)
        self._settings = settings
        self._config = config
        self._installed = installed
        self._is_own = is_own
        self._stop = stop
        self._say = notify

    @property
    def ids(self) -> list[UUID]:
        """Of the deployments."""
        return [UUID(one.id) for one in self.registered]

    def is_long(self, deployment: UUID) -> bool:
        """Whether its runs may take hours."""
        return any(one.is_long for one in self.registered if one.id == str(deployment))

    def renew(self) -> None:
        """Make the server's schedules those of the configuration.

        Raises:
            RunFailed: The server refused, or is away.
            Displaced: The installation's id is another than at the start.
        """
        self.registered = register(self._config, stop=self._stop)
        self._refuse_another_id()
        removed = remove_stale(self.registered, self._config, is_own=self._is_own)
        if taken := [one for one in self.registered if one.taken_from]:
            self._say(
                f"{', '.join(one.name for one in taken)}: registered by another installation "
                f"({taken[0].taken_from}) before, and replaced; its warehouse has no schedule at "
                "this server any more. If it shall have one, give it a Prefect server of its own"
            )
        if removed:
            self._say(
                f"{', '.join(removed)}: no longer configured, so taken out of Prefect together "
                "with what was scheduled; what ran stays"
            )

    def _refuse_another_id(self) -> None:
        """End where the file with the installation's id was lost, and made anew, meanwhile."""
        if any(one.installed not in ("", self._installed) for one in self.registered):
            # This process would take its own schedules for another one's.
            raise Displaced(
                f"{self._settings.warehouse.path.parent / installation.FILE} is not what it was when "
                "this one started, so its schedules would be another installation's: put the file "
                "back from a copy, or leave the new one there, and start again"
            )

    def is_forgotten(self) -> bool:
        """Whether the server does not know all of them any more; said, if so.

        Raises:
            httpx.HTTPError: The server is away.
        """
        if missing := forgotten(self.registered):
            self._say(
                f"the Prefect server no longer knows {', '.join(missing)}: registered again "
                "(a schedule is switched off on the deployment's page, or in the configuration)"
            )
        return bool(missing)

    def tidy(self, under_way: Callable[[], Collection[UUID]] | None = None) -> None:
        """Put in order what dead processes left behind, and say what it was.

        Args:
            under_way: The runs that are about to begin or to end; ``None`` at the start, when
                there can be none.

        Raises:
            httpx.HTTPError: The server is away.
        """
        is_start = under_way is None
        done = tidy(self.ids, is_start=is_start, is_ours=self.is_ours, under_way=under_way or tuple)
        if words := done.words():
            self._say(f"left from before: {words}" if is_start else f"tidied: {words}")
        if names := claims.end_lost_runs(self._settings):
            self._say(claims.words(names))
