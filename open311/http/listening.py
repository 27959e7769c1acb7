"""The address of a server: reserved before it starts, announced when it answers."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import structlog

from open311.domain.errors import Open311Error
from open311.domain.system_reasons import reason_of

_log = structlog.get_logger("open311.server")

_LOOK_S = 0.05
_ANSWER_S = 10.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - asked, not opened


class Listening:
    """A TCP address that nobody else can take while we hold it.

    Every worker binds it again beside us (SO_REUSEPORT); our own socket never
    listens, so no connection is lost in it.

    Args:
        port: 0 takes a free one.

    Raises:
        Open311Error: the address is taken, or not of this machine.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self._socket = _reserve(host, port)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, as a client on this machine writes it."""
        host = _ANYWHERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def await_ready(
        self, ready: Callable[[], None], ended: threading.Event, patience_s: float
    ) -> None:
        """Call `ready` once `/readyz` answers 200; log once why it takes long."""
        waited = 0.0
        while not ended.wait(_LOOK_S):
            faults = self._faults()
            if faults == []:
                ready()
                return
            waited += _LOOK_S
            if waited > patience_s:
                _log.warning("not ready", faults=faults)
                waited = float("-inf")

    def _faults(self) -> list[str] | None:
        """What `/readyz` says; None while nobody answers."""
        host = _ANYWHERE.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=_ANSWER_S)
        with suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            connection.request("GET", "/readyz", headers={"Connection": "close"})
            response = connection.getresponse()
            said = json.loads(response.read())
            return [] if response.status == 200 else list(said["faults"])
        connection.close()
        return None


def _reserve(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # A first look without SO_REUSEPORT: another server of ours would share its port.
        with _bound(family, kind, protocol, address, shared=False) as looked:
            address = looked.getsockname()
        return _bound(family, kind, protocol, address, shared=True)
    except OSError as error:
        raise Open311Error(
            f"Impossible d'écouter sur {host}:{port} ({reason_of(error)}) : {_way_out(error)}"
        ) from error


def _way_out(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "donnez une adresse de cette machine (--host)."
    if error.errno in (errno.EACCES, errno.EPERM):
        return "prenez un port au-dessus de 1023 (--port), et mettez nginx devant."
    return "prenez un autre port (--port, ou --port 0 pour un port libre) ou arrêtez qui l'occupe."


def _bound(
    family: int, kind: int, protocol: int, address: object, *, shared: bool
) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made
