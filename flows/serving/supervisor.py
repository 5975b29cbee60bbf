"""The work behind ``copydesk serve``: server, schedules and runs, until told to stop.

    main thread      watches; signals reach it
    ├── server       a child process (or the server that PREFECT_API_URL names)
    └── runner       a thread; a child process for each run

What dies is started again: a server that ended, a database that was lost, a runner that
gave up. What a dead process left behind is put in order before the runner begins.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

from flows.callbacks import Notify
from flows.errors import RunFailed
from flows.pipeline.signals import graceful_shutdown
from flows.serving import installation, place
from flows.serving.clock import Clock
from flows.serving.due import Rules
from flows.serving.health import ANSWER_SECONDS, UNANSWERED, impatient, is_answering, silence
from flows.serving.neighbours import Displaced, Seat
from flows.serving.notifying import notify
from flows.serving.output import unfailing_output
from flows.serving.place import Served
from flows.serving.polling import RunnerThread, poll_seconds
from flows.serving.registry import Registry
from flows.serving.server import PrefectServer
from flows.serving.telling import announcement, why
from flows.settings import Settings, resolve_config_file, source_schedules

LOOK_SECONDS = 1.0
FOREIGN_LOOK_SECONDS = 5.0
TIDY_SECONDS = 30.0
TOLD_AFTER = 3
FORGIVEN_SECONDS = 600.0
PATIENCE_SECONDS = (0.5, 5.0, 15.0, 60.0)


def serve(
    settings: Settings,
    *,
    config: Path | None,
    notify: Notify,
    port: int | None = None,
    verbosity: int = 0,
    stop: threading.Event | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or a closed terminal (or ``stop``), then end everything.

    Raises:
        ConfigurationError: The address needs a password, or a schedule cannot be used.
        RunFailed: Another one serves this warehouse, or the server cannot be started.
        Displaced: Another one has the place at the server that PREFECT_API_URL names.
    """
    if port is not None:
        settings = settings.model_copy(
            update={"serve": settings.serve.model_copy(update={"port": port})}
        )
    home = place.prefect_home(settings)
    foreign = place.named_server(os.environ)
    if not foreign:
        place.check_exposure(settings, os.environ)
    api_url = foreign or f"{place.address(settings)}/api"
    served = Served(pid=os.getpid(), api_url=api_url, is_own=not foreign)
    stop = stop or threading.Event()
    warehouse = settings.warehouse.path.absolute()
    with unfailing_output():
        with (
            place.held(home, served, warehouse=warehouse),
            graceful_shutdown(stop, notify, hangup=True),
        ):
            _prepare(settings, home, api_url, is_own=not foreign, verbosity=verbosity)
            desk = _Desk(
                settings,
                resolve_config_file(config),
                served,
                home,
                installed=installation.identity(settings),
                stop=stop,
                notify=notify,
            )
            try:
                desk.run()
            finally:
                notify("STOPPING=1")
                desk.close()
        notify("stopped; nothing of it is left running")


def _prepare(settings: Settings, home: Path, api_url: str, *, is_own: bool, verbosity: int) -> None:
    """Set the environment that Prefect reads at import, for us and for our children."""
    environ = place.client_environment(settings, home, api_url)
    levels = {-1: "CRITICAL", 0: "INFO"}
    environ["PREFECT_LOGGING_LEVEL"] = levels.get(verbosity, "DEBUG")
    for name, value in environ.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str(home)  # whatever way it was written
    place.spare_loopback(os.environ)
    place.trust_own_authority(os.environ)
    if is_own:
        place.know_own_password(os.environ, api_url)


