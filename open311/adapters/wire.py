"""One destination's way out over HTTP: time-outs, TLS, allowed networks, and the record.

Every failure becomes an error of `domain.delivery` that says what is certain: nothing
was sent (`ToolUnreachable`), or nobody knows (`OutcomeUnknown`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import requests
from requests import PreparedRequest, Request
from requests.structures import CaseInsensitiveDict

from open311.adapters.masking import Masker, shown_body, shown_headers
from open311.adapters.profile import Filled, Setting
from open311.adapters.wire_connection import Door, Passage, guarded_adapter
from open311.domain.delivery import (
    Destination,
    Exchange,
    OutcomeUnknown,
    ToolError,
    ToolRefused,
    ToolUnreachable,
)

#: What every destination reached over HTTP may set.
HTTP_SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "base_url": Setting("adresse de l'outil, comme https://outil.ville.fr", required=True,
                            pattern=r"https?://[^\s?#]+"),
        "ca_bundle": Setting("fichier PEM des autorités qui signent le certificat de l'outil"),
        "client_certificate": Setting("fichier PEM de notre certificat (TLS client)"),
        "client_key": Setting("fichier PEM de la clé de ce certificat"),
        "proxy": Setting("serveur mandataire, comme http://proxy.ville.fr:3128",
                         pattern=r"https?://[^\s?#]+"),
        "read_timeout_s": Setting("secondes d'attente d'une réponse, pour un outil lent",
                                  pattern=r"\d{1,3}(\.\d+)?"),
    }
)  # fmt: skip
_MAX_HEADERS_SHOWN = 40
_WORDS = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds, and how much, in bytes.

    `total_timeout_s` bounds the whole of a call, answers that drip byte by byte included.
    """

    connect_timeout_s: float = 5
    read_timeout_s: float = 30
    total_timeout_s: float = 60
    max_answer_bytes: int = 8_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer read to its end."""

    status: int
    headers: CaseInsensitiveDict[str]
    content: bytes
    exchange: Exchange = field(default=Exchange(), compare=False)
    masker: Masker = field(default_factory=Masker, compare=False, repr=False)

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 show as replacement characters."""
        return self.content.decode("utf-8", "replace")

    def words(self, text: str) -> str:
        """Words of the tool for people: masked, in one line of bounded length."""
        line = " ".join(self.masker(text).split())
        return line if len(line) <= _WORDS else line[:_WORDS] + "…"


