"""Tickets by e-mail, for a service that has a mailbox and no tool.

SMTP as RFC 5321, STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314), AUTH.
Mail knows no idempotency: when the connection breaks after the last dot, nobody
knows, and a person decides.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import NoReturn

from open311.adapters.contract import DeniedMethods
from open311.adapters.email_message import Correspondence, compose_note, compose_ticket
from open311.adapters.guarded_socket import open_socket
from open311.adapters.mailbox import Mailbox
from open311.adapters.profile import Profile
from open311.adapters.vocabulary import allowed_reporter
from open311.adapters.wire_connection import Door
from open311.domain.delivery import (
    Attachment,
    Capabilities,
    ChangePage,
    Exchange,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolBusy,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)

_TOO_LARGE = 552  # RFC 1870, section 6
_UNAUTHORIZED = (530, 534, 535, 538)  # RFC 4954, section 6
_BASE64_GROWTH = 1.4  # four characters for three bytes, and line ends


@dataclass(frozen=True, slots=True)
class MailServer:
    """How mail leaves.

    Attributes:
        tls: `starttls`, `implicit`, or `none` (a relay on the same machine).
        ca_file: certificates to trust instead of the system's.
    """

    host: str
    port: int = 587
    tls: str = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeout_s: float = 30.0


class EmailAdapter(DeniedMethods):
    """One mailbox as a business tool.

    Args:
        door: where connections may go.
        reporter_fields: what the mailbox may know of the reporter.
        mailbox: where answers arrive; None = no answers are read.
        return_path: where refused mail comes back to; None = to the sender.
    """

    # What its capabilities deny:
    # lookup_attachment: photos go with the first mail.
    # lookup_comment: a mailbox is not searched.
    # lookup: mail cannot be looked up.
    # attach: photos go with the first mail.
    # read: a mailbox does not tell what stands in it.

    def __init__(
        self,
        profile: Profile,
        server: MailServer,
        to: Correspondence,
        *,
        door: Door,
        reporter_fields: Collection[str] = (),
        mailbox: Mailbox | None = None,
        return_path: str | None = None,
    ) -> None:
        self._profile = profile
        self._allowed = reporter_fields
        self._door = door
        self._server = server
        self._to = to
        self._mailbox = mailbox
        self._return_path = return_path or to.sender

    @property
    def capabilities(self) -> Capabilities:
        """Mail goes out with its photos; answers are read where there is a mailbox."""
        return Capabilities(
            idempotency=self._profile.idempotency,
            attach=False,
            inline_photos=True,
            set_status=True,
            status_idempotency=Idempotency.NONE,
            changes=self._mailbox is not None,
        )

    def probe(self) -> str:
        """Connect, greet, encrypt, authenticate, look at the mailbox; nothing is sent."""
        with self._connected() as smtp:
            code, text = smtp.noop()
        told = f"SMTP {self._server.host}:{self._server.port} : {code} {_told(text)}"
        return f"{told} ; {self._mailbox.probe()}" if self._mailbox else told

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Send the ticket's first mail, its photos attached as far as the server takes them."""
        ticket = allowed_reporter(ticket, self._allowed)
        with self._connected() as smtp:
            photos = self._attachable(ticket, smtp)
            try:
                exchange = self._send(smtp, compose_ticket(ticket, self._to, photos=photos))
            except _TooLargeError:  # its limit was not announced: links instead
                exchange = self._send(smtp, compose_ticket(ticket, self._to, photos=()))
        id_ = ticket.service_request_id
        return TicketReceipt(id_, number=id_, exchange=exchange)

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Send a note in the ticket's thread."""
        del receipt
        note = compose_note(ticket, self._to, text, step=key, title="nouveau commentaire")
        with self._connected() as smtp:
            return self._send(smtp, note)

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Tell the mailbox what became of the request elsewhere."""
        del receipt
        words = self._profile.tables.get("status_out")
        title = (words.find(stage) if words else None) or stage
        mail = compose_note(ticket, self._to, note or "", step=f"{stage}:{note}", title=title)
        with self._connected() as smtp:
            return self._send(smtp, mail)

    def changes(self, cursor: str | None) -> ChangePage:
        """Notes from answers in the mailbox."""
        assert self._mailbox is not None
        return self._mailbox.changes(cursor, datetime.now(UTC))

    def stage_of(self, status: str) -> str | None:
        """Our stage for the action of a link (`accept`, `plan`, `refuse`, `close`)."""
        return self._profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """The mail, its codes masked and its photos named."""
        mail = compose_ticket(allowed_reporter(ticket, self._allowed), self._to, photos=())
        body = mail.get_body(preferencelist=("plain",))
        assert body is not None
        head = "\n".join(f"{name} : {mail[name]}" for name in ("From", "To", "Subject"))
        photos = "".join(
            f"\n[{photo.name}, {len(photo.content)} octets]" for photo in ticket.photos
        )
        return f"{head}\n\n{_masked_links(body.get_content())}{photos}"

    def close(self) -> None:
        """Nothing is kept open."""

    def _attachable(self, ticket: Ticket, smtp: smtplib.SMTP) -> Sequence[Attachment]:
        """The first photos that fit in the server's limit (SIZE, RFC 1870) and the profile's."""
        rules = self._profile.attachments
        text = len(compose_ticket(ticket, self._to, photos=()).as_bytes(policy=SMTP_POLICY))
        room = min(rules.max_bytes, (_announced_size(smtp) or rules.max_bytes) - text)
        taken: list[Attachment] = []
        for photo in ticket.photos[: rules.max_count]:
            size = int(len(photo.content) * _BASE64_GROWTH)
            if photo.media_type in rules.media_types and size <= room:
                taken.append(photo)
                room -= size
        return taken

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """An authenticated session; what fails before a mail is given was never sent."""
        try:
            smtp = self._open()
        except smtplib.SMTPResponseException as error:
            _raise_at_the_door(error)
        except (OSError, smtplib.SMTPException) as error:  # TLS and DNS are OSErrors
            raise ToolUnreachable(f"{self._server.host} : {error}") from error
        try:
            yield smtp
        finally:
            _quit(smtp)

    def _open(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context(cafile=server.ca_file)
        smtp = _GuardedSmtp(server, self._door, context)
        try:
            smtp.greeted()
            if server.tls == "starttls":
                smtp.starttls(context=context)
            if server.user and server.password:
                smtp.login(server.user, server.password)
            smtp.ehlo_or_helo_if_needed()  # after STARTTLS, what was said before is void
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _send(self, smtp: smtplib.SMTP, mail: EmailMessage) -> Exchange:
        content = mail.as_bytes(policy=SMTP_POLICY)
        request = f"MAIL {mail['From']} → {mail['To']}\n{mail['Subject']}\n{mail['Message-ID']}"
        try:
            self._envelope(smtp, len(content), request)
        except smtplib.SMTPServerDisconnected as error:
            raise ToolUnreachable(str(error), exchange=Exchange(request)) from error
        except OSError as error:  # nothing counts before DATA has ended
            raise ToolUnreachable(str(error), exchange=Exchange(request)) from error
        try:
            code, text = smtp.data(content)
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, _bytes(error.smtp_error)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            raise OutcomeUnknown(
                f"La connexion s'est rompue pendant l'envoi : {error}", exchange=Exchange(request)
            ) from error
        exchange = Exchange(request, _told(text), code)
        if not _is_reply(code):
            raise OutcomeUnknown(f"Réponse illisible : {_told(text)}", exchange=exchange)
        if code != 250:
            _raise_for(code, text, exchange)
        return exchange

    def _envelope(self, smtp: smtplib.SMTP, size: int, request: str) -> None:
        options = [f"SIZE={size}"] if smtp.has_extn("size") else []
        answers = [smtp.mail(_address(self._return_path), options)]
        answers += [smtp.rcpt(_address(each)) for each in self._to.recipients]
        for code, text in answers:
            if not _is_reply(code):
                raise smtplib.SMTPServerDisconnected(f"réponse illisible : {_told(text)}")
            if code not in (250, 251, 252):
                smtp.rset()
                _raise_for(code, text, Exchange(request, _told(text), code))


class _GuardedSmtp(smtplib.SMTP):
    """SMTP over a socket to an allowed address, encrypted from the first byte if so asked."""

    def __init__(self, server: MailServer, door: Door, context: ssl.SSLContext) -> None:
        super().__init__(timeout=server.timeout_s)
        self._server = server
        self._door = door
        self._tls = context
        self._host = server.host  # the name that STARTTLS checks

    def greeted(self) -> None:
        """Connect, and hear the greeting.

        Raises:
            smtplib.SMTPConnectError: it is none.
        """
        code, text = self.connect(self._server.host, self._server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        encrypted = self._server.tls != "none"
        plain = open_socket(self._door, host, port, timeout, encrypted=encrypted)
        if self._server.tls == "implicit":
            return self._tls.wrap_socket(plain, server_hostname=host)
        return plain


class _TooLargeError(ToolRefused):
    """The server takes the mail, but not of this size."""


def _raise_at_the_door(error: smtplib.SMTPResponseException) -> NoReturn:
    """What a refusal before any mail means: it is of us or of the hour, never of a ticket."""
    code, exchange = error.smtp_code, Exchange(request="EHLO, STARTTLS, AUTH")
    if 500 <= code < 600:
        told = f"Le serveur de courrier nous refuse : {code} {_told(error.smtp_error)}"
        raise ToolUnauthorized(told, exchange=exchange) from error
    if 400 <= code < 500:
        _raise_for(code, error.smtp_error, exchange)
    told = f"Ce n'est pas un serveur SMTP : {_told(error.smtp_error)}"
    raise ToolUnreachable(told, exchange=exchange) from error


def _raise_for(code: int, text: bytes | str, exchange: Exchange) -> NoReturn:
    """What an SMTP answer means: 4xx may pass later, 5xx never will."""
    told = f"Le serveur de courrier répond : {code} {_told(text)}"
    exchange = Exchange(exchange.request, _told(text), code)
    if code in _UNAUTHORIZED:
        raise ToolUnauthorized(told, exchange=exchange)
    if code == _TOO_LARGE:
        raise _TooLargeError(told, exchange=exchange)
    if 400 <= code < 500:
        raise ToolBusy(told, exchange=exchange)
    raise ToolRefused(told, exchange=exchange)


def _is_reply(code: int) -> bool:
    """Whether a code is one (RFC 5321, 4.2): not half of one, nor a page's first word (-1)."""
    return 200 <= code < 600


def _announced_size(smtp: smtplib.SMTP) -> int | None:
    size = smtp.esmtp_features.get("size", "")
    return int(size) if size.isdigit() and int(size) else None


def _quit(smtp: smtplib.SMTP) -> None:
    """Say good-bye; what was accepted stays accepted whatever follows."""
    try:
        smtp.quit()
    except (OSError, smtplib.SMTPException):
        smtp.close()


def _address(text: str) -> str:
    return text.rpartition("<")[2].rstrip("> ").strip()


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _told(text: bytes | str) -> str:
    return _bytes(text).decode(errors="replace")[:500]


def _masked_links(text: str) -> str:
    return "\n".join(
        line.partition("/agent?t=")[0] + "/agent?t=***" if "/agent?t=" in line else line
        for line in text.splitlines()
    )
