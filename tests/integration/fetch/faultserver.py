"""A web server on loopback that breaks in every way we know.

It writes bytes, not HTTP: a route returns either the bytes of a whole answer, or a
function that handles the connection itself.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Script = Callable[["Connection"], None]
Reply = bytes | Script


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived."""

    at: float
    path: str
    headers: dict[str, str]
    connection: int
    number: int
    raw: bytes


@dataclass(slots=True)
class Connection:
    """One connection, for a script to do with as it likes."""

    sock: socket.socket
    stopped: threading.Event
    is_kept: bool = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, *, seconds: float) -> None:
        """One byte at a time."""
        for byte in data:
            if self.stopped.wait(seconds):
                return
            self.sock.sendall(bytes([byte]))

    def hang(self) -> None:
        self.stopped.wait(30)

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class FaultServer:
    """Serves ``route(seen)`` on a port of its own; remembers every request."""

    route: Callable[[Seen], Reply]
    address: str = "127.0.0.1"
    context: ssl.SSLContext | None = None
    log: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._socks: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.connections = 0
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, 0), family=family, backlog=256)
        self.port = self._listener.getsockname()[1]
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"{'https' if self.context else 'http'}://{self.host}{path}"

    def paths(self) -> list[str]:
        """The requested paths without robots.txt."""
        return [seen.path for seen in self.log if seen.path != "/robots.txt"]

    def close(self) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._socks:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, args=(sock, self.connections), daemon=True
            )
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with self._lock:
            self._socks.add(sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            for seen in self._requests(sock, number):
                reply = self.route(seen)
                if isinstance(reply, bytes):
                    sock.sendall(reply)
                    continue
                connection = Connection(sock, self._stopped)
                reply(connection)
                if not connection.is_kept:
                    return
        except OSError:
            return
        finally:
            with self._lock:
                self._socks.discard(sock)
            sock.close()

    def _requests(self, sock: socket.socket, number: int) -> Iterator[Seen]:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                piece = sock.recv(65536)
                if not piece:
                    return
                buffer += piece
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            with self._lock:
                self._counts[path] += 1
                seen = Seen(
                    time.monotonic(), path, fields, number, self._counts[path], head + b"\r\n\r\n"
                )
                self.log.append(seen)
            yield seen


def reply(status: int | str, body: bytes = b"", *fields: str, length: bool = True) -> bytes:
    """A whole answer; ``fields`` are header lines."""
    lines = [f"HTTP/1.1 {status} Whatever" if isinstance(status, int) else f"HTTP/1.1 {status}"]
    lines += fields
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def page(body: bytes, *fields: str) -> bytes:
    """A good answer."""
    return reply(200, body, "Content-Type: text/html; charset=utf-8", *fields)


def html(path: str, size: int = 2000) -> bytes:
    """A page whose every byte follows from its path."""
    text = f"{path} " * (size // (len(path) + 1) + 1)
    return f"<!doctype html><html><body><p>{text[:size]}</p></body></html>\n".encode()


def packed(body: bytes) -> bytes:
    """The same gzip data for the same body."""
    return gzip.compress(body, mtime=0)


def chunked(body: bytes, *fields: str, last: bytes = b"0\r\n\r\n", size: int = 700) -> bytes:
    """A good answer in chunks; ``last`` is its end."""
    head = reply(
        200, b"", "Content-Type: text/html", "Transfer-Encoding: chunked", *fields, length=False
    )
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + last


def then_close(data: bytes) -> Script:
    """Send something and close."""
    return lambda connection: connection.send(data)


def then_reset(data: bytes) -> Script:
    """Send something and break the connection."""

    def script(connection: Connection) -> None:
        connection.send(data)
        time.sleep(0.02)  # so that the data is not thrown away with the connection
        connection.reset()

    return script
