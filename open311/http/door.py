"""The door: what a path means is read here, before Flask routes it.

Doubled slashes collapse without a redirect (C-019). `/open311[/<jurisdiction_id>][/test]`
is taken off the path and remembered, so that every route is written once, below
`/open311`. The suffix decides the format of every answer, errors included (C-016, C-238).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from open311.domain.jurisdiction import RESERVED_IDS

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Keys of what the door found out, in the WSGI environment.
JURISDICTION_ID = "open311.jurisdiction_id"
ENVIRONMENT = "open311.environment"
FORMAT = "open311.format"
#: The path as asked, slashes collapsed.
PATH = "open311.path"

_SLASHES = re.compile("//+")
_ROOT = "/open311"
_SUFFIXES = {"json": "json", "geojson": "geojson", "xml": "xml"}


class Door:
    """WSGI middleware in front of the Flask application."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Read the path, then let the application answer."""
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            path = _SLASHES.sub("/", path)
        environ[PATH] = path
        environ[FORMAT] = _SUFFIXES.get(path.rpartition(".")[2], "xml")
        environ["PATH_INFO"] = self._enter(environ, path)
        return self._application(environ, start_response)

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
