"""What an agency's mailbox receives: everything an agent needs, as text and as HTML.

The number is in the subject; the Message-ID is stable, so that a repeated mail is
one message for every mailbox that folds doubles, and an answer finds its ticket.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from zoneinfo import ZoneInfo

from open311.domain.delivery import Attachment, Ticket
from open311.domain.signed_link import SignedLink, reply_code, sign_link

#: Cuts an answer from what it quotes, whatever the mail program.
ANSWER_ABOVE = "— Répondez au-dessus de cette ligne —"
#: What a link lets an agent do, as its button reads.
ACTIONS = {
    "accept": "Prendre en charge",
    "plan": "Planifier",
    "refuse": "Refuser",
    "close": "Clôturer : c'est fait",
}
_KINDS = {"report": "Signalement", "suggestion": "Suggestion", "praise": "Félicitations"}
_ANSWER_HINT = (
    "Une réponse à ce message devient une note publique de la demande "
    "(les lignes au-dessus de la citation, sans la signature) : n'y mettez ni nom ni téléphone."
)
_LINKS_HINT = "Ces liens valent pour cette seule demande jusqu'au {date} ; ne les transférez pas."
_SUBJECT_LENGTH = 120
_SHOWN_LINK = 40
_LEFT = ' align="left" valign="top"'
_WRAP = ' style="overflow-wrap:anywhere"'
#: Inline, as mail programs drop style sheets; large enough for a thumb.
_BUTTON = (
    "display:inline-block;padding:12px 16px;background:#000091;color:#ffffff;text-decoration:none"
)


@dataclass(frozen=True, slots=True)
class Correspondence:
    """How mail to one mailbox is written.

    Attributes:
        destination: its name, signed into every link.
        links_url: address of this server as agents reach it; None = no links.
        reply_to: mailbox that takes answers (`retours@ville.fr`); None = no answers.
        key: signs links and reply addresses.
    """

    destination: str
    sender: str
    recipients: tuple[str, ...]
    links_url: str | None = None
    reply_to: str | None = None
    key: bytes | None = None
    link_days: int = 60
    timezone: str = "Europe/Paris"

    @property
    def domain(self) -> str:
        """The part after the @ of the sender."""
        return self.sender.rpartition("@")[2].strip("> ")


@dataclass(frozen=True, slots=True)
class _Link:
    label: str
    url: str


def compose_ticket(
    ticket: Ticket, to: Correspondence, *, photos: Sequence[Attachment]
) -> EmailMessage:
    """The first mail of a ticket; photos that are not attached are told as links."""
    attached = {photo.url for photo in photos}
    facts = [*_facts(ticket, to), *_photo_facts(ticket, attached)]
    message = _message(ticket, to, subject=_subject(ticket), step="create")
    _write(message, facts, ticket.description, links_of(ticket, to), to)
    for photo in photos:
        main, _, sub = photo.media_type.partition("/")
        message.add_attachment(photo.content, maintype=main, subtype=sub, filename=photo.name)
    return message


def compose_note(
    ticket: Ticket, to: Correspondence, text: str, *, step: str, title: str
) -> EmailMessage:
    """A later mail of the same thread: a comment, or a new status."""
    message = _message(ticket, to, subject=f"Re: {_subject(ticket)}", step=step)
    first = message_id(ticket, to, "create")
    message["In-Reply-To"] = first
    message["References"] = first
    facts = [("Demande", f"n° {ticket.service_request_id}"), ("Objet", title)]
    _write(message, facts, text, links_of(ticket, to), to)
    return message


def message_id(ticket: Ticket, to: Correspondence, step: str) -> str:
    """The stable Message-ID of one step; it holds the proof that an answer needs."""
    short = hashlib.sha256(f"{ticket.key}\0{step}".encode()).hexdigest()[:16]
    if to.key is None:
        return f"<{ticket.service_request_id}.{short}@{to.domain}>"
    code = reply_code(ticket.service_request_id, to.key)
    return f"<{ticket.service_request_id}.{code}.{short}@{to.domain}>"


def links_of(ticket: Ticket, to: Correspondence) -> list[_Link]:
    """One signed link for each thing an agent may do; none without address or key."""
    if to.links_url is None or to.key is None:
        return []
    return [
        _Link(label, f"{to.links_url.rstrip('/')}/agent?t={_token(ticket, to, action)}")
        for action, label in ACTIONS.items()
    ]


def _token(ticket: Ticket, to: Correspondence, action: str) -> str:
    assert to.key is not None
    link = SignedLink(to.destination, ticket.service_request_id, action, _expiry(to))
    return sign_link(link, to.key)


def _expiry(to: Correspondence) -> datetime:
    """Counted from this night, UTC: the mails of one day carry the same links."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=to.link_days)


