"""A real SFTP server in this process (asyncssh), rooted in a folder, with a key of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

USER, PASSWORD = "gmao", "un-mot-de-passe"


@dataclass
class SftpServer:
    """Where it listens, the key it shows, and a private key that it lets in."""

    port: int
    host_key: str
    fingerprint: str
    client_key: str
    root: Path
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """What happens at the next operation of this name on a path that ends so.

    Attributes:
        operation: `open`, `write` or `posix_rename`.
        error: what the server answers; None cuts the connection.
        is_done: the operation is done before.
        delay_s: seconds before the answer.
    """

    operation: str
    ending: str = ""
    error: asyncssh.SFTPError | None = None
    is_done: bool = False
    delay_s: float = 0


class _Accounts(asyncssh.SSHServer):
    def __init__(self, opened: list[asyncssh.SSHServerConnection]) -> None:
        self._opened = opened

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._opened.append(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


def _as_ssh_keygen_writes(key: asyncssh.SSHKey) -> str:
    """The OpenSSH text of a key; asyncssh writes ECDSA ones that paramiko does not read."""
    pem = key.export_private_key("pkcs8-pem")
    formats = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return load_pem_private_key(pem, None).private_bytes(*formats).decode()


class _Failing(asyncssh.SFTPServer):
    """asyncssh's server, which fails where it is told to."""

    def __init__(self, channel: Any, root: Path, faults: list[Fault]) -> None:
        super().__init__(channel, chroot=str(root).encode())
        self.faults = faults

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        return await self._played(
            "open", path, lambda: super(_Failing, self).open(path, pflags, attrs)
        )

    async def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        return await self._played(
            "write", b"", lambda: super(_Failing, self).write(file_obj, offset, data)
        )

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        return await self._played(
            "posix_rename", newpath, lambda: super(_Failing, self).posix_rename(oldpath, newpath)
        )

    async def _played(self, operation: str, path: bytes, do: Any) -> Any:
        fault = next(
            (
                f
                for f in self.faults
                if f.operation == operation and path.decode().endswith(f.ending)
            ),
            None,
        )
        if fault is None:
            return do()
        self.faults.remove(fault)
        done = do() if fault.is_done else None
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
            return done
        if fault.error is not None:
            raise fault.error
        self.channel.get_connection().abort()
        raise asyncssh.SFTPConnectionLost("cut")


async def _stop(server: asyncssh.SSHAcceptor, opened: list[asyncssh.SSHServerConnection]) -> None:
    server.close()
    await server.wait_closed()
    for connection in opened:
        connection.abort()
        await connection.wait_closed()
    await asyncio.sleep(0)  # the sockets are closed in the loop's next round


@contextmanager
def sftp_server(root: Path, *, client_key_type: str = "ssh-ed25519") -> Iterator[SftpServer]:
    """Serve a folder as `/` on a free port of this machine."""
    root.mkdir(parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    client = asyncssh.generate_private_key(client_key_type)
    keys = asyncssh.import_authorized_keys(client.export_public_key().decode())
    opened: list[asyncssh.SSHServerConnection] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    faults: list[Fault] = []

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Accounts(opened),
            server_host_keys=[key],
            authorized_client_keys=keys,
            sftp_factory=lambda channel: _Failing(channel, root, faults),
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
    try:
        yield SftpServer(
            port=server.get_port(),
            host_key=key.export_public_key().decode().strip(),
            fingerprint=key.get_fingerprint(),
            client_key=_as_ssh_keygen_writes(client),
            root=root,
            faults=faults,
        )
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server, opened), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
