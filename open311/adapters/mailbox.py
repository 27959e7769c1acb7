"""Answers that agents write by mail: read from a maildir, proved by what they answer to.

A mail counts when it holds the code of a ticket (domain.signed_link): in the address
it was sent to, or in the Message-ID that it answers. Robots' mail is not read.
"""

from __future__ import annotations

import hashlib
import mailbox
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses
from html import unescape
from pathlib import Path

from open311.adapters.email_message import ANSWER_ABOVE
from open311.domain.delivery import ChangePage, TicketChange
from open311.domain.signed_link import is_reply_code

#: Two looks overlap by as much, since files may appear a little out of order.
_OVERLAP = timedelta(minutes=5)
_MAX_NOTE = 4000
_RECIPIENT_HEADERS = ("To", "Cc", "Delivered-To", "X-Original-To")
_THREAD_HEADERS = ("In-Reply-To", "References")
_PROOF = re.compile(r"(?<![\w-])(\d{1,19})\.([a-z2-7]{26})(?=[.@])", re.IGNORECASE)
#: Where the quoted mail begins, as mail programs write it.
_QUOTE_BEGINS = re.compile(
    "|".join(
        (
            r"^\s*>",
            rf"^.*{re.escape(ANSWER_ABOVE.strip('— '))}",
            r"^\s*(Le|On)\b.{0,200}(a écrit|wrote)\s*:",
            r"^\s*-{2,}\s*(Message d.origine|Original Message)",
            r"^_{20,}\s*$",
            r"^\s*(De|From)\s*:\s.*@",
            r"^-- ?$",  # the signature (RFC 3676, section 4.3)
        )
    ),
    re.MULTILINE,
)


class Maildir:
    """A maildir in which a mail server puts the answers.

    Nothing is moved or deleted: several workers, and people, may look at once.

    Args:
        folder: the maildir itself, which holds `new` and `cur`.
        key: the destination's key, which signed the codes.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def changes(self, cursor: str | None, now: datetime) -> ChangePage:
        """Notes from mail that came after the cursor, which is a moment (ISO 8601)."""
        if cursor is None:
            return ChangePage((), now.isoformat())
        since = datetime.fromisoformat(cursor) - _OVERLAP
        arrived = sorted(self._arrived(since), key=lambda pair: pair[0])
        changes = tuple(c for moment, content in arrived for c in self._change(moment, content))
        last = max([datetime.fromisoformat(cursor), *(moment for moment, _ in arrived)])
        return ChangePage(changes, last.isoformat())

    def _arrived(self, since: datetime) -> Iterator[tuple[datetime, bytes]]:
        box = mailbox.Maildir(self._folder, create=False)
        for key in box.iterkeys():
            message = box.get(key)
            moment = datetime.fromtimestamp(message.get_date(), UTC) if message else since
            if message is not None and moment >= since:
                yield moment, box.get_bytes(key)

    def _change(self, moment: datetime, content: bytes) -> list[TicketChange]:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(content)
        ticket_id = proved_ticket(message, self._key)
        note = note_of(message)
        if ticket_id is None or not note or _is_automatic(message):
            return []
        event_id = message.get("Message-ID") or hashlib.sha256(content).hexdigest()
        return [TicketChange(ticket_id, f"mail:{event_id.strip()[:200]}", moment, note=note)]


def proved_ticket(message: EmailMessage, key: bytes) -> str | None:
    """The ticket that a mail may answer for, or None."""
    told = [str(value) for name in _RECIPIENT_HEADERS for value in message.get_all(name, [])]
    places = [address for _, address in getaddresses(told)]
    places += [str(value) for name in _THREAD_HEADERS for value in message.get_all(name, [])]
    for place in places:
        for ticket_id, code in _PROOF.findall(place):
            if is_reply_code(code, ticket_id, key):
                return str(ticket_id)
    return None


def note_of(message: EmailMessage) -> str:
    """What the agent wrote: the lines above the quoted mail and the signature."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        text = str(body.get_content())
    except (LookupError, UnicodeError):  # an encoding that nobody knows
        text = body.get_payload(decode=True).decode(errors="replace")  # type: ignore[union-attr]
    if body.get_content_subtype() == "html":
        text = _text_of_html(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    quoted = _QUOTE_BEGINS.search(text)
    return (text[: quoted.start()] if quoted else text).strip()[:_MAX_NOTE]


def _text_of_html(html: str) -> str:
    broken = re.sub(r"(?i)<(br|/p|/div|/tr|hr)\b[^>]*>", "\n", html)
    kept = re.sub(r"(?is)<(style|script|head|blockquote)\b.*?</\1>", "", broken)
    return unescape(re.sub(r"<[^>]*>", "", kept))


def _is_automatic(message: EmailMessage) -> bool:
    """Whether a robot wrote it: absence notes and bounces (RFC 3834)."""
    automatic = str(message.get("Auto-Submitted", "no")).lower().partition(";")[0].strip()
    if automatic != "no" or message.get_content_type() == "multipart/report":
        return True
    if str(message.get("Precedence", "")).lower() in ("bulk", "junk", "auto_reply"):
        return True
    return "X-Autoreply" in message or str(message.get("Return-Path", "")).strip() == "<>"