class Wire:
    """The only thing that speaks HTTP to one destination."""

    def __init__(
        self, destination: Destination, settings: Filled, limits: Limits | None = None
    ) -> None:
        self.limits = _patient(limits or Limits(), settings.get("read_timeout_s"))
        self.masker = Masker(settings.secrets)
        self.secret_headers: set[str] = set()
        self._door = Door(destination.allowed_networks)
        self._session = _session(self._door)
        self._route = _route(settings)

    def prepare(self, request: Request) -> PreparedRequest:
        """The request with all its bytes, not yet sent.

        Raises:
            ToolRefused: it cannot be written so; why is told without any value.
        """
        try:
            return self._session.prepare_request(request)
        except (requests.RequestException, ValueError) as error:
            # Without its cause: that one repeats the value, which may be a secret.
            raise ToolRefused(f"Requête impossible à écrire : {_unwritable(error)}") from None

    def send(self, request: Request, *, safe: bool, persons: Iterable[str] = ()) -> Reply:
        """Send one request and read its answer; redirects are answers like others.

        Args:
            request: nothing is added to it but the session's cookies.
            safe: repeating it changes nothing, so that a lost answer is no more than an
                unreachable tool.
            persons: values to mask in the record.

        Raises:
            ToolRefused: the request cannot be written, so nothing was sent.
            ToolUnreachable: nothing was sent, or the request was safe.
            OutcomeUnknown: something was sent and no whole answer came back.
        """
        masker = self.masker.plus(persons)
        prepared = self.prepare(request)
        shown = self.shown(prepared, masker)
        passage = self._door.begin()
        deadline = threading.Timer(self.limits.total_timeout_s, passage.cut)
        deadline.daemon = True
        deadline.start()
        try:
            status, headers, content = self._exchange(prepared)
        except (requests.RequestException, OSError, ValueError) as error:
            raise self._failure(error, passage, shown, safe=safe) from error
        finally:
            deadline.cancel()
        answer = _shown_answer(status, headers, content, masker)
        return Reply(status, headers, content, Exchange(shown, answer, status), masker)

    def _exchange(self, prepared: PreparedRequest) -> tuple[int, CaseInsensitiveDict[str], bytes]:
        times = (self.limits.connect_timeout_s, self.limits.read_timeout_s)
        response = self._session.send(
            prepared, timeout=times, stream=True, allow_redirects=False, **self._route
        )
        with response:
            content = bytearray()
            for piece in response.iter_content(65_536):
                content += piece
                if len(content) > self.limits.max_answer_bytes:
                    raise requests.exceptions.ContentDecodingError(
                        f"réponse de plus de {self.limits.max_answer_bytes} octets"
                    )
            return response.status_code, response.headers, bytes(content)

    def _failure(self, error: Exception, passage: Passage, shown: str, *, safe: bool) -> ToolError:
        reason = self.masker(_reason(error, passage))
        exchange = Exchange(shown, reason)
        if not passage.sent and isinstance(error, UnicodeError):
            return ToolRefused(f"Requête impossible à écrire : {reason}", exchange=exchange)
        if not passage.sent:
            return ToolUnreachable(f"Outil injoignable : {reason}", exchange=exchange)
        if safe:
            return ToolUnreachable(f"Réponse perdue : {reason}", exchange=exchange)
        return OutcomeUnknown(f"Envoyé, réponse perdue : {reason}", exchange=exchange)

    def shown(self, prepared: PreparedRequest, masker: Masker, limit: int = 4000) -> str:
        """A request as people may read it."""
        headers = [(name, _text(value)) for name, value in prepared.headers.items()]
        body = prepared.body if isinstance(prepared.body, str | bytes) else None
        lines = [
            f"{prepared.method} {prepared.url}",
            *shown_headers(headers, self.secret_headers),
            "",
        ]
        return "\n".join([*map(masker, lines), shown_body(body, masker, limit)]).rstrip()

    def close(self) -> None:
        """Let connections go."""
        self._session.close()


def _patient(limits: Limits, told: str | None) -> Limits:
    """The profile's limits, or a destination that knows better."""
    if told is None:
        return limits
    read_s = float(told)
    return replace(limits, read_timeout_s=read_s, total_timeout_s=2 * read_s)


def _session(door: Door) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc that nobody declared
    session.headers.clear()
    session.headers.update({"User-Agent": "open311-server", "Accept-Encoding": "gzip, deflate"})
    adapter = guarded_adapter(door)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _route(settings: Filled) -> dict[str, Any]:
    """TLS and proxy, as `Session.send` takes them; certificates are always verified."""
    certificate, key = settings.get("client_certificate"), settings.get("client_key")
    proxy = settings.get("proxy")
    return {
        "verify": settings.get("ca_bundle") or True,
        "cert": (certificate, key) if certificate and key else certificate,
        "proxies": {"http": proxy, "https": proxy} if proxy else {},
    }


def _reason(error: Exception, passage: Passage) -> str:
    """The last cause of a failure, which says more than the wrappers around it."""
    if passage.expired:
        return "l'outil n'a pas fini de répondre à temps"
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return f"{cause} ({type(cause).__name__})"


def _unwritable(error: Exception) -> str:
    """What is wrong with a request, in words that repeat nothing of it."""
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "un en-tête commence par un blanc ou contient un saut de ligne"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return "l'adresse n'en est pas une"
    return type(error).__name__


def _text(value: str | bytes) -> str:
    """A header as it was before it became bytes: UTF-8 goes as Latin-1 (RFC 9110, 5.5)."""
    content = value.encode("latin-1", "replace") if isinstance(value, str) else value
    return content.decode("utf-8", "replace")


def _shown_answer(
    status: int, headers: CaseInsensitiveDict[str], content: bytes, masker: Masker
) -> str:
    lines = map(masker, shown_headers(list(headers.items())[:_MAX_HEADERS_SHOWN]))
    return "\n".join([f"HTTP {status}", *lines, "", shown_body(content, masker)]).rstrip()
