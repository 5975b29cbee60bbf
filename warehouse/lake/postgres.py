"""A connection to the PostgreSQL server of a lake; its messages hold no secret."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any

from warehouse.errors import WarehouseUnreachable

if TYPE_CHECKING:
    from psycopg import Connection

_CONNECT_SECONDS = 10
# Both ends notice a vanished peer after about a minute; the defaults of most systems are hours.
_ALIVE = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 4}
_SESSION = f"""
    SET tcp_keepalives_idle = {_ALIVE["keepalives_idle"]};
    SET tcp_keepalives_interval = {_ALIVE["keepalives_interval"]};
    SET tcp_keepalives_count = {_ALIVE["keepalives_count"]};
"""
_NO_TIMEOUTS = """
    SELECT set_config(name, '0', false) FROM pg_settings
    WHERE name IN ('idle_session_timeout', 'statement_timeout', 'lock_timeout')
"""
_PASSWORD = re.compile(r"(?i)\b(password|passfile|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)")
_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*@")


def connect(conninfo: str) -> Connection[Any]:
    """Open a connection that commits each statement, stays open while idle and notices a lost peer.

    Args:
        conninfo: A connection string of libpq; the environment (PGPASSWORD) completes it.

    Raises:
        WarehouseUnreachable: The server cannot be reached, refuses the user, or the string is wrong.
        ImportError: psycopg is not installed.
    """
    import psycopg

    try:
        db = psycopg.connect(
            conninfo,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_SECONDS,
            application_name=f"copydesk {socket.gethostname()}:{os.getpid()}"[:63],
            keepalives=1,
            tcp_user_timeout=60_000,
            **_ALIVE,
        )
    except psycopg.ProgrammingError:
        # Its message repeats the connection string.
        raise WarehouseUnreachable(
            "PostgreSQL: the connection string cannot be read: expected the form of libpq, such as "
            "'host=db.example.org dbname=news user=copydesk'; check [warehouse] url"
        ) from None
    except psycopg.Error as error:
        raise unreachable_error(reason(error)) from None
    db.execute(_SESSION)
    db.execute(_NO_TIMEOUTS)
    return db


def unreachable_error(reason: str) -> WarehouseUnreachable:
    """Return the error for a catalog whose server cannot be used."""
    reason = " ".join(reason[max(reason.find("connection to server"), 0) :].split())
    return WarehouseUnreachable(
        f"PostgreSQL: no connection ({reason}): check that the server runs, [warehouse] url, and "
        "the variables PGUSER and PGPASSWORD of this process. Stored batches are complete"
    )


def reason(error: Exception) -> str:
    """Return the first line of an error's text, without passwords."""
    lines = redact_conninfo(str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def redact_conninfo(text: str) -> str:
    """Return a text without the passwords of connection strings, and without PGPASSWORD."""
    text = _PASSWORD.sub(r"\1=***", _USERINFO.sub("***@", text))
    secret = os.environ.get("PGPASSWORD", "")
    return text.replace(secret, "***") if len(secret) > 3 else text
