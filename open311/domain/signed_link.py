"""Links and reply addresses that carry their own proof: HMAC-SHA256 over all they say.

Who holds such a link may do the one thing it names, on the one request it names,
until it expires; nothing is stored, so nothing can leak but the destination's key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from open311.domain.errors import Forbidden

#: 128 bits of the code are enough in an address (RFC 2104, section 5), whose local
#: part holds 64 characters (RFC 5321).
_ADDRESS_CODE_CHARACTERS = 26
_REFUSED = "Ce lien n'est pas valable : il est incomplet, ou il a été modifié."


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What one link allows.

    Attributes:
        destination: name of the destination that it was sent to; its key signs.
        ticket_id: the ticket there, which names the request.
        action: word of the destination's inward status table (`accept`, `close`…).
    """

    destination: str
    ticket_id: str
    action: str
    expires_datetime: datetime


def sign_link(link: SignedLink, key: bytes) -> str:
    """The token of a link: URL-safe text, payload and code."""
    expires = int(link.expires_datetime.timestamp())
    said = [link.destination, link.ticket_id, link.action, expires]
    payload = _text(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
    return f"{payload}.{_code(b'link', payload, key)}"


def destination_of_link(token: str) -> str:
    """Whose key to check a token with; nothing of it is to be trusted before.

    Raises:
        Forbidden: it is no token at all.
    """
    return _read(token).destination


def check_link(token: str, key: bytes, *, now: datetime) -> SignedLink:
    """The link of a token.

    Raises:
        Forbidden: it was not signed by this key, or it has expired.
    """
    payload, _, code = token.partition(".")
    link = _read(token)
    if not hmac.compare_digest(code.encode(), _code(b"link", payload, key).encode()):
        raise Forbidden(_REFUSED)
    if now >= link.expires_datetime:
        raise Forbidden("Ce lien a expiré : demandez-en un nouveau au service.")
    return link


def reply_code(ticket_id: str, key: bytes) -> str:
    """What an address must hold so that mail sent to it may answer for a ticket.

    Lower-case letters and digits, as mail servers may fold an address's case.
    """
    digest = hmac.new(key, b"reply\0" + ticket_id.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:_ADDRESS_CODE_CHARACTERS]


def is_reply_code(code: str, ticket_id: str, key: bytes) -> bool:
    """Whether a code found in an address is the ticket's own."""
    return hmac.compare_digest(code.lower().encode(), reply_code(ticket_id, key).encode())


def _read(token: str) -> SignedLink:
    payload = token.partition(".")[0]
    try:
        destination, ticket_id, action, expires = json.loads(_bytes(payload))
        moment = datetime.fromtimestamp(expires, UTC)
        return SignedLink(str(destination), str(ticket_id), str(action), moment)
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise Forbidden(_REFUSED) from error


def _code(purpose: bytes, payload: str, key: bytes) -> str:
    said = purpose + b"\0" + payload.encode(errors="replace")
    return _text(hmac.new(key, said, hashlib.sha256).digest())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
