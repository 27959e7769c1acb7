"""A delivery as people read it: one line in a list, or whole with every try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from open311.operations.delivery_desk import WholeDelivery
from open311.storage.deliveries import StoredDelivery
from open311.storage.delivery_records import Attempt

_ERROR_SHOWN = 70
_DATES = ("not_before", "sent_datetime", "created_datetime", "settled_datetime")


def delivery_line(delivery: StoredDelivery) -> str:
    """A delivery in one line of a list."""
    error = " ".join((delivery.last_error or "").split())
    if len(error) > _ERROR_SHOWN:
        error = error[: _ERROR_SHOWN - 1] + "…"
    return (
        f"{delivery.delivery_key:>8}  {_text(delivery.created_datetime)}  "
        f"{delivery.destination:<20} {delivery.service_request_id:>8}  {delivery.kind:<8} "
        f"{delivery.state:<9} {delivery.attempts:>3}  {error}"
    ).rstrip()


def described_delivery(
    delivery: StoredDelivery, whole: WholeDelivery | None = None
) -> dict[str, Any]:
    """A delivery as JSON carries it."""
    described: dict[str, Any] = {
        "delivery": delivery.delivery_key,
        "destination": delivery.destination,
        "service_request_id": str(delivery.service_request_id),
        "kind": str(delivery.kind),
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "idempotency_key": delivery.idempotency_key,
        "last_error": delivery.last_error,
    }
    described |= {name: _text(getattr(delivery, name)) for name in _DATES}
    if whole is not None:
        receipt = whole.ticket.receipt if whole.ticket else None
        described["ticket"] = receipt and {
            "ticket_id": receipt.ticket_id,
            "number": receipt.number,
            "url": receipt.url,
            "status": receipt.status,
        }
        described["tries"] = [_described_attempt(attempt) for attempt in whole.attempts]
    return described


def delivery_text(whole: WholeDelivery) -> str:
    """A delivery whole, as text."""
    return "\n".join(_lines(whole))


def short_text(described: Mapping[str, Any]) -> str:
    """A described delivery in the one line that its request's page gives it."""
    ticket = described["ticket"]
    named = f" → {ticket['number'] or ticket['ticket_id']}" if ticket else ""
    head = f"{described['delivery']:>6}  {described['destination']:<20} {described['kind']:<8}"
    return f"{head} {described['state']:<9}{named}  {described['last_error'] or ''}".rstrip()


def _lines(whole: WholeDelivery) -> Iterator[str]:
    for name, value in described_delivery(whole.delivery, whole).items():
        if value not in (None, "", {}) and name not in ("tries", "ticket"):
            yield f"{name:<20} {value}"
    if whole.ticket is not None:
        receipt = whole.ticket.receipt
        told = (receipt.number, receipt.status, receipt.url)
        yield f"{'ticket':<20} {'  '.join((receipt.ticket_id, *filter(None, told)))}"
    for attempt in whole.attempts:
        yield ""
        yield (
            f"{_text(attempt.started_datetime)}  {attempt.outcome}  {attempt.duration_ms} ms  "
            f"{attempt.message or ''}"
        ).rstrip()
        for mark, text in ((">", attempt.exchange.request), ("<", attempt.exchange.response)):
            yield from (f"  {mark} {line}" for line in text.splitlines())


def _described_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "started_datetime": _text(attempt.started_datetime),
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome,
        "message": attempt.message,
        "status_code": attempt.exchange.status_code,
        "request": attempt.exchange.request,
        "response": attempt.exchange.response,
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
