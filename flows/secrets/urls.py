"""Secrets of addresses: masked where an address enters, sent on the wire only.

``mask`` replaces user:password and secret parameters of a configured address by a mark, so that
``https://desk:pw@example.org/feed?token=T`` is ``https://***@example.org/feed?token=***`` in
tables, files, ids and messages. Only ``flows.fetch`` calls ``reveal``, when it sends a request.
``clean`` masks what a server echoes.

The store belongs to the process, as its log does. It is empty where no address has a secret. A
mark is ``***``. If another secret of the same host and parameter has it already, the name of
the source follows.
"""

from __future__ import annotations

import base64
import html
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, unquote

import ada_url

from flows.secrets.redact import AMBIGUOUS_NAMES, SECRET_NAMES, SECRET_PARTS

MARK = "***"
_MIN_LENGTH = 6  # a shorter value is no secret by itself
_USER = "@"
_SEGMENT = "/"
_SPLIT = re.compile(r"(?s)(?:(\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2})([^/\\?#]*))?(.*)")
_SEGMENTS = re.compile(r"(?<=/)[^/;?#]+")
_MATRIX = re.compile(r"(?<=[;#&])([^=;#&/]+)=([^;#&/]+)")
_PAIRS = re.compile(r"(?:(?<=[&#?])|\A)([^=&#]+)=([^&#]+)")
_MARKED = re.compile(r"(?:(?<=[?&;])([^=?&;#/]+=)|(?<=/))(\*{3}[\w-]*)(?=[/?#&;]|\Z)")
_MAX_URL = 2048
_LAST_URL = re.compile(rb"(?i)(https?:\\?/\\?/[^/\\\s\"'<>?#]+)([^\s\"'<>]*)\Z")
_LAST_NAME = re.compile(rb"[?&;]([^=&;?#/]+)=\Z")
_WORD = re.compile(r"[a-z]{1,12}|[A-Z][a-z]{0,11}|[A-Z]{1,12}|[0-9]{1,12}")
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z]).{12,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Echo:
    """A secret in what a server sends.

    Attributes:
        host: Its own host.
        mark: What replaces it.
        probes: Texts of which one occurs wherever a pattern does.
        anywhere: Where it can be nothing but an echo.
        named: After the name of its parameter; the first group is the name.
    """

    host: str
    mark: bytes
    probes: tuple[bytes, ...]
    anywhere: re.Pattern[bytes] | None
    named: re.Pattern[bytes] | None


class UrlSecrets:
    """The secrets of the addresses of a process; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: frozenset[str] = frozenset()
        # (scheme and host, place) -> mark -> secret. The place is a parameter, "@" or "/".
        self._values: dict[tuple[str, str], dict[str, str]] = {}
        self._echoes: tuple[_Echo, ...] | None = ()

    def __bool__(self) -> bool:
        """True when an address had a secret."""
        return bool(self._values)

    def add_names(self, names: Iterable[str]) -> None:
        """Mask these query parameters, too."""
        self._names |= {name.lower() for name in names}

    def mask(self, url: str, *, owner: str = "", secrets: Iterable[str] = ()) -> str:
        """A configured address with its secrets replaced by marks; it may be masked already.

        Args:
            url: The address.
            owner: The source that it belongs to.
            secrets: Percent-encoded values that are secret wherever they stand.
        """
        return self._mask(url, owner, tuple(secrets), AMBIGUOUS_NAMES | SECRET_NAMES | self._names)

    def mask_page(self, url: str) -> str:
        """The address of an article that a person gives, with its secrets replaced by marks.

        ``?code=600519`` may name an article, so such names count only with a known value.
        """
        return self._mask(url, "", (), SECRET_NAMES | self._names)

    def mask_redirect(self, url: str, *, from_secret: bool) -> str:
        """The target of a redirect with its secrets replaced by marks.

        Args:
            url: The target.
            from_secret: The request has a secret, so that its redirects may have others.
        """
        if not self._values:
            return url
        # ?code=600519 may be the new address of an article; a session never is.
        names = SECRET_NAMES | {"session", "sid"} | self._names if from_secret else frozenset()
        known = tuple(self._known(words=from_secret))
        return self._mask(url, "", known, names)

    def _mask(self, url: str, owner: str, secrets: tuple[str, ...], names: frozenset[str]) -> str:
        host = _host_of(url)
        scheme, authority, rest = _SPLIT.fullmatch(url).groups("")  # type: ignore[union-attr]
        path, question, query = rest.partition("?")

        def mask_pair(found: re.Match[str]) -> str:
            name, value = found.groups()
            key = unquote(name).lower()
            is_secret = (
                key in names
                or (bool(names) and SECRET_PARTS.search(key) is not None)
                or value in self._values.get((host, key), {}).values()
                or any(secret in value for secret in secrets)
            )
            return f"{name}={self._mark(host, key, value, owner)}" if is_secret else found[0]

        def mask_segment(found: re.Match[str]) -> str:
            is_secret = any(secret in found[0] for secret in secrets)
            return self._mark(host, _SEGMENT, found[0], owner) if is_secret else found[0]

        with self._lock:
            user, at, name = authority.rpartition("@")
            if at:
                authority = f"{self._mark(host, _USER, user, owner)}@{name}"
            path = _MATRIX.sub(mask_pair, _SEGMENTS.sub(mask_segment, path) if secrets else path)
            query = _PAIRS.sub(mask_pair, query)
        return f"{scheme}{authority}{path}{question}{query}"

    def _mark(self, host: str, place: str, value: str, owner: str) -> str:
        if value.startswith(MARK) or not host:
            return value if value.startswith(MARK) else MARK
        marks = self._values.setdefault((host, place), {})
        for mark, known in marks.items():
            if known == value:
                return mark
        number = len(marks) + 1
        free = (MARK, f"{MARK}{owner}", f"{MARK}{owner}{number}")
        mark = next(one for one in free if one not in marks)
        marks[mark] = value
        self._echoes = None
        return mark

    # --- on the wire ---

    def reveal(self, scheme: str, host: str, path: str) -> str:
        """Path and query for the request line, with the secrets of a host.

        Args:
            scheme: ``http`` or ``https``. A secret of https is not sent over http.
            host: With a port other than 80 and 443.
            path: Masked.
        """
        if MARK not in path or not self._values:
            return path

        def secret(found: re.Match[str]) -> str:
            name, mark = found[1] or "", found[2]
            place = unquote(name[:-1]).lower() if name else _SEGMENT
            return name + (self._find(scheme, host, place, mark) or mark)

        return _MARKED.sub(secret, path)

    def credentials(self, scheme: str, host: str, mark: str) -> tuple[str, str] | None:
        """User and password, percent-encoded, of a mark at a host."""
        value = self._find(scheme, host, _USER, mark)
        if value is None:
            return None
        user, _, password = value.partition(":")
        return user, password

    def _find(self, scheme: str, host: str, place: str, mark: str) -> str | None:
        schemes = ("https", "http") if scheme == "https" else ("http",)
        found = (self._values.get((f"{one}://{host}", place), {}).get(mark) for one in schemes)
        return next((one for one in found if one is not None), None)

    # --- what servers echo ---

    def clean(self, data: bytes, *, host: str = "") -> bytes:
        """Foreign bytes with every secret replaced by its mark.

        Args:
            data: What a server sent.
            host: The server. A short or common value is masked only in what its own host sent;
                without a host, everywhere.
        """
        for echo in self._known_echoes() if self._values else ():
            if not any(probe in data for probe in echo.probes):
                continue
            if echo.anywhere:
                data = echo.anywhere.sub(partial(self._replace, echo), data)
            if echo.named and host in ("", echo.host):
                data = echo.named.sub(partial(_replace_named, echo), data)
        return data

    def _replace(self, echo: _Echo, found: re.Match[bytes]) -> bytes:
        """The mark; another host gets the secret that the server put into its address, too."""
        scheme, host, rest = _url_before(found)
        if host and host != echo.host:
            name = _LAST_NAME.search(rest)
            place = unquote(name[1].decode("utf-8", "replace")).lower() if name else _SEGMENT
            secret = found[0].decode("utf-8", "replace")
            self._values.setdefault((f"{scheme}://{host}", place), {}).setdefault(
                echo.mark.decode(), secret
            )
        return echo.mark

    def clean_text(self, text: str) -> str:
        """Foreign text with every secret replaced by its mark."""
        if not self._values:
            return text
        return self.clean(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _known(self, *, words: bool) -> Iterator[str]:
        """Yield the secrets that are recognized in a redirect wherever they stand."""
        with self._lock:
            found = [
                (place, value)
                for (_, place), marks in self._values.items()
                for value in marks.values()
            ]
        for place, value in found:
            secret = _password(value) if place == _USER else value
            if len(secret) >= _MIN_LENGTH and (words or not _is_word(place, secret)):
                yield secret

    def _known_echoes(self) -> tuple[_Echo, ...]:
        with self._lock:
            if self._echoes is None:
                secrets = [
                    (value, mark, host.partition("://")[2], place)
                    for (host, place), marks in self._values.items()
                    for mark, value in marks.items()
                ]
                # A longer secret may begin with a shorter one: its end must not stay.
                secrets.sort(key=lambda secret: len(secret[0]), reverse=True)
                self._echoes = tuple(
                    _echo(host, place, mark, value) for value, mark, host, place in secrets
                )
            return self._echoes


def _echo(host: str, place: str, mark: str, value: str) -> _Echo:
    """The forms in which a server may echo a secret."""
    secret = _password(value) if place == _USER else value
    texts = _forms(secret)
    forms = _any_of(texts)
    anywhere = [] if _is_word(place, secret) else [forms]
    named = None
    if place == _USER:
        basic = base64.b64encode(unquote(value if ":" in value else f"{value}:").encode()).decode()
        pairs = _any_of({value, unquote(value)})
        anywhere = [f"{pairs}(?=@)", re.escape(basic), *anywhere]
        texts |= {basic}
    elif place != _SEGMENT:
        name = rf"(?i:(?:\b|(?<=%3F|%26)){re.escape(place)}(?:=|%3D|%253D))"
        named = re.compile(rf"({name}){forms}(?![\w%.~-])".encode())
    return _Echo(
        host=host,
        mark=mark.encode(),
        probes=tuple(text.encode() for text in texts),
        anywhere=re.compile("|".join(anywhere).encode()) if anywhere else None,
        named=named,
    )


def _replace_named(echo: _Echo, found: re.Match[bytes]) -> bytes:
    """The name and the mark; in an address of another host the value is no secret."""
    _, host, _ = _url_before(found)
    return found[0] if host and host != echo.host else found[1] + echo.mark


def _url_before(found: re.Match[bytes]) -> tuple[str, str, bytes]:
    """Scheme, host and rest of the address that leads to a place; empty when none does."""
    before = found.string[max(0, found.start() - _MAX_URL) : found.start()]
    url = _LAST_URL.search(before)
    if url is None:
        return "", "", b""
    scheme, _, host = _host_of(url[1].decode("utf-8", "replace").replace("\\", "")).partition("://")
    return scheme, host, url[2]


def _any_of(texts: set[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, sorted(texts, key=len, reverse=True)))})"


def _forms(secret: str) -> set[str]:
    plain = unquote(secret)
    encoded = quote(plain, safe="")
    return {secret, plain, encoded, quote(encoded), plain.replace("/", "\\/"), html.escape(plain)}


def _password(value: str) -> str:
    """The secret of user:password; a user without a password is the secret."""
    user, _, password = value.partition(":")
    return password or user


def _is_word(place: str, value: str) -> bool:
    """Whether a value may stand in the text of a page without being an echo."""
    plain = unquote(value)
    if place in AMBIGUOUS_NAMES:
        return _RANDOM.fullmatch(plain) is None
    return len(plain) < _MIN_LENGTH or _WORD.fullmatch(plain) is not None


def _host_of(url: str) -> str:
    """Scheme and host of an address, as ``reveal`` has them; empty when it has none."""
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return ""
    host = parsed.hostname.strip("[]")
    port = "" if parsed.port in ("", "80", "443") else f":{parsed.port}"
    return f"{parsed.protocol}//{host}{port}" if host else ""


SECRETS = UrlSecrets()
"""The secrets of this process."""