def _message(ticket: Ticket, to: Correspondence, *, subject: str, step: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = message_id(ticket, to, step)
    message["Date"] = format_datetime(datetime.now(UTC).replace(microsecond=0))
    message["From"] = to.sender
    message["To"] = ", ".join(to.recipients)
    message["Subject"] = subject
    if to.reply_to is not None and to.key is not None:
        local, _, domain = to.reply_to.rpartition("@")
        code = reply_code(ticket.service_request_id, to.key)
        message["Reply-To"] = f"{local}+{ticket.service_request_id}.{code}@{domain}"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot answers it
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # the same for Exchange
    message["X-Open311-Request"] = ticket.key
    return message


def _subject(ticket: Ticket) -> str:
    place = ticket.address or ticket.title or ""
    words = f"[{ticket.jurisdiction_id} n° {ticket.service_request_id}] {ticket.service_name}"
    subject = re.sub(r"\s+", " ", f"{words} – {place}" if place else words)
    return "".join(c for c in subject if c.isprintable())[:_SUBJECT_LENGTH]


def _facts(ticket: Ticket, to: Correspondence) -> list[tuple[str, str]]:
    moment = ticket.requested_datetime.astimezone(ZoneInfo(to.timezone))
    told: list[tuple[str, str | None]] = [
        ("Demande", f"n° {ticket.service_request_id} ({ticket.jurisdiction_id})"),
        ("Nature", _KINDS.get(ticket.kind, ticket.kind)),
        ("Service", _joined((ticket.group, ticket.service_name), " / ")),
        ("Titre", ticket.title),
        ("Reçue le", f"{moment:%d/%m/%Y à %H:%M}"),
        ("Priorité", ticket.priority),
        ("Adresse", _joined((ticket.address, ticket.zipcode), ", ")),
        ("Position", _position(ticket)),
        ("Carte", _map(ticket)),
        ("Équipement", _joined((ticket.service_object_type, ticket.service_object_id), " ")),
        *(
            (answer.label or answer.code, answer.name or answer.value)
            for answer in ticket.attributes
        ),
        ("Déclarant", _reporter(ticket)),
        ("Fiche publique", ticket.public_url),
    ]
    return [(label, value) for label, value in told if value]


def _position(ticket: Ticket) -> str | None:
    if ticket.lat is None or ticket.long is None:
        return None
    position = f"{ticket.lat:.6f}, {ticket.long:.6f} (latitude, longitude, WGS 84)"
    if ticket.x is None or ticket.y is None:
        return position
    return f"{position} ; x = {ticket.x:.2f}, y = {ticket.y:.2f} (EPSG:{ticket.epsg})"


def _map(ticket: Ticket) -> str | None:
    if ticket.lat is None or ticket.long is None:
        return None
    place = f"mlat={ticket.lat:.6f}&mlon={ticket.long:.6f}"
    return f"https://www.openstreetmap.org/?{place}#map=18/{ticket.lat:.6f}/{ticket.long:.6f}"


def _reporter(ticket: Ticket) -> str | None:
    who = ticket.reporter
    name = _joined((who.first_name, who.last_name), " ")
    return _joined((name, who.phone, who.email), ", ")


def _photo_facts(ticket: Ticket, attached: set[str]) -> list[tuple[str, str]]:
    return [("Photo", url) for url in ticket.media_urls if url not in attached]


def _joined(parts: Sequence[str | None], between: str) -> str | None:
    return between.join(part for part in parts if part) or None


def _write(
    message: EmailMessage,
    facts: list[tuple[str, str]],
    text: str | None,
    links: list[_Link],
    to: Correspondence,
) -> None:
    hints = []
    if links:
        local = _expiry(to).astimezone(ZoneInfo(to.timezone))
        hints.append(_LINKS_HINT.format(date=f"{local:%d/%m/%Y}"))
    answered = message["Reply-To"] is not None
    if answered:
        hints.append(_ANSWER_HINT)
    above = ANSWER_ABOVE if answered else ""
    message.set_content(_plain(above, facts, text, links, hints))
    message.add_alternative(_html(above, facts, text, links, hints), subtype="html")


def _plain(
    above: str, facts: list[tuple[str, str]], text: str | None, links: list[_Link], hints: list[str]
) -> str:
    blocks = [
        above,
        "\n".join(f"{label} : {value}" for label, value in facts),
        text or "",
        "\n".join(f"{link.label} :\n{link.url}" for link in links),
        "\n".join(hints),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _html(
    above: str, facts: list[tuple[str, str]], text: str | None, links: list[_Link], hints: list[str]
) -> str:
    rows = "".join(
        f"<tr><th{_LEFT}>{escape(k)}</th><td{_WRAP}>{_cell(v)}</td></tr>" for k, v in facts
    )
    said = "".join(f"<p>{escape(line)}</p>" for line in (text or "").splitlines() if line.strip())
    buttons = "".join(
        f'<p><a href="{escape(link.url)}" style="{_BUTTON}">{escape(link.label)}</a></p>'
        for link in links
    )
    small = "".join(f"<p><small>{escape(hint)}</small></p>" for hint in hints)
    return (
        '<!doctype html><html lang="fr"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<body>"
        f"<p>{escape(above)}</p><table>{rows}</table><blockquote>{said}</blockquote>"
        f"{buttons}{small}</body></html>"
    )


def _cell(value: str) -> str:
    """A value as it is; an address as a link that leaves its head out, for narrow screens."""
    if not value.startswith(("https://", "http://")):
        return escape(value)
    place = value.partition("://")[2]
    shown = place if len(place) <= _SHOWN_LINK else f"{place[:_SHOWN_LINK]}…"
    return f'<a href="{escape(value)}">{escape(shown)}</a>'
