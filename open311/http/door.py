"""The door: what a path means is read here, before Flask routes it.

Doubled slashes collapse without a redirect (C-019). `/open311[/<jurisdiction_id>][/test]`
is taken off the path and remembered, so that every route is written once, below
`/open311`. The suffix decides the format of every answer, errors included (C-016, C-238).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from open311.domain.jurisdiction import RESERVED_IDS

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Keys of what the door found out, in the WSGI environment.
JURISDICTION_ID = "open311.jurisdiction_id"
ENVIRONMENT = "open311.environment"
FORMAT = "open311.format"
#: The path as asked, slashes collapsed.
PATH = "open311.path"

#: The language that a form asks for, once it has been read: its errors follow it.
POSTED_LOCALE = "open311.posted_locale"

#: For the log: whose key, and in which jurisdiction, once that is known.
LOGGED_JURISDICTION_ID = "open311.logged.jurisdiction_id"
LOGGED_API_KEY_ID = "open311.logged.api_key_id"

_access_log = structlog.get_logger("open311.access")

_SLASHES = re.compile("//+")
_ROOT = "/open311"
_SUFFIXES = {"json": "json", "geojson": "geojson", "xml": "xml"}


class Door:
    """WSGI middleware in front of everything: paths in, common headers and the log out."""

    def __init__(self, application: Application, *, log_access: bool = True) -> None:
        self._application = application
        self._log_access = log_access

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Read the path, let the application answer, add what every answer carries."""
        started = time.perf_counter()
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            path = _SLASHES.sub("/", path)
        environ[PATH] = path
        environ[FORMAT] = _SUFFIXES.get(path.rpartition(".")[2], "xml")
        environ["PATH_INFO"] = self._enter(environ, path)

        def finish(status: str, headers: Headers, *rest: Any) -> Any:
            headers += _API_HEADERS if path.startswith(_ROOT) else _PAGE_HEADERS
            if environ["REQUEST_METHOD"] == "OPTIONS":
                headers += _preflight_headers(headers)
            if self._log_access:
                _log_request(environ, status, started)
            return start_response(status, headers, *rest)

        return self._application(environ, finish)

    @staticmethod
    def _enter(environ: Environ, path: str) -> str:
        """Remember the jurisdiction and the environment; the path that is left to route."""
        environ[JURISDICTION_ID], environ[ENVIRONMENT] = None, "production"
        if not path.startswith(_ROOT + "/"):
            return path
        words = path[len(_ROOT) + 1 :].split("/")
        if words[0].partition(".")[0] not in RESERVED_IDS and len(words) > 1:
            # WSGI gives the bytes of a path as Latin-1 (PEP 3333).
            environ[JURISDICTION_ID] = words.pop(0).encode("latin-1").decode(errors="replace")
        if words[0] == "test":
            environ[ENVIRONMENT] = words.pop(0)
        return "/".join((_ROOT, *words))


def _preflight_headers(headers: Headers) -> Headers:
    """What a browser asks before a request from another site."""
    allowed = next((value for name, value in headers if name == "Allow"), "GET")
    return [
        ("Access-Control-Allow-Methods", allowed),
        (
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, Idempotency-Key, If-None-Match",
        ),
        ("Access-Control-Max-Age", "86400"),
    ]


def _log_request(environ: Environ, status: str, started: float) -> None:
    """One line for each request: neither personal data, nor keys, nor query strings."""
    _access_log.info(
        "request",
        method=environ["REQUEST_METHOD"],
        path=environ[PATH],
        status=int(status.split(" ", 1)[0]),
        duration_ms=round((time.perf_counter() - started) * 1000, 2),
        jurisdiction_id=environ.get(LOGGED_JURISDICTION_ID),
        api_key_id=environ.get(LOGGED_API_KEY_ID),
    )


_COMMON_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
#: Any site may read public answers; keys travel in parameters, never in cookies.
_API_HEADERS = [
    *_COMMON_HEADERS,
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        (
            "ETag, Link, Retry-After, X-Page-Size, X-Page-Count, X-Result-Count, X-Next-Page-URL, "
            "X-Previous-Page-URL, X-Next-Cursor, X-Withdrawn-Ids"
        ),
    ),
]
#: Swagger UI has scripts and styles of its own, some inside its page.
_PAGE_HEADERS = [
    *_COMMON_HEADERS,
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self' 'unsafe-inline'; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
            "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
    ),
]