class _Desk:
    """Everything that runs, and what is to be done when a part of it does not."""

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        served: Served,
        home: Path,
        *,
        installed: str = "",
        stop: threading.Event,
        notify: Notify,
    ) -> None:
        self._settings = settings
        self._served = served
        self._home = home
        self._stop = stop
        self._say = notify
        self._registry = Registry(
            settings, config, installed=installed, is_own=served.is_own, stop=stop, notify=notify
        )
        self._seat = Seat(home, installed, owns_server=served.is_own, notify=notify, stop=stop)
        self._server: PrefectServer | None = None
        self._runner: RunnerThread | None = None
        self._patience = _Patience()
        self._clock = Clock()
        self._is_announced = False
        self._is_away = False
        self._is_deaf = False
        self._must_register = False
        self._tidyings_failed = 0
        self._next_look = 0.0
        self._next_tidying = time.monotonic() + TIDY_SECONDS
        if served.is_own:
            self._server = PrefectServer(
                home,
                url=served.api_url,
                host=settings.serve.host,
                port=settings.serve.port,
            )

    def run(self) -> None:
        """Keep everything going until asked to stop.

        Raises:
            RunFailed: It cannot begin.
            Displaced: Another one has its place at the server.
        """
        self._begin_server()
        from prefect.exceptions import PrefectException

        try:
            self._begin_runner()
        except (*UNANSWERED, PrefectException) as error:
            raise RunFailed(
                f"the Prefect server {self._served.api_url} cannot be used: {why(error)}"
            ) from error
        while not self._stop.wait(LOOK_SECONDS):
            self._look_after_server()
            self._look_after_runner()
            self._look_at_the_clock()
            self._look_after_schedules()

    def close(self) -> None:
        """End runs, runner and server, in this order, so that runs can still say how they end."""
        if self._runner is not None:
            self._runner.stop()
        if self._seat.is_taken and is_answering(self._served.api_url):
            self._seat.leave()
        if self._server is not None:
            self._server.stop()

    # --- the server ---

    def _begin_server(self) -> None:
        if self._server is None:
            url, instead = self._served.api_url, "unset PREFECT_API_URL to have one started here"
            if (why_not := silence(url, seconds=ANSWER_SECONDS)) == "does not answer":
                raise RunFailed(
                    f"no Prefect server answers at {url} (PREFECT_API_URL): start it, or {instead}"
                )
            if why_not:
                raise RunFailed(
                    f"the Prefect server {url} (PREFECT_API_URL) {why_not}; or {instead}"
                )
            return
        is_new = not (self._home / "prefect.db").exists()
        self._say(
            "starting the Prefect server"
            + (" (the first time takes up to half a minute)" if is_new else "")
        )
        environ = place.own_server_environment(self._settings, self._home) | dict(os.environ)
        self._server.start(environ, stop=self._stop, notify=self._say)

    def _look_after_server(self) -> None:
        if self._server is None:
            self._look_after_foreign_server()
        elif trouble := self._server.trouble():
            self._say(f"{trouble}; starting it again, and runs under way go on without it")
            self._server.stop()
            if not self._patience.wait(self._stop):
                self._restart_server()

    def _restart_server(self) -> None:
        try:
            self._begin_server()
        except RunFailed as error:
            self._say(f"{error}\ntried again soon")  # for the next look finds it in trouble
        else:
            self._is_back()

    def _is_back(self) -> None:
        if self._runner is not None:
            self._runner.polls.answered()  # what was before is over
        self._register_soon()

    def _look_after_foreign_server(self) -> None:
        """Notice that it went away and came back, perhaps with another database."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + FOREIGN_LOOK_SECONDS
        silent = silence(self._served.api_url, seconds=ANSWER_SECONDS)
        was_away, self._is_away = self._is_away, silent is not None
        if self._is_away and not was_away:
            self._say(
                f"the Prefect server {self._served.api_url} {silent}; no run begins until "
                "it does, and runs under way go on without it: start it again where it runs, or "
                "end this, unset PREFECT_API_URL and start again to have a server here"
            )
        elif was_away and not self._is_away:
            self._say("the Prefect server answers again; the schedules go on")
            self._is_back()

    # --- the runner ---

    def _begin_runner(self) -> None:
        if self._stop.is_set():
            return
        try:
            self._settle()
        except RunFailed:
            if self._stop.is_set():
                return  # it was told to stop, which is no failure
            raise
        self._registry.tidy()
        self._runner = RunnerThread(
            self._registry.ids,
            runs_at_once=self._settings.serve.max_concurrent_runs,
            poll_seconds=poll_seconds(source_schedules(self._settings).values()),
            rules=Rules(
                may_begin=self._seat.may_begin,
                is_ours=self._registry.is_ours,
                left=self._tell_left,
                is_long=self._registry.is_long,
            ),
        )
        self._runner.start()
        if not self._is_announced:
            self._is_announced = True
            self._say(announcement(self._served, self._registry.registered))
            notify("READY=1")

    def _settle(self) -> None:
        """Take the place at the server and register there.

        Raises:
            Displaced: Another one has the place, or took it meanwhile.
        """
        self._seat.take()
        self._registry.renew()
        if not self._seat.is_ours():  # two that began at once may both have written it down
            self._seat.take()

    def _tell_left(self, names: list[str]) -> None:
        self._say(
            f"{', '.join(names)}: asked for at another installation, which had this place at the "
            "Prefect server before, and not begun here; to have such a run of this warehouse, ask "
            "for it again, and cancel that one in the UI"
        )

    def _look_after_runner(self) -> None:
        if self._runner is None:
            return
        self._hear_the_runner(None if self._is_away else self._runner.polls.trouble)
        if self._runner.is_alive:
            return
        self._say(f"the runner ended: {why(self._runner.error)}; starting it again")
        self._runner.stop()
        if self._patience.wait(self._stop):
            return
        from prefect.exceptions import PrefectException

        try:
            with impatient():
                self._begin_runner()
        except Displaced:
            raise
        except (RunFailed, *UNANSWERED, PrefectException) as error:
            self._say(f"{why(error)}; tried again soon")

    def _hear_the_runner(self, trouble: str | None) -> None:
        """Say once that no runs can be asked for, and once that they can be again."""
        if trouble and not self._is_deaf:
            self._say(
                f"the Prefect server does not say which runs are due ({trouble}); asked again and "
                "again, and until it does no run begins: its own words are in "
                + (str(self._server.log) if self._server else "the log of that server")
            )
        elif self._is_deaf and not trouble:
            self._say("the Prefect server says again which runs are due; the schedules go on")
        self._is_deaf = trouble is not None

    # --- what the server knows ---

    def _look_after_schedules(self) -> None:
        """Tell the server what it does not know any more; notice runs that it believes in.

        A server that was away may have another database; runs that ended meanwhile could
        not tell it.
        """
        now = time.monotonic()
        if self._seat.is_lost and not self._must_register:
            self._register_soon()  # the runner saw it
        if self._runner is None or now < self._next_tidying:
            return
        if not is_answering(self._served.api_url, seconds=ANSWER_SECONDS):
            return  # Prefect's client would try for a minute, and nobody could stop us
        self._next_tidying = now + TIDY_SECONDS
        from prefect.exceptions import PrefectException

        try:
            with impatient():
                is_another = not self._seat.is_ours() or self._must_register
                if is_another or self._registry.is_forgotten():
                    self._settle()
                    self._runner.watch(self._registry.ids)
                    self._must_register = False
                self._registry.tidy(self._runner.under_way)
        except Displaced:
            if not self._stop.is_set():
                raise
        except (*UNANSWERED, PrefectException) as error:
            # A server that is away is looked after elsewhere; what changed, again later.
            self._tidyings_failed += 1
            if self._tidyings_failed == TOLD_AFTER:
                self._say(
                    f"what the Prefect server knows of schedules and runs could not be put in order "
                    f"{TOLD_AFTER} times in a row ({why(error)}); tried again and again: its own "
                    "words are in its log, and `copydesk doctor` looks whether it can be used"
                )
        except RunFailed as error:
            if not self._stop.is_set():
                self._say(f"{error}; tried again in {TIDY_SECONDS:.0f} s")
        else:
            if self._tidyings_failed >= TOLD_AFTER:
                self._say("what the Prefect server knows is in order again")
            self._tidyings_failed = 0

    def _look_at_the_clock(self) -> None:
        if seconds := self._clock.went_back():
            self._say(
                f"the system's clock went back by {timedelta(seconds=round(seconds))}; the "
                "schedules are made anew, or they would wait until it is that late again"
            )
            if self._server is not None:  # so would each of its own services, the scheduler first
                self._server.stop()
                self._restart_server()
            self._register_soon()

    def _register_soon(self) -> None:
        """At the next look, and again until it is done."""
        self._must_register, self._next_tidying = True, 0.0


class _Patience:
    """Waits longer from failure to failure, and forgets them after a good while."""

    def __init__(self) -> None:
        self._failures: list[float] = []

    def wait(self, stop: threading.Event) -> bool:
        """Wait; True if asked to stop meanwhile."""
        now = time.monotonic()
        self._failures = [at for at in self._failures if now - at < FORGIVEN_SECONDS] + [now]
        number = min(len(self._failures), len(PATIENCE_SECONDS)) - 1
        return stop.wait(PATIENCE_SECONDS[number])
