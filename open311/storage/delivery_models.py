"""The tables of the way to the business tools and back.

An outbox row (models.OutboxRow) says that something happened; routing turns it into
`delivery` rows, one per destination and step. Everything that several workers must
agree on is here: leases, circuits, cursors.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from open311.storage.models import Base
from open311.storage.types import Key, UtcDateTime

_REQUEST = "service_request.request_key"
_UNSETTLED = text("state IN ('pending', 'leased')")


class DeliveryRow(Base):
    """One step towards one ticket. Rows of a destination and request go in their order."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("destination", "idempotency_key"),
        Index("ix_delivery_pair", "destination", "request_key", "delivery_key"),
        Index("ix_delivery_due", "destination", "delivery_key", postgresql_where=_UNSETTLED,
              sqlite_where=_UNSETTLED),
        Index("ix_delivery_state", "state", "created_datetime"),
    )  # fmt: skip
    delivery_key: Mapped[int] = mapped_column(Key, primary_key=True)
    destination: Mapped[str] = mapped_column(String(64))
    jurisdiction_key: Mapped[int] = mapped_column(ForeignKey("jurisdiction.jurisdiction_key"))
    request_key: Mapped[int] = mapped_column(Key, ForeignKey(_REQUEST), index=True)
    kind: Mapped[str] = mapped_column(String(10), comment="create, photo, comment or status")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, comment="which photo, which update")
    idempotency_key: Mapped[str] = mapped_column(String(120), comment="stable through replays")
    state: Mapped[str] = mapped_column(
        String(10), comment="pending, leased, done, dead, unknown or cancelled"
    )
    attempts: Mapped[int] = mapped_column(Integer, comment="since routing or the last replay")
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(120), comment="the worker that holds it")
    sent_datetime: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="committed before the network call: from here it may have arrived"
    )
    give_up_datetime: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="set by the first failure; from then on it is dead"
    )
    last_error: Mapped[str | None] = mapped_column(Text)
    created_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_datetime: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryAttemptRow(Base):
    """One try, with what was said on the wire, secrets and persons masked."""

    __tablename__ = "delivery_attempt"
    attempt_key: Mapped[int] = mapped_column(Key, primary_key=True)
    delivery_key: Mapped[int] = mapped_column(Key, ForeignKey("delivery.delivery_key"), index=True)
    started_datetime: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    duration_ms: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(20))
    message: Mapped[str | None] = mapped_column(Text)
    status_code: Mapped[int | None] = mapped_column(Integer)
    request: Mapped[str] = mapped_column(Text)
    response: Mapped[str] = mapped_column(Text)


class DestinationStateRow(Base):
    """What all workers know of one destination: its circuit, its cursor, who must look."""

    __tablename__ = "destination_state"
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    paused: Mapped[bool] = mapped_column(Boolean, comment="by a person, or by a 401")
    reason: Mapped[str | None] = mapped_column(Text, comment="why it is paused, or its last fault")
    failures: Mapped[int] = mapped_column(Integer, comment="in a row; the circuit counts them")
    opened_until: Mapped[datetime | None] = mapped_column(
        UtcDateTime, comment="the circuit is open until then; then one call tries it"
    )
    cursor: Mapped[str | None] = mapped_column(Text, comment="how far its changes were read")
    last_polled: Mapped[datetime | None] = mapped_column(UtcDateTime)
    alerted: Mapped[datetime | None] = mapped_column(UtcDateTime, comment="last alert sent")
    alert_text: Mapped[str | None] = mapped_column(Text, comment="what that alert said")


class TicketRow(Base):
    """The ticket that a request has in a tool."""

    __tablename__ = "ticket"
    __table_args__ = (UniqueConstraint("destination", "ticket_id"),)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_key: Mapped[int] = mapped_column(
        Key, ForeignKey(_REQUEST), primary_key=True, autoincrement=False, index=True
    )
    ticket_id: Mapped[str] = mapped_column(String(255))
    number: Mapped[str | None] = mapped_column(Text, comment="what the tool's people call it")
    url: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str | None] = mapped_column(Text, comment="in the tool's own words")
    etag: Mapped[str | None] = mapped_column(Text)
    last_sent: Mapped[dict[str, Any]] = mapped_column(
        JSON, comment="stage and hash of the note last sent: what comes back equal is an echo"
    )
    changed: Mapped[str | None] = mapped_column(
        Text, comment="moment (ISO 8601, UTC) and id of the last status taken over"
    )
    read_datetime: Mapped[datetime | None] = mapped_column(UtcDateTime, comment="last looked at")
    created_datetime: Mapped[datetime] = mapped_column(UtcDateTime)


class InboxEventRow(Base):
    """What a tool told us, once each; a hint waits here until the worker looks itself."""

    __tablename__ = "inbox_event"
    __table_args__ = (
        UniqueConstraint("destination", "event_id"),
        Index("ix_inbox_event_state", "state", "event_key"),
    )
    event_key: Mapped[int] = mapped_column(Key, primary_key=True)
    destination: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str] = mapped_column(String(255))
    ticket_id: Mapped[str | None] = mapped_column(String(255), comment="None: look at all changes")
    received_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    raw: Mapped[str] = mapped_column(Text, comment="a hint as received, or a change as JSON")
    state: Mapped[str] = mapped_column(
        String(10), comment="waiting, done, ignored, unmapped or refused"
    )
    reason: Mapped[str | None] = mapped_column(Text)


class RequestOriginRow(Base):
    """Where a request came from, when another server passed it on: the loop guard."""

    __tablename__ = "request_origin"
    __table_args__ = (UniqueConstraint("jurisdiction_key", "server_id", "origin_id"),)
    request_key: Mapped[int] = mapped_column(
        Key, ForeignKey(_REQUEST), primary_key=True, autoincrement=False
    )
    jurisdiction_key: Mapped[int] = mapped_column(
        Integer, comment="where it arrived: once for each jurisdiction"
    )
    server_id: Mapped[str] = mapped_column(String(120), comment="the first server of the chain")
    origin_id: Mapped[str] = mapped_column(String(120), comment="its service_request_id")
    hops: Mapped[list[str]] = mapped_column(
        JSON, comment="server_id/jurisdiction_id/service_request_id of each, oldest first"
    )
