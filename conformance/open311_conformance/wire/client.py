"""A polite HTTP client: few requests at a time, a delay, a budget, and it waits when asked to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import HTTPError

from open311_conformance import __version__
from open311_conformance.model import NotTested
from open311_conformance.wire.exchange import Exchange, Query

USER_AGENT = f"open311-conformance/{__version__}"
MAX_BODY_BYTES = 32_000_000
MAX_REDIRECTS = 5
MAX_WAIT_S = 60.0
RETRIES_AFTER_429 = 2
FAILURES_IN_A_ROW = 4


@dataclass(frozen=True)
class Manners:
    """How gently the server is asked.

    ``concurrency`` is the number of threads that the engine lets ask at once,
    ``delay_s`` stands between the starts of two requests, ``budget`` is the number of
    requests of the whole run, ``timeout_s`` bounds one request from start to last byte.
    """

    concurrency: int = 4
    delay_s: float = 0.1
    budget: int = 2000
    timeout_s: float = 20.0
    ca_bundle: str | bool = True


@dataclass
class PoliteClient:
    """Sends queries, keeps every exchange in ``log``, answers repeated GETs from memory."""

    manners: Manners
    log: list[Exchange] = field(default_factory=list)
    rate_limited: list[Exchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)
    _memory: dict[Query, Exchange] = field(default_factory=dict)
    _spent: int = 0
    _failures: int = 0
    _next_start: float = 0.0

    def send(self, query: Query, *, fresh: bool = False) -> Exchange:
        """Ask, or remember the answer to the same GET.

        Raises:
            NotTested: the budget is spent, the server asks to slow down for too long,
                or it has stopped answering.
        """
        if query.method == "GET" and not fresh and query in self._memory:
            return self._memory[query]
        exchange = self._send_patiently(query)
        with self._lock:
            self.log.append(exchange)
            self._failures = 0 if exchange.status else self._failures + 1
        if query.method == "GET":
            self._memory[query] = exchange
        return exchange

    def _send_patiently(self, query: Query) -> Exchange:
        for _ in range(RETRIES_AFTER_429 + 1):
            self._take_turn()
            exchange = self._ask(query)
            if exchange.status != requests.codes.too_many_requests:
                return exchange
            self.rate_limited.append(exchange)
            self._hold_back(_wait_asked_s(exchange))
        raise NotTested("the server keeps answering 429: run again later, with a longer --delay")

    def _hold_back(self, seconds: float) -> None:
        """Move the next start of every thread: a 429 concerns the whole run."""
        if seconds > MAX_WAIT_S:
            raise NotTested(f"the server asks to wait {seconds:.0f} s (429): run again later")
        with self._lock:
            self._next_start = max(self._next_start, time.monotonic() + seconds)

    def _take_turn(self) -> None:
        with self._lock:
            if self._failures >= FAILURES_IN_A_ROW:
                raise NotTested("the server has stopped answering")
            if self._spent >= self.manners.budget:
                raise NotTested(f"the budget of {self.manners.budget} requests is spent")
            self._spent += 1
            start = max(time.monotonic(), self._next_start)
            self._next_start = start + self.manners.delay_s
        time.sleep(max(0.0, start - time.monotonic()))

    @property
    def spent(self) -> int:
        """Requests sent so far."""
        return self._spent

    def _session(self) -> requests.Session:
        """One session per thread: requests does not promise thread safety."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
            session.auth = _no_credentials_from_netrc
            session.max_redirects = MAX_REDIRECTS
            self._local.session = session
        return session

    def _ask(self, query: Query) -> Exchange:
        started = time.monotonic()
        try:
            answer = self._session().request(
                query.method,
                query.url,
                headers=dict(query.headers),
                data=query.body,
                timeout=(min(10.0, self.manners.timeout_s), self.manners.timeout_s),
                allow_redirects=query.method == "GET",
                verify=self.manners.ca_bundle,
                stream=True,
            )
            body = _read(answer, started + self.manners.timeout_s)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return Exchange(query, failure=explain(error), seconds=time.monotonic() - started)
        return Exchange(
            query,
            status=answer.status_code,
            headers=answer.headers,
            body=body,
            final_url=answer.url,
            seconds=time.monotonic() - started,
        )


def _no_credentials_from_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(answer: requests.Response, deadline: float) -> bytes:
    """Read the body, bounded in size and in time."""
    chunks = bytearray()
    with answer:
        for chunk in answer.iter_content(65_536):
            chunks += chunk
            if len(chunks) > MAX_BODY_BYTES:
                raise requests.exceptions.ContentDecodingError("more than 32 MB")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout
    return bytes(chunks)


def _wait_asked_s(exchange: Exchange) -> float:
    """Seconds that Retry-After asks for: a number, a date, or 5 when it says nothing."""
    asked = exchange.headers.get("Retry-After", "").strip()
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 5.0


_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (requests.exceptions.SSLError, "the TLS certificate of the server is not valid"),
    (requests.exceptions.ProxyError, "the proxy refused"),
    (requests.exceptions.ConnectTimeout, "no connection within the time allowed"),
    (requests.exceptions.ReadTimeout, "no complete answer within the time allowed"),
    (requests.exceptions.TooManyRedirects, "too many redirects"),
    (requests.exceptions.ChunkedEncodingError, "the answer was cut short"),
    (requests.exceptions.ContentDecodingError, "the answer could not be unpacked or is too long"),
    (requests.exceptions.ConnectionError, "the connection was refused or broken"),
    (requests.exceptions.InvalidURL, "the URL is not valid"),
    (requests.exceptions.MissingSchema, "the URL is not valid"),
    (requests.exceptions.InvalidSchema, "the URL is not an http or https address"),
)


def explain(error: BaseException) -> str:
    """A short sentence for a failure of the transport."""
    if "IncompleteRead" in str(error):
        return "the answer was cut short"
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence
    return f"no usable answer ({type(error).__name__})"
