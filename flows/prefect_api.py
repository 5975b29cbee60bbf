"""Which Prefect server this installation uses, and whether it can be used.

Nothing here imports Prefect at its top: Prefect reads its settings at import, and they are
prepared here.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import urllib.request
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flows.errors import RunFailed
from flows.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
API_URL = "PREFECT_API_URL"
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_AUTH = "PREFECT_API_AUTH_STRING"
TELEMETRY_OFF = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
_LOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The Prefect server of a running ``copydesk serve``.

    Attributes:
        pid: Process id of ``copydesk serve``.
        is_own: The server is its child.
    """

    pid: int
    api_url: str
    is_own: bool

    @property
    def ui_url(self) -> str:
        """Address of the UI."""
        return self.api_url.removesuffix("/api")


def prefect_home(settings: Settings) -> Path:
    """Return PREFECT_HOME, or the folder ``prefect`` beside the warehouse."""
    chosen = os.environ.get("PREFECT_HOME")
    home = Path(chosen) if chosen else settings.warehouse.folder / "prefect"
    return home.expanduser().absolute()


def configured_server(environ: MutableMapping[str, str]) -> str | None:
    """Return the Prefect API that the environment names, if any.

    An empty PREFECT_API_URL and a slash at its end are removed.
    """
    if url := environ.get(API_URL, "").strip().rstrip("/"):
        environ[API_URL] = url
        return url
    environ.pop(API_URL, None)
    return None


def own_api_url(settings: Settings) -> str:
    """Return the address of our own server as seen from this machine."""
    host = settings.serve.host
    shown = {"0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{settings.serve.port}/api"


@contextmanager
def single_instance(settings: Settings, info: ServerInfo) -> Iterator[None]:
    """Hold the lock that only one ``copydesk serve`` of a warehouse has; publish its server.

    Raises:
        RunFailed: Another process holds it.
    """
    file = _lock_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        deadline = time.monotonic() + _LOCK_SECONDS  # ``find_server`` may hold it for a moment
        while not _try_lock(lock.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                other = _read_info(file)
                where = f" (process {other.pid}, {other.ui_url})" if other else ""
                raise RunFailed(
                    f"another `copydesk serve` already serves this warehouse{where}: "
                    "use that one, or stop it first"
                )
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(json.dumps(asdict(info)))
        lock.flush()
        yield
        lock.truncate(0)


def find_server(settings: Settings) -> ServerInfo | None:
    """Return the server of the ``copydesk serve`` of this warehouse, if one runs."""
    file = _lock_file(settings)
    try:
        with file.open(encoding="utf-8") as lock:
            return None if _try_lock(lock.fileno(), fcntl.LOCK_SH) else _read_info(file)
    except OSError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunServer:
    """The Prefect server that runs use.

    Attributes:
        serve: The ``copydesk serve`` it was found by; ``None`` for that of PREFECT_API_URL.
    """

    api_url: str
    serve: ServerInfo | None = None

    @property
    def is_own(self) -> bool:
        """Whether ``copydesk serve`` started it."""
        return self.serve is not None and self.serve.is_own


def find_run_server(environ: MutableMapping[str, str], settings: Settings) -> RunServer | None:
    """Return the server of PREFECT_API_URL, or else that of ``copydesk serve``, if any."""
    if url := configured_server(environ):
        return RunServer(api_url=url)
    serve = find_server(settings)
    return RunServer(api_url=serve.api_url, serve=serve) if serve else None


def _lock_file(settings: Settings) -> Path:
    warehouse = settings.warehouse.path
    return warehouse.parent / "locks" / f"{warehouse.name}.serve.lock"


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_info(file: Path) -> ServerInfo | None:
    try:
        return ServerInfo(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def prepare_client(
    environ: MutableMapping[str, str], settings: Settings, api_url: str | None, *, is_own: bool
) -> None:
    """Set what Prefect's client reads at import; values that the user set stay.

    Args:
        environ: Changed in place.
        settings: The configuration.
        api_url: The server; ``None`` while it is not known.
        is_own: The server is ours: the client uses its password and no proxy.
    """
    environ["PREFECT_HOME"] = str(prefect_home(settings))
    for name, value in {
        **TELEMETRY_OFF,
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "copydesk",  # our log on the page of a run
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
    }.items():
        environ.setdefault(name, value)
    if api_url:
        environ[API_URL] = api_url
    if is_own:
        # A key of another server would take precedence over the password.
        environ.pop("PREFECT_API_KEY", None)
        if auth := environ.get(SERVER_AUTH):
            environ[CLIENT_AUTH] = auth
    _bypass_proxy(environ, urlsplit(api_url or "").hostname if is_own else None)
    bundle = environ.get("REQUESTS_CA_BUNDLE", "")
    if Path(bundle).is_file() and not environ.get("SSL_CERT_FILE"):
        environ.setdefault("PREFECT_API_SSL_CERT_FILE", bundle)


def _bypass_proxy(environ: MutableMapping[str, str], own_host: str | None) -> None:
    """Let no proxy of the environment handle requests to this machine; Prefect's client would."""
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in environ):
        return
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [one.strip() for one in given.split(",") if one.strip()]
    hosts += [*LOOPBACK, *([own_host] if own_host else [])]
    environ["no_proxy"] = environ["NO_PROXY"] = ",".join(dict.fromkeys(hosts))


def is_ready(api_url: str, *, seconds: float = 3.0) -> bool:
    """Whether a Prefect server on this machine answers and can read its database."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{api_url}/ready", timeout=seconds) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def server_problem(api_url: str, *, seconds: float = 5.0) -> str | None:
    """Return why Prefect's client cannot use a server; ``None`` if it can.

    Asks as the client does: with its password, proxy and certificates, but only once.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    once = {
        PREFECT_API_URL: api_url,
        PREFECT_API_REQUEST_TIMEOUT: seconds,
        PREFECT_CLIENT_MAX_RETRIES: 0,
    }
    try:
        with temporary_settings(once), get_client(sync_client=True) as client:
            client.api_version()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in (401, 403):
            return f"refuses the password (HTTP {status}): set {CLIENT_AUTH} as the server has it"
        if status >= 500:
            return f"answers HTTP {status}: read its log (prefect/server.log beside the warehouse)"
        return f"answers HTTP {status}: expected the address of its API, which ends in /api"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
        return f"does not answer ({type(error).__name__}: {error})"
    return None
