"""Files over SFTP: a pinned host key, and the rename of OpenSSH, which replaces.

The plain rename of the SFTP draft fails over an existing file; posix-rename@openssh.com
does not, so that a step done twice writes its file over itself. Servers that lack it get
the plain one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

from open311.adapters.file_places import PART, FilePlace, FoundFile, limited
from open311.adapters.guarded_socket import open_socket
from open311.adapters.wire_connection import Door
from open311.domain.delivery import OutcomeUnknown, ToolUnauthorized, ToolUnreachable


@dataclass(frozen=True, slots=True)
class SftpServer:
    """An SFTP account.

    Attributes:
        host_key: what the server must show: an OpenSSH public key (`ssh-ed25519 AAAA…`)
            or its fingerprint (`SHA256:…`). There is no first use on trust.
        private_key: PEM or OpenSSH text of our key; else `password`.
    """

    host: str
    user: str
    host_key: str
    port: int = 22
    folder: str = "."
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0


class SftpPlaces:
    """A folder of an SFTP server; each opening is a connection of its own."""

    def __init__(self, server: SftpServer, door: Door) -> None:
        self._server = server
        self._door = door

    def __str__(self) -> str:
        return f"sftp://{self._server.user}@{self._server.host}:{self._server.port}"

    @contextmanager
    def opened(self) -> Iterator[FilePlace]:
        """Connect, check the host key, authenticate.

        Raises:
            ToolUnreachable: no connection, another host key, or it broke.
            ToolUnauthorized: the account is refused, or may not write there.
        """
        transport = self._connected()
        try:
            sftp = paramiko.SFTPClient.from_transport(transport)
            if sftp is None:
                raise ToolUnreachable(f"{self} : pas de canal SFTP.")
            channel = sftp.get_channel()
            if channel is not None:
                channel.settimeout(self._server.timeout_s)
            yield _Sftp(sftp, self._server.folder)
        except PermissionError as error:
            raise ToolUnauthorized(f"{self} : {error}.") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ToolUnreachable(f"{self} : {error}.") from error
        finally:
            transport.close()

    def _connected(self) -> paramiko.Transport:
        server = self._server
        try:
            connection = open_socket(
                self._door, server.host, server.port, server.timeout_s, encrypted=True
            )
        except OSError as error:
            raise ToolUnreachable(f"{self} : {error}.") from error
        transport = paramiko.Transport(connection)
        try:
            transport.banner_timeout = transport.auth_timeout = server.timeout_s
            transport.start_client(timeout=server.timeout_s)
            self._check_host_key(transport.get_remote_server_key())
            self._authenticate(transport)
        except BaseException as error:
            transport.close()
            _raise_ssh(f"{self}", error)
            raise
        return transport

    def _check_host_key(self, shown: paramiko.PKey) -> None:
        """Refuse a server that is not the one whose key the destination names."""
        if not _same_key(self._server.host_key, shown):
            raise ToolUnreachable(
                f"{self} montre une autre clé que celle attendue : {fingerprint(shown)}. "
                "Rien n'a été envoyé."
            )

    def _authenticate(self, transport: paramiko.Transport) -> None:
        server = self._server
        if server.private_key:
            transport.auth_publickey(server.user, _private_key(server.private_key))
        else:
            transport.auth_password(server.user, server.password or "")


class _Sftp:
    def __init__(self, client: paramiko.SFTPClient, folder: str) -> None:
        self._client = client
        self._folder = folder.rstrip("/") or "/"

    def write(self, path: str, content: bytes) -> None:
        target = self._path(path)
        self._client.putfo(io.BytesIO(content), target + PART, len(content), confirm=True)
        try:
            self._rename(target + PART, target)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if self._answered(error):
                raise
            told = f"{path} : renommé peut-être, la réponse est perdue ({error})."
            raise OutcomeUnknown(told) from error

    def _rename(self, part: str, target: str) -> None:
        try:
            self._client.posix_rename(part, target)
        except (PermissionError, FileNotFoundError):
            raise
        except OSError as error:
            if not self._answered(error):
                raise
            self._client.rename(part, target)

    def _answered(self, error: Exception) -> bool:
        """Whether an error is the server's answer, and not the want of one."""
        if not isinstance(error, OSError) or isinstance(error, TimeoutError):
            return False
        channel = self._client.get_channel()
        return channel is not None and not channel.closed

    def exists(self, path: str) -> bool:
        try:
            return stat.S_ISREG(self._client.stat(self._path(path)).st_mode or 0)
        except FileNotFoundError:
            return False

    def files(self, folder: str) -> list[FoundFile]:
        return sorted(
            FoundFile(int(entry.st_mtime or 0), entry.filename)
            for entry in self._client.listdir_attr(self._path(folder))
            if stat.S_ISREG(entry.st_mode or 0)
        )

    def read(self, path: str, limit: int) -> bytes:
        with self._client.open(self._path(path), "rb") as file:
            return limited(file.read(limit + 1), path, limit)

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}"


def fingerprint(key: paramiko.PKey) -> str:
    """A host key as OpenSSH shows it: `SHA256:` and 43 characters."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _same_key(expected: str, shown: paramiko.PKey) -> bool:
    if expected.startswith("SHA256:"):
        return hmac.compare_digest(expected.strip().rstrip("="), fingerprint(shown))
    words = expected.split()
    known = f"{shown.get_name()} {shown.get_base64()}"
    return len(words) >= 2 and hmac.compare_digest(" ".join(words[:2]), known)


def _private_key(text: str) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError):
            continue
    raise ToolUnauthorized("La clé privée SSH est illisible (Ed25519, ECDSA ou RSA attendue).")


def _raise_ssh(place: str, error: BaseException) -> None:
    if isinstance(error, paramiko.AuthenticationException):
        raise ToolUnauthorized(f"{place} refuse notre compte : {error}.") from error
    if isinstance(error, OSError | EOFError | paramiko.SSHException):
        raise ToolUnreachable(f"{place} : {error}.") from error
