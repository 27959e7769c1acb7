"""A real SMTP server in this process: STARTTLS with a certificate of its own, AUTH, faults."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from tests.adapters.certificates import make_certificate
from tests.adapters.mute_server import HTML

USER, PASSWORD = "voirie", "un-mot-de-passe"


@dataclass
class MailServer:
    """What arrived, and how the next mails are answered.

    Attributes:
        answers: what DATA answers, one for each mail, then `250 OK`; `cut` closes the
            connection after the mail was taken, `half` within the answer, `cut-before`
            before it was; `silence` takes the mail and says nothing.
        rcpt_answers: the same for RCPT; `cut` closes the connection.
    """

    port: int = 0
    ca_file: Path = Path()
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    rcpt_answers: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt_answers.pop(0) if self.rcpt_answers else "250 OK"
        if answer == "cut":
            server.transport.abort()
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK : gardé"
        if answer == "cut-before":
            server.transport.abort()
            return "421 coupé"
        if answer.startswith("250") or answer in ("cut", "half", "silence", HTML):
            self.envelopes.append(envelope)
            content = envelope.original_content or b""
            parser = BytesParser(_class=EmailMessage, policy=policy.default)
            self.mails.append(parser.parsebytes(content))
        if answer == "cut":
            server.transport.abort()
        if answer == "half":
            server.transport.write(b"25")
            server.transport.close()
        if answer == "silence":
            await asyncio.sleep(20)
        return answer


@contextmanager
def mail_server(folder: Path, *, size_limit: int = 33_554_432) -> Iterator[MailServer]:
    """A server on a free port of this machine, which demands STARTTLS, then AUTH."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = MailServer(ca_file=certificate)

    def authenticate(_: Any, __: Any, ___: Any, mechanism: str, auth: Any) -> AuthResult:
        good = (auth.login, auth.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=_free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
        data_size_limit=size_limit,
    )
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
