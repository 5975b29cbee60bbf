"""Send one message through Apprise, to each address within a time limit.

Apprise makes the connections itself, so that the rules of ``[fetch]`` about private hosts do not
apply: the operator names the addresses. An address holds tokens, so no text of Apprise leaves
this module before its parts are masked.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from flows.alert_settings import FROM_ENVIRONMENT
from parsers.text.characters import single_line

SEND_SECONDS = 30.0
"""How long the message may take to each address; they are sent at the same time."""

READ_SECONDS = 20.0
"""How long Apprise waits for an answer; its own 4 seconds make a slow server get messages twice."""

APP = "copydesk"
"""The name of the sender, where a service shows one."""

_MIN_SECRET_LENGTH = 4
_MAX_REASON = 300

Urgency = Literal["info", "success", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of ``[alerts] to``.

    Attributes:
        number: Its place in the list, from 1.
        text: As configured; it may hold tokens.
    """

    number: int
    text: str = field(repr=False)

    @property
    def label(self) -> str:
        """How messages name it: without its host, user and tokens."""
        if self.text.startswith(FROM_ENVIRONMENT):
            return f"address {self.number} ({self.text})"
        return f"address {self.number} ({self.text.partition('://')[0].lower()})"

    def url(self, environ: Mapping[str, str] = os.environ) -> str:
        """The address itself; empty when its environment variable is not set."""
        if not self.text.startswith(FROM_ENVIRONMENT):
            return self.text
        return environ.get(self.text.removeprefix(FROM_ENVIRONMENT), "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in plain text."""

    title: str
    body: str
    urgency: Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a message to one address.

    Attributes:
        error: Why it was not accepted; empty when a server accepted it.
        is_unusable: The address itself is wrong, so that nothing was sent.
    """

    address: Address
    error: str
    is_unusable: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether a server accepted the message."""
        return not self.error

    def __str__(self) -> str:
        """One line."""
        return f"{self.address.label}: {self.error or 'accepted'}"


def addresses_of(texts: Sequence[str]) -> list[Address]:
    """The addresses of ``[alerts] to``, each once."""
    return [Address(number=place, text=text) for place, text in enumerate(dict.fromkeys(texts), 1)]


def send(messages: Sequence[tuple[Address, Message]]) -> list[SendResult]:
    """Send a message to each address, all at the same time; no error is raised.

    A server that answers after the limit may have accepted the message. It counts as failed.
    """
    tasks = [_Sending(address, message) for address, message in messages]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(SEND_SECONDS)
    return [
        SendResult(address=task.address, error=task.error, is_unusable=task.is_unusable)
        for task in tasks
    ]


class _Sending(threading.Thread):
    """A message on its way to one address. A daemon, so that no server delays the exit."""

    def __init__(self, address: Address, message: Message) -> None:
        super().__init__(name=f"copydesk alert {address.number}", daemon=True)
        self.address = address
        self.message = message
        self.error = f"no answer within {SEND_SECONDS:.0f} seconds"
        self.is_unusable = False

    def run(self) -> None:
        url = self.address.url()
        try:
            self.error = _send(url, self.message)
        except _UnusableAddress as error:
            self.error, self.is_unusable = str(error), True
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything
            self.error = _masked(f"{type(error).__name__}: {error}", url)


class _UnusableAddress(Exception):
    """No message can be sent to the address, as it is configured."""


def _send(url: str, message: Message) -> str:
    """Send through Apprise, which is slow to import; return why it failed."""
    if not url:
        raise _UnusableAddress("its environment variable is not set")
    with _warnings() as texts:
        from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode

        # Without its own limit Apprise sends in this thread, not in one that delays the exit.
        asset = AppriseAsset(app_id=APP, app_desc=APP, service_timeout=0.0)
        plugin = Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise _UnusableAddress(
                "it is no address that Apprise accepts; see the list of its services"
            )
        if "rto=" not in url:
            plugin.socket_read_timeout = READ_SECONDS
        if "overflow=" not in url:
            plugin.overflow_mode = OverflowMode.SPLIT  # a long message is several ones
        sender = Apprise(asset=asset)
        sender.add(plugin)
        is_accepted = sender.notify(
            title=message.title,
            body=message.body,
            notify_type=NotifyType(message.urgency),
            body_format=NotifyFormat.TEXT,
        )
    return "" if is_accepted else _masked("; ".join(texts) or "it was refused", url)


class _Capture(logging.Filter):
    """Keep the warnings of threads that send, and drop all of their records from the log."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, list[str]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record goes to the log: it may show an address."""
        texts = self.texts.get(threading.get_ident())
        if texts is not None and record.levelno >= logging.WARNING:
            texts.append(record.getMessage())
        return texts is None


_CAPTURE = _Capture()


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that Apprise logs in this thread meanwhile."""
    # The debug lines of urllib3 hold whole addresses, too.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("apprise").addFilter(_CAPTURE)
    texts = _CAPTURE.texts[threading.get_ident()] = []
    try:
        yield texts
    finally:
        del _CAPTURE.texts[threading.get_ident()]


def _masked(text: str, url: str) -> str:
    """Mask every part of an address in a text; the scheme is no secret."""
    rest = url.partition("://")[2]
    parts = {
        part
        for form in (rest, unquote(rest))
        for part in [form, *re.split(r"[/@:?&=#,+\s]+", form)]
        if len(part) >= _MIN_SECRET_LENGTH
    }
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    text = single_line(text.strip().rstrip("."))
    return text if len(text) <= _MAX_REASON else f"{text[: _MAX_REASON - 1]}…"
