"""A Prefect server as far away as a company has it: behind a proxy, with an authority of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "prefect.test"
API = f"https://{HOST}/api"


@dataclass
class Far:
    """How the server at ``API`` is reached.

    Attributes:
        authority: The file of who signed its certificate.
        proxy: The only way there: the name leads nowhere else.
        asked_for: What the proxy was asked to connect to.
    """

    authority: Path
    proxy: str
    asked_for: list[str] = field(default_factory=list)


@contextmanager
def far_away(folder: Path, port: int) -> Iterator[Far]:
    """What listens at a port of this machine, as ``API`` behind a proxy."""
    authority, certificate = _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ExitStack() as stack:
        door = stack.enter_context(_listening(lambda one: _relay(context, one, port)))
        far = Far(authority, "")
        proxy = stack.enter_context(_listening(lambda one: _connect(far, one, door)))
        far.proxy = f"http://127.0.0.1:{proxy}"
        yield far


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection is served in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    one, _ = server.accept()
                    threads.append(threading.Thread(target=_closing, args=(serve, one)))
                    threads[-1].daemon = True
                    threads[-1].start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _closing(serve: Callable[[socket.socket], None], one: socket.socket) -> None:
    with one, suppress(OSError):
        serve(one)


def _connect(far: Far, one: socket.socket, port: int) -> None:
    """A proxy that knows one name."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := one.recv(4096)):
            return
        head += more
    method, target = head.split(b" ", 2)[:2]
    far.asked_for.append(target.decode())
    if method != b"CONNECT" or target != f"{HOST}:443".encode():
        one.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        return
    one.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as there:
        _both_ways(one, there)


def _relay(context: ssl.SSLContext, one: socket.socket, port: int) -> None:
    """The end of TLS before a server that knows nothing of it."""
    with (
        context.wrap_socket(one, server_side=True) as open_one,
        socket.create_connection(("127.0.0.1", port)) as there,
    ):
        _both_ways(open_one, there)


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _certificates(folder: Path) -> tuple[Path, Path]:
    """An authority, and what it signed for the server (certificate and key in one file)."""
    own, its = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company's own authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    key_id = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
    authority = (
        _begun(issuer, issuer)
        .public_key(own.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_id, critical=False)
        .sign(own, hashes.SHA256())
    )
    signed = (
        _begun(name, issuer)
        .public_key(its.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False
        )
        .sign(own, hashes.SHA256())
    )
    key = its.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files = folder / "authority.pem", folder / "server.pem"
    files[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key)
    return files


def _begun(name: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
