"""What a mail that came back says: an agent's answer, a robot's, or that ours never arrived.

A mail counts when it holds the code of a ticket (domain.signed_link): in the address
it was sent to, or in the Message-ID that it answers. Of robots' mail only one kind is
read: the mail system's word that a mail of ours was not delivered (RFC 3464).

Anyone may write to the mailbox, so a mail that holds no valid code is not even parsed,
and what is parsed is bounded; each expression here takes time in line with its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr
from html import unescape

import structlog

from open311.adapters.email_message import ANSWER_ABOVE
from open311.domain.delivery import TicketChange
from open311.domain.signed_link import is_reply_code

_log = structlog.get_logger("open311.mail")

#: The text of an answer stands before its attachments: what follows is not read.
MAX_BYTES = 1_048_576
#: Addresses and parts are parsed in the square of their size: no mail needs more of them.
_MAX_HEAD = 32_768
_MAX_MULTIPARTS = 20
#: Of a decoded text, HTML included: an answer stands at its beginning.
_MAX_TEXT = 50_000
_MAX_NOTE = 4000
_MAX_REASON = 300
_RECIPIENT_HEADERS = ("To", "Cc", "Delivered-To", "X-Original-To")
_THREAD_HEADERS = ("In-Reply-To", "References")
_PROOF = re.compile(r"(?<![\w-])(\d{1,19})\.([a-z2-7]{26})(?=[.@])", re.IGNORECASE)
#: The Message-ID of one of our mails, whose end is of one step (`email_message.message_id`).
_OWN_ID = re.compile(
    r"^Message-ID:[ \t\r\n]{0,4}<(\d{1,19})\.([a-z2-7]{26})\.([0-9a-f]{16})@",
    re.MULTILINE | re.IGNORECASE,
)
#: A blank within a line: with `\s`, a run of empty lines is read again from each of them.
_BLANKS = r"[ \t\xa0]*"
_FAREWELLS = "cordialement|cdlt|cdt|bien à vous|respectueusement|sincèrement"
_PROGRAMS = "iP(hone|ad)|Android|Outlook|Mobile|Galaxy"
#: Where the quoted mail begins, as mail programs write it.
_QUOTE_BEGINS = re.compile(
    "|".join(
        (
            rf"^{_BLANKS}>",
            rf"^.*{re.escape(ANSWER_ABOVE.strip('— '))}",
            rf"^{_BLANKS}(Le|On)\b[^\n]{{0,200}}(\n[^\n]{{0,200}})?(a écrit|wrote){_BLANKS}:",
            rf"^{_BLANKS}-{{2,}}{_BLANKS}(Message d.origine|Original Message)",
            rf"^_{{20,}}{_BLANKS}$",
            rf"^{_BLANKS}\*?(De|From){_BLANKS}:\*?\s.*@",
            rf"^{_BLANKS}(bien |très )?({_FAREWELLS})\b",
            r"^-- ?$",  # the signature (RFC 3676, section 4.3)
            rf"^{_BLANKS}(Envoyé|Sent|Obtenir|Get)\b[^\n]{{0,40}}({_PROGRAMS})",
        )
    ),
    re.MULTILINE | re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)(\w*+)[^<>]*+>")
_BREAKS = ("br", "hr", "/p", "/div", "/tr")
#: Elements whose text is not the answer.
_HIDDEN = ("style", "script", "head", "blockquote")
_LISTS = ("bulk", "junk", "list", "auto_reply")
_ROBOT_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "List-Id")
#: Programs that say nothing in their headers say it in the subject.
_ABSENCE = re.compile(
    r"\s*(réponse automatique|absen(t|ce)\b|out of (the )?office|auto(matic)?[ -]?reply)",
    re.IGNORECASE,
)
_MAIL_SYSTEMS = ("mailer-daemon", "postmaster")


def read_mail(content: bytes, key: bytes, moment: datetime) -> list[TicketChange]:
    """What one mail changes: one note, one mail of ours that is known as lost, or nothing.

    Args:
        content: the mail as the server keeps it; it is read up to `MAX_BYTES`.
        key: the destination's key, which signed the codes.
        moment: when it came in.
    """
    content = content[:MAX_BYTES]
    if not _may_be_ours(content, key):
        return []
    try:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(content)
        return _read(message, content, key, moment)
    except Exception as error:  # noqa: BLE001 - the parser trips over some hostile headers
        _log.warning("mail not understood", reason=type(error).__name__)
        return []


def _may_be_ours(content: bytes, key: bytes) -> bool:
    """Whether a mail holds a valid code at all, and is of a form that can be parsed in time.

    Codes stand in headers, or in the headers that a returned mail quotes: in ASCII, but
    for the line ends of quoted-printable (RFC 2045, section 6.7).
    """
    text = content.decode("latin-1").replace("\r\n", "\n").replace("=\n", "")
    if _proved([text], key) is None:
        return False
    head = content.replace(b"\r\n", b"\n").find(b"\n\n")
    return head <= _MAX_HEAD and text.lower().count("multipart/") <= _MAX_MULTIPARTS


def _read(
    message: EmailMessage, content: bytes, key: bytes, moment: datetime
) -> list[TicketChange]:
    event_id = _header(message, "Message-ID").strip() or hashlib.sha256(content).hexdigest()
    event_id = f"mail:{event_id[:200]}"
    returned = _reason_of_return(message)
    if returned is not None:
        ticket_id = _proved(_places_of_return(message), key)
        if ticket_id is None:
            return []
        step = _returned_step(message, key)
        return [TicketChange(ticket_id, event_id, moment, returned=returned, returned_step=step)]
    ticket_id = _proved(_places(message), key)
    if ticket_id is None or is_automatic(message):
        return []
    note = note_of(message)
    return [TicketChange(ticket_id, event_id, moment, note=note)] if note else []


def note_of(message: EmailMessage) -> str:
    """What the agent wrote: the lines above the quoted mail and the signature."""
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    text = _content(body)[:_MAX_TEXT]
    if body.get_content_subtype() == "html":
        text = _text_of_html(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    quoted = _QUOTE_BEGINS.search(text)
    return (text[: quoted.start()] if quoted else text).strip()[:_MAX_NOTE]


def is_automatic(message: EmailMessage) -> bool:
    """Whether a robot wrote it: absence notes, lists, bounces (RFC 3834, section 2)."""
    automatic = _header(message, "Auto-Submitted").lower().partition(";")[0].strip() or "no"
    if automatic != "no" or message.get_content_type() == "multipart/report":
        return True
    if _header(message, "Precedence").strip().lower() in _LISTS:
        return True
    if any(name in message for name in _ROBOT_HEADERS) or _has_no_return_path(message):
        return True
    return bool(_ABSENCE.match(_header(message, "Subject")) or _is_mail_system(message))


def _reason_of_return(message: EmailMessage) -> str | None:
    """Why a mail of ours was not delivered; None when this mail does not say so.

    A report of a mere delay, or that all went well, is none (RFC 3464, 2.3.3).
    """
    reports = [part for part in message.walk() if _is(part, "message/delivery-status")]
    if reports:
        fields = [field for report in reports for field in _fields(report)]
        if not any(name == "action" and value.lower() == "failed" for name, value in fields):
            return None
        told = [value for name, value in fields if name in ("final-recipient", "diagnostic-code")]
        return " ".join(" ; ".join(told).split())[:_MAX_REASON] or "sans raison dite"
    if _is_mail_system(message) and (_has_no_return_path(message) or "Auto-Submitted" in message):
        return " ".join(_header(message, "Subject").split())[:_MAX_REASON]
    return None


def _fields(report: EmailMessage) -> Iterator[tuple[str, str]]:
    """The fields of a delivery report, whose blocks the parser takes for messages."""
    for block in report.get_payload():
        if isinstance(block, EmailMessage):
            for name, value in block.items():
                yield name.lower(), str(value).strip()


def _places(message: EmailMessage) -> list[str]:
    """Where the code of an answer may stand: the addresses, and the thread."""
    told = _values(message, _RECIPIENT_HEADERS)
    return [address for _, address in getaddresses(told)] + _values(message, _THREAD_HEADERS)


def _places_of_return(message: EmailMessage) -> list[str]:
    """The same for a returned mail, which holds ours, or its headers (RFC 3462, section 3)."""
    return [*_places(message), *_quoted(message)]


def _quoted(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        if part is not message and "Message-ID" in part:
            yield f"Message-ID: {_header(part, 'Message-ID').strip()}"
        elif _is(part, "text/rfc822-headers") or _is(part, "text/plain"):
            yield _content(part)


def _returned_step(message: EmailMessage, key: bytes) -> str | None:
    """Which of our mails came back, as far as the report quotes it: the end of its id."""
    for text in _quoted(message):
        for ticket_id, code, step in _OWN_ID.findall(text):
            if is_reply_code(code, ticket_id, key):
                return str(step).lower()
    return None


def _proved(places: list[str], key: bytes) -> str | None:
    """The ticket that one of these places proves, or None."""
    for place in places:
        for ticket_id, code in _PROOF.findall(place):
            if is_reply_code(code, ticket_id, key):
                return str(ticket_id)
    return None


def _has_no_return_path(message: EmailMessage) -> bool:
    return _header(message, "Return-Path").strip() == "<>"


def _is_mail_system(message: EmailMessage) -> bool:
    sender = parseaddr(_header(message, "From"))[1].lower()
    return sender.partition("@")[0] in _MAIL_SYSTEMS


def _is(part: EmailMessage, media_type: str) -> bool:
    return part.get_content_type() == media_type


def _values(message: EmailMessage, names: tuple[str, ...]) -> list[str]:
    return [str(value) for name in names for value in message.get_all(name, [])]


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, ""))


def _content(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # an encoding that nobody knows
        content = part.get_payload(decode=True)
        return content.decode(errors="replace") if isinstance(content, bytes) else ""


def _text_of_html(html: str) -> str:
    """The text without what is hidden or quoted; what is hidden and never ends stays so."""
    first, *rest = _TAG.split(html)
    kept, hiding, depth = [first], "", 0
    for closing, name, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        tag = name.lower()
        if depth == 0 and tag in _HIDDEN and not closing:
            hiding, depth = tag, 1
        elif depth and tag == hiding:
            depth += -1 if closing else 1
        elif hiding == "head" and tag == "body":  # a head needs no end
            depth = 0
        if depth == 0:
            kept.append("\n" * (closing + tag in _BREAKS) + text)
    return unescape("".join(kept))
