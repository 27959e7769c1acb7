"""Connections that go only where a destination may go, and know when bytes have left.

A name is looked up once; the addresses it gives are checked, and the connection is made
to one of those very addresses (no second look-up that could answer differently). TLS
still checks the name. What the connection knows, `Passage`, tells a request that was
never sent from one whose outcome is unknown.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from open311.domain.media_url import is_public_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Passage:
    """What one request did on the wire.

    Attributes:
        sent: whether at least one byte of the request itself has left.
    """

    def __init__(self) -> None:
        self.sent = False
        self.expired = False
        self._socket: socket.socket | None = None

    def uses(self, connection: HTTPConnection) -> None:
        """Remember the socket, so that `cut` finds it; past the deadline it is cut at once."""
        self._socket = connection.sock
        if self.expired:
            self.cut()

    def cut(self) -> None:
        """End the connection under a peer that never ends: called at the deadline."""
        self.expired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class Door:
    """Where one destination may go; one per adapter, shared by its threads."""

    def __init__(self, allowed_networks: Iterable[str] = ()) -> None:
        self.allowed = tuple(ip_network(each) for each in allowed_networks)
        self._local = threading.local()

    @property
    def passage(self) -> Passage:
        """The passage of this thread's request."""
        passage: Passage = self._local.passage
        return passage

    def begin(self) -> Passage:
        """A new request begins in this thread."""
        self._local.passage = Passage()
        return self.passage

    def addresses(self, host: str, port: int, *, encrypted: bool) -> Sequence[str]:
        """The addresses of a host that may be connected to, in the resolver's order.

        Raises:
            OSError: the name has no address, or none that is allowed.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        every = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [each for each in every if self.permits(each, encrypted=encrypted)]
        if not allowed:
            raise OSError(_refusal(host, every, encrypted=encrypted))
        return allowed

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether an address may be reached: a public one over TLS, or an allowed network."""
        ip = ip_address(address.partition("%")[0])
        if any(ip in network for network in self.allowed if network.version == ip.version):
            return True
        return encrypted and is_public_address(ip)


def _refusal(host: str, addresses: Sequence[str], *, encrypted: bool) -> str:
    told = ", ".join(addresses)
    if encrypted:
        return (
            f"{host} désigne une adresse privée ou réservée ({told}) : ajoutez son réseau à "
            "allowed_networks de cette destination, si c'est voulu"
        )
    return (
        f"{host} ({told}) n'est pas dans allowed_networks : hors de ces réseaux, "
        "seul https est admis"
    )


def guarded_adapter(door: Door) -> HTTPAdapter:
    """A transport for `requests.Session.mount` whose connections obey the door."""
    return _GuardedAdapter(door)


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, door: Door) -> None:
        self._pools = _pool_classes(door)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pool_classes(door: Door) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(_Guarded, HTTPConnection):
        guard = door
        encrypted = False

    class Encrypted(_Guarded, HTTPSConnection):
        guard = door
        encrypted = True

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Guarded(HTTPConnection):
    """What both kinds of connection do: check the address, tell the passage."""

    guard: Door
    encrypted: bool

    def _new_conn(self) -> socket.socket:
        port = self.port or (443 if self.encrypted else 80)
        try:
            addresses = self.guard.addresses(self.host, port, encrypted=self.encrypted)
            return self._first_open(addresses, port)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _first_open(self, addresses: Sequence[str], port: int) -> socket.socket:
        failure = OSError("aucune adresse")
        for address in addresses:
            try:
                opened = socket.create_connection((address, port), timeout=_seconds(self.timeout))
            except OSError as error:
                failure = error
            else:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return opened
        raise failure

    def connect(self) -> None:
        super().connect()
        self.guard.passage.sent = False  # a proxy's CONNECT is not our request

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.guard.passage.uses(self)
        self.guard.passage.sent = True
        super().send(data)


def _seconds(timeout: Any) -> float:
    return float(timeout) if isinstance(timeout, int | float) else 5.0
