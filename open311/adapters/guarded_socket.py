"""A plain socket to where a destination may go: for SMTP and SFTP, as `Wire` is for HTTP."""

from __future__ import annotations

import socket

from open311.adapters.wire_connection import Door


def open_socket(
    door: Door, host: str, port: int, timeout_s: float, *, encrypted: bool
) -> socket.socket:
    """Connect to the first address of the host that is allowed and answers.

    Args:
        encrypted: the protocol will encrypt; without, only allowed networks are reached.

    Raises:
        OSError: no address, none allowed, none answers.
    """
    failure = OSError(f"{host} : aucune adresse")
    for address in door.addresses(host, port, encrypted=encrypted):
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError as error:
            failure = error
    raise failure
