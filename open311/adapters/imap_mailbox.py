"""A mailbox read by IMAP (RFC 3501), where no mail server writes to a folder of ours.

A message is known by its UID, which only rises while the box keeps its UIDVALIDITY. Both
stand in the cursor, which is committed together with what was read: whoever dies in
between reads the same messages again, and no message is passed over. When a box was
rebuilt, its last days are read again; the Message-ID tells what was taken over before.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from open311.adapters.guarded_socket import open_socket
from open311.adapters.mail_answers import MAX_BYTES, read_mail
from open311.adapters.wire_connection import Door
from open311.domain.delivery import ChangePage, TicketChange, ToolUnreachable

#: Messages read in one turn; the cursor is committed after each turn.
_TURN = 50
#: How far before the last look a rebuilt box is read again (SEARCH knows days only).
_OVERLAP = timedelta(days=2)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class ImapServer:
    """How a mailbox is reached.

    Attributes:
        tls: `implicit` (RFC 8314) or `starttls`; a password never travels in clear.
        ca_file: certificates to trust instead of the system's.
    """

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 993
    tls: str = "implicit"
    folder: str = "INBOX"
    ca_file: str | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far a box was read: the last message's UID, and when that was."""

    moment: datetime
    validity: int | None = None
    uid: int = 0

    @classmethod
    def read(cls, text: str) -> _Cursor:
        moment, _, place = text.partition(" ")
        found = re.fullmatch(r"(\d+)/(\d+)", place)
        since = datetime.fromisoformat(moment)
        return cls(since, int(found[1]), int(found[2])) if found else cls(since)

    def __str__(self) -> str:
        return f"{self.moment.isoformat()} {self.validity}/{self.uid}"


class ImapMailbox:
    """One folder of one account, opened read-only for each look.

    Args:
        door: where connections may go.
        key: the destination's key, which signed the codes.
    """

    def __init__(self, server: ImapServer, door: Door, key: bytes) -> None:
        self._server = server
        self._door = door
        self._key = key

    def changes(self, cursor: str | None, now: datetime) -> ChangePage:
        """What the next messages change; from now on when there is no cursor."""
        with self._opened() as imap:
            validity = _told(imap, "UIDVALIDITY")
            next_uid = _told(imap, "UIDNEXT")
            if cursor is None:
                return ChangePage((), str(_Cursor(now, validity, next_uid - 1)))
            known = _Cursor.read(cursor)
            # UIDs never fall (section 2.3.1.1): a box where they do is another one, though
            # a server that counts UIDVALIDITY in seconds may have given it the same again.
            same = known.validity == validity and known.uid < next_uid
            uids = self._after(imap, known) if same else self._lately(imap, known)
            turn = uids[:_TURN]
            changes = [change for uid in turn for change in self._read(imap, uid)]
        # All before `next_uid` was looked at; what has come since is for the next look.
        last = turn[-1] if turn else next_uid - 1
        return ChangePage(tuple(changes), str(_Cursor(now, validity, last)), len(uids) > _TURN)

    def probe(self) -> str:
        """Connect, encrypt, authenticate, open the folder."""
        with self._opened() as imap:
            count = _told(imap, "EXISTS")
        return f"IMAP {self._server.host} {self._server.folder} : {count} courriel(s)"

    @staticmethod
    def _after(imap: imaplib.IMAP4, known: _Cursor) -> list[int]:
        """UIDs that were not read yet, lowest first."""
        found = _uids(imap, f"UID {known.uid + 1}:*")
        return [uid for uid in found if uid > known.uid]  # `*` is the last one at least

    @staticmethod
    def _lately(imap: imaplib.IMAP4, known: _Cursor) -> list[int]:
        """UIDs of the last days, lowest first: of a box that was rebuilt, or is new to us."""
        day = (known.moment - _OVERLAP).astimezone(UTC)
        return _uids(imap, f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")

    def _read(self, imap: imaplib.IMAP4, uid: int) -> list[TicketChange]:
        _, answer = imap.uid("FETCH", str(uid), f"(INTERNALDATE BODY.PEEK[]<0.{MAX_BYTES}>)")
        for part in answer:
            if isinstance(part, tuple) and b"BODY[" in part[0]:
                return read_mail(part[1], self._key, _moment(part[0]))
        return []  # somebody deleted it since

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        server = self._server
        try:
            imap = _GuardedImap(server, self._door)
            try:
                if server.tls == "starttls":
                    imap.starttls(imap.tls)
                imap.login(server.user, server.password)
                status, answer = imap.select(f'"{server.folder}"', readonly=True)
                if status != "OK":
                    raise imaplib.IMAP4.error(_words(answer))
                yield imap
            finally:
                _leave(imap)
        except (OSError, imaplib.IMAP4.error) as error:  # TLS and DNS are OSErrors
            raise ToolUnreachable(
                f"La boîte des retours est illisible : {server.host} : {_words(error.args)}"
            ) from error


class _GuardedImap(imaplib.IMAP4):
    """IMAP over a socket to an allowed address, its certificate checked."""

    def __init__(self, server: ImapServer, door: Door) -> None:
        self._server = server
        self._door = door
        self.tls = ssl.create_default_context(cafile=server.ca_file)
        super().__init__(server.host, server.port, server.timeout_s)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        server = self._server
        plain = open_socket(
            self._door, server.host, server.port, timeout or server.timeout_s, encrypted=True
        )
        if server.tls == "implicit":
            return self.tls.wrap_socket(plain, server_hostname=server.host)
        return plain


def _told(imap: imaplib.IMAP4, name: str) -> int:
    """A number that the server told when the folder was opened."""
    _, values = imap.response(name)
    found = [int(value) for value in values if isinstance(value, bytes) and value.isdigit()]
    if not found:
        raise imaplib.IMAP4.error(f"le serveur ne dit pas {name}")
    return found[-1]


def _uids(imap: imaplib.IMAP4, wanted: str) -> list[int]:
    status, answer = imap.uid("SEARCH", wanted)
    if status != "OK":
        raise imaplib.IMAP4.error(_words(answer))
    return sorted(int(uid) for line in answer if line for uid in line.split())


def _moment(told: bytes) -> datetime:
    """INTERNALDATE as an aware moment (RFC 3501, section 2.3.3)."""
    found = re.search(rb'INTERNALDATE "([^"]+)"', told)
    if found is None:
        raise imaplib.IMAP4.error("le serveur ne dit pas INTERNALDATE")
    text = found[1].decode("ascii").strip()
    day, month, rest = text.split("-", 2)
    return datetime.strptime(
        f"{day}-{_MONTHS.index(month.title()) + 1}-{rest}", "%d-%m-%Y %H:%M:%S %z"
    )


def _leave(imap: imaplib.IMAP4) -> None:
    """Say good-bye; what was read was read."""
    try:
        imap.logout()
    except (OSError, imaplib.IMAP4.error):
        imap.shutdown()


def _words(told: object) -> str:
    parts = told if isinstance(told, list | tuple) else [told]
    return " ".join(
        each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in parts
    )[:300]
