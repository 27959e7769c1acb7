"""What the status of an HTTP answer means for a delivery."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from open311.adapters.wire import Reply
from open311.domain.delivery import (
    AttachmentRefused,
    OutcomeUnknown,
    TicketStale,
    ToolBusy,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)

#: The tool says itself that it did nothing: it did not take the request in.
_PATIENCE = frozenset({408, 425, 429})
#: The same, if it also says when to come back: a 503 of a gateway that lost its tool
#: half-way, and a 409, say nothing of the kind.
_PATIENCE_WITH_A_TERM = frozenset({409, 503})
_ACCOUNT = frozenset({401, 403, 407})
#: Refusals of one file only.
REFUSED_FILE = frozenset({400, 413, 415, 422})


def failure_of(reply: Reply, words: str, *, safe: bool) -> ToolError:
    """The error behind an answer that is no success.

    Args:
        words: the tool's own message, if it gave one.
        safe: repeating the request changes nothing. An answer such as 500, 502 or 503
            to any other may hide a ticket that exists.

    A 409 that says when to come back is of a tool still busy with our first attempt.
    """
    status = reply.status
    message = f"HTTP {status} : {words}" if words else f"HTTP {status}"
    if status in _ACCOUNT:
        return ToolUnauthorized(f"Compte refusé. {message}", exchange=reply.exchange)
    if 301 <= status < 400:
        where = reply.headers.get("Location", "?")
        return ToolUnauthorized(
            f"L'outil renvoie ailleurs ({where[:200]}) : adresse ou compte à revoir. {message}",
            exchange=reply.exchange,
        )
    has_term = status in _PATIENCE_WITH_A_TERM and retry_after(reply) is not None
    waits = status in _PATIENCE or has_term
    if waits or (safe and status >= 500):
        return ToolBusy(message, retry_after_s=retry_after(reply), exchange=reply.exchange)
    if status == 412:
        return TicketStale(message, exchange=reply.exchange)
    if status == 300 or 400 <= status < 500:
        return ToolRefused(message, exchange=reply.exchange)
    return OutcomeUnknown(message, exchange=reply.exchange)


def file_failure(
    reply: Reply, words: str, refused: Collection[int] = REFUSED_FILE, *, safe: bool = False
) -> ToolError:
    """The same for a photo: some refusals are of the file, not of the ticket."""
    if reply.status in refused:
        return AttachmentRefused(
            f"Photo refusée. HTTP {reply.status} : {words}", exchange=reply.exchange
        )
    return failure_of(reply, words, safe=safe)


def unreadable(reply: Reply, why: str, *, safe: bool) -> ToolError:
    """The error behind a success that cannot be read (HTML, half a document, no id)."""
    message = f"Réponse illisible (HTTP {reply.status}) : {why}"
    if safe:
        return ToolUnreachable(message, exchange=reply.exchange)
    return OutcomeUnknown(message, exchange=reply.exchange)


def retry_after(reply: Reply) -> float | None:
    """Seconds that the tool asks to wait (RFC 9110, 10.2.3); None when it does not say.

    A date is read against the tool's own clock when the answer tells it.
    """
    told = reply.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return float(told)
    moment = _http_date(told)
    if moment is None:
        return None
    now = _http_date(reply.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def server_time(reply: Reply) -> datetime | None:
    """What the tool's clock said when it answered (header Date)."""
    return _http_date(reply.headers.get("Date", ""))


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
