"""Receivers of alerts on loopback: a webhook, and an SMTP server."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "planted-token-4711"


@dataclass
class Webhook:
    """A webhook that keeps what it accepts.

    Attributes:
        status: Its answer to each message.
        hold: While it is set, answers wait.
    """

    port: int = 0
    status: int = 200
    refused: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    @property
    def messages(self) -> list[str]:
        """Title and body of each message."""
        return [f"{one['title']}\n{one['message']}" for one in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    may_answer = threading.Event()
    may_answer.set()
    made.hold = may_answer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.arrived.set()
            may_answer.wait(20)
            if made.status < 300:
                made.received.append(json.loads(body))
            else:
                made.refused += 1
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.port = server.server_port
        yield made
        may_answer.set()
        server.shutdown()
        thread.join()


@dataclass
class Mailbox:
    """An SMTP server that accepts every message."""

    port: int = 0
    mails: list[Message] = field(default_factory=list)

    @property
    def address(self) -> str:
        query = "from=copydesk@example.org&to=desk@example.org"
        return f"mailto://127.0.0.1:{self.port}?{query}"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._answer("220 desk.example.org")
            while line := self.rfile.readline().decode():
                command = line[:4].upper().strip()
                if command == "DATA":
                    self._answer("354 go ahead")
                    lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                    made.mails.append(message_from_string("".join(lines)))
                self._answer("221 bye" if command == "QUIT" else "250 ok")
                if command == "QUIT":
                    return

        def _answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.port = server.server_address[1]
        yield made
        server.shutdown()
        thread.join()
