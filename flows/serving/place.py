"""The folder of Prefect beside the warehouse: who serves from it, and where.

One ``copydesk serve`` at a time: it holds a lock that the system takes back when the
process ends, however it ends. What it serves is written down for the other commands.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flows.errors import ConfigurationError, RunFailed
from flows.pipeline.lock_probe import is_marked, mark, unmark
from flows.serving.server import QUIET
from flows.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_AUTH = "PREFECT_API_AUTH_STRING"
API_KEY = "PREFECT_API_KEY"
API_URL = "PREFECT_API_URL"
CERT_FILE = "PREFECT_API_SSL_CERT_FILE"
_LOCK = "serve.lock"
_SERVED = "serve.json"
_DAY = 86_400
# Most of what the database grows by, 6 to 8 KB each with their indexes: the steps of runs,
# which the UI shows from elsewhere once they are recorded. How runs ended stays.
_SOON_FORGOTTEN = (
    "prefect.task-run.Pending",
    "prefect.task-run.Running",
    "prefect.task-run.Completed",
    "prefect.flow-run.Scheduled",
    "prefect.flow-run.Submitting",
    "prefect.flow-run.Pending",
    "prefect.flow-run.Running",
    "prefect.flow-run.heartbeat",
    "prefect.artifact.created",
    "prefect.artifact-collection.updated",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a running ``copydesk serve`` offers.

    Attributes:
        api_url: Of the Prefect API.
        is_own: The server is a child of that process.
    """

    pid: int
    api_url: str
    is_own: bool

    @property
    def ui_url(self) -> str:
        """Where people look."""
        return self.api_url.removesuffix("/api")


def prefect_home(settings: Settings) -> Path:
    """Where Prefect keeps its own: beside the warehouse unless PREFECT_HOME says otherwise."""
    chosen = os.environ.get("PREFECT_HOME")
    home = Path(chosen) if chosen else settings.warehouse.path.parent / "prefect"
    return home.expanduser().absolute()


def named_server(environ: MutableMapping[str, str]) -> str | None:
    """The Prefect API that the environment names; ``None`` when it names none.

    An empty PREFECT_API_URL is taken out of it, and one that ends in a slash loses that:
    Prefect and we would understand them differently.
    """
    if url := environ.get(API_URL, "").strip().rstrip("/"):
        environ[API_URL] = url
        return url
    environ.pop(API_URL, None)
    return None


def know_own_password(environ: MutableMapping[str, str], api_url: str = "") -> None:
    """Have this process tell a server of our own the password that it was given.

    No proxy stands before that server, whatever address of this machine it listens at.
    """
    if host := urlsplit(api_url).hostname:
        spare_loopback(environ, host)
    # A key for another server would be sent to ours, which then refuses everything.
    environ.pop(API_KEY, None)
    if auth := environ.get(SERVER_AUTH):
        environ[CLIENT_AUTH] = auth


@contextmanager
def held(home: Path, served: Served, *, warehouse: Path | None = None) -> Iterator[None]:
    """Be the only ``copydesk serve`` of this home while inside, and tell the others.

    Args:
        home: Prefect's folder.
        served: What is told.
        warehouse: Its file. One home may be chosen for several warehouses, and one warehouse
            be served from two homes by mistake: both are held.

    Raises:
        RunFailed: Another one holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (
        _alone(warehouse and _lock_of(warehouse), served, "serves this warehouse"),
        _alone(home / _LOCK, served, f"has its Prefect in {home} (PREFECT_HOME)"),
    ):
        note = home / _SERVED
        note.write_text(json.dumps(asdict(served)), encoding="utf-8")
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def _lock_of(warehouse: Path) -> Path:
    folder = warehouse.parent / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{warehouse.name}.serve"


@contextmanager
def _alone(file: Path | None, served: Served, does: str) -> Iterator[None]:
    """Hold a lock file, which says who does; refuse where another one already does that."""
    if file is None:
        yield
        return
    with file.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _told(file) or _read(file.parent)
            where = f" (process {other.pid}, {other.ui_url})" if other else ""
            raise RunFailed(
                f"another `copydesk serve` already {does}{where}: use that one, or end it first"
            ) from None
        lock.truncate(0)
        lock.write(json.dumps(asdict(served)))
        lock.flush()
        mark(lock.fileno())
        try:
            yield
        finally:
            unmark(lock.fileno())


def find_served(home: Path) -> Served | None:
    """The ``copydesk serve`` that holds this home now; ``None`` when there is none.

    Looking takes no lock and makes no file: a ``serve`` that starts in that moment can.
    """
    return _told(home / _LOCK) or _read(home) if is_marked(home / _LOCK) else None


def _read(home: Path) -> Served | None:
    return _told(home / _SERVED)


def _told(file: Path) -> Served | None:
    try:
        return Served(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def check_exposure(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Refuse an address beyond loopback without a password.

    Raises:
        ConfigurationError: ``serve.host`` is reachable from outside and no password is set.
    """
    host = settings.serve.host
    if host not in LOOPBACK and not environ.get(SERVER_AUTH):
        raise ConfigurationError(
            f"serve.host: {host!r} can be reached by others, and whoever reaches Prefect can run "
            f"anything here; set {SERVER_AUTH} to 'user:password' in the environment first, "
            "or keep 127.0.0.1"
        )


def own_server_environment(settings: Settings, home: Path) -> dict[str, str]:
    """What the Prefect server that we start is told, where the user has not told it."""
    serve = settings.serve
    keep = str(serve.run_retention_days * _DAY)
    return {
        **QUIET,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc gives each thread an arena; saves memory
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_API_HOST": serve.host,
        "PREFECT_SERVER_API_PORT": str(serve.port),
        "PREFECT_SERVER_UI_API_URL": f"{address(settings)}/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        # Leases in memory are lost with the server, and a slot then stays taken.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        # What grows is pruned by the server itself.
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{min(serve.run_retention_days, 7)}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": keep,
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(
            dict.fromkeys(_SOON_FORGOTTEN, 3600)
        ),
    }


def client_environment(settings: Settings, home: Path, api_url: str) -> dict[str, str]:
    """What this process and the runs it starts are told."""
    return {
        "PREFECT_HOME": str(home),
        API_URL: api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_COLORS": "false",
    }


def spare_loopback(environ: MutableMapping[str, str], *hosts: str) -> None:
    """Have no proxy stand between us and a server on this machine.

    Prefect's client asks the proxy of the environment (``HTTP_PROXY``) even for 127.0.0.1.

    Args:
        environ: Changed.
        hosts: Other addresses of this machine.
    """
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in environ):
        return
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    known = [one.strip() for one in given.split(",") if one.strip()]
    spared = [*known, *(one for one in (*LOOPBACK, *hosts) if one not in known)]
    environ["no_proxy"] = environ["NO_PROXY"] = ",".join(dict.fromkeys(spared))


def trust_own_authority(environ: MutableMapping[str, str]) -> None:
    """Have Prefect's client trust the authority that everything else here is told to trust.

    Its own settings are ``PREFECT_API_SSL_CERT_FILE`` and ``SSL_CERT_FILE``; a company's
    machines often name their authority in ``REQUESTS_CA_BUNDLE`` only.
    """
    bundle = environ.get("REQUESTS_CA_BUNDLE", "")
    if Path(bundle).is_file() and not (environ.get(CERT_FILE) or environ.get("SSL_CERT_FILE")):
        environ[CERT_FILE] = bundle


def address(settings: Settings) -> str:
    """Where our own server is reached from this machine, and in the browser."""
    host = settings.serve.host
    shown = {"0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{settings.serve.port}"
