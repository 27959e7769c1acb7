"""The tables.

A storage key clusters rows by jurisdiction: `jurisdiction_key << 40 | service_request_id`.
Looking up an id inside a jurisdiction is therefore a primary-key look-up that cannot
reach another jurisdiction's row. A jurisdiction's test endpoint is a jurisdiction of
its own here (`environment`), so that shadow data are kept apart by the same rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from open311.storage.types import Key, UtcDateTime

_REQUEST = "service_request.request_key"


class Base(DeclarativeBase):
    """Common naming, so that migrations can name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


#: Gives ids on PostgreSQL, where one counted row would make every POST wait.
SERVICE_REQUEST_IDS = Sequence("service_request_id_seq", metadata=Base.metadata)


class InstallationRow(Base):
    """One row: what every process of the installation must agree on."""

    __tablename__ = "installation"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    configuration_version: Mapped[int] = mapped_column(
        BigInteger, comment="rises with each applied file or key change; workers reload on it"
    )
    last_service_request_id: Mapped[int] = mapped_column(
        Integer, comment="SQLite only; PostgreSQL has the sequence service_request_id_seq"
    )
    cursor_epoch: Mapped[int] = mapped_column(
        Integer, comment="rises with each restore: cursors of an older epoch start again"
    )
    rendered_for: Mapped[str] = mapped_column(
        Text, comment="renderer version and public base URL of the stored documents"
    )
    server_id: Mapped[str] = mapped_column(
        String(32), comment="this server among all others, for ever: tickets carry it"
    )
    home: Mapped[str | None] = mapped_column(
        Text, comment="where this database was when a worker last served it: a copy is elsewhere"
    )
    held: Mapped[str | None] = mapped_column(
        Text, comment="why nothing is delivered until a person says that this copy delivers"
    )


class JurisdictionRow(Base):
    """A jurisdiction and its catalogue, as its checked file described them."""

    __tablename__ = "jurisdiction"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "environment"),)
    jurisdiction_key: Mapped[int] = mapped_column(
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="small number, the upper bits of every request_key",
    )
    jurisdiction_id: Mapped[str] = mapped_column(String(64))
    environment: Mapped[str] = mapped_column(String(10), comment="production or test")
    document: Mapped[dict[str, Any]] = mapped_column(JSON, comment="the file, normalised")
    changeset: Mapped[datetime] = mapped_column(
        UtcDateTime, comment="last change of services or definitions (C-041)"
    )


class ApiKeyRow(Base):
    """A key: only a hash of its secret is stored."""

    __tablename__ = "api_key"
    api_key_id: Mapped[str] = mapped_column(
        String(32), primary_key=True, comment="the public part of the key"
    )
    secret_sha256: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(Text)
    environment: Mapped[str] = mapped_column(String(10), comment="production or test")
    jurisdictions: Mapped[list[str]] = mapped_column(JSON, comment="jurisdiction_ids; * = all")
    rights: Mapped[list[str]] = mapped_column(JSON, comment="create, update, staff")
    client_reference: Mapped[str | None] = mapped_column(
        Text, comment="attribute code whose value is unique per key"
    )
    same_body_window_s: Mapped[int] = mapped_column(
        Integer, comment="seconds in which an identical body is the same report; 0 = off"
    )
    created_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_datetime: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_datetime: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaces_api_key_id: Mapped[str | None] = mapped_column(
        String(32), comment="the older key of the same client; both live during a rotation"
    )


class ServiceRequestRow(Base):
    """One request. Reporter data live elsewhere; public answers in public_document."""

    __tablename__ = "service_request"
    request_key: Mapped[int] = mapped_column(
        Key, primary_key=True, autoincrement=False, comment="jurisdiction_key << 40 | id"
    )
    jurisdiction_key: Mapped[int] = mapped_column(ForeignKey("jurisdiction.jurisdiction_key"))
    service_request_id: Mapped[int] = mapped_column(Integer, unique=True)
    service_code: Mapped[str] = mapped_column(String(64))
    service_name: Mapped[str] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(20))
    visibility: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(10), comment="report, suggestion or praise")
    is_staff: Mapped[bool] = mapped_column(Boolean, comment="made by staff; from the key")
    title: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    status_notes: Mapped[str | None] = mapped_column(Text)
    agency_responsible: Mapped[str | None] = mapped_column(Text)
    service_notice: Mapped[str | None] = mapped_column(Text)
    requested_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    expected_datetime: Mapped[datetime | None] = mapped_column(UtcDateTime)
    detailed_status_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    address: Mapped[str | None] = mapped_column(Text)
    address_id: Mapped[str | None] = mapped_column(Text)
    zipcode: Mapped[str | None] = mapped_column(Text)
    lat: Mapped[float | None] = mapped_column(Double, comment="WGS 84 degrees")
    long: Mapped[float | None] = mapped_column(Double, comment="WGS 84 degrees")
    media_urls: Mapped[list[str]] = mapped_column(JSON, comment="given by the client")
    photos: Mapped[list[dict[str, Any]]] = mapped_column(JSON, comment="names in the media store")
    attributes: Mapped[list[dict[str, Any]]] = mapped_column(JSON, comment="answers given")
    service_object_id: Mapped[str | None] = mapped_column(Text)
    service_object_type: Mapped[str | None] = mapped_column(Text)
    parent_service_request_id: Mapped[int | None] = mapped_column(Integer)
    channel: Mapped[str | None] = mapped_column(Text)
    api_key_id: Mapped[str | None] = mapped_column(String(32), comment="who sent it")


class ReporterRow(Base):
    """Who reported; erased alone, never joined into a public answer."""

    __tablename__ = "reporter"
    request_key: Mapped[int] = mapped_column(
        Key, ForeignKey(_REQUEST), primary_key=True, autoincrement=False
    )
    email: Mapped[str | None] = mapped_column(Text)
    first_name: Mapped[str | None] = mapped_column(Text)
    last_name: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    device_id: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(Text)


class RequestUpdateRow(Base):
    """The append-only history of a request: public notes, internal notes, status."""

    __tablename__ = "request_update"
    __table_args__ = (
        Index("ix_request_update_feed", "jurisdiction_key", "updated_datetime", "update_key"),
        UniqueConstraint("jurisdiction_key", "api_key_id", "update_id"),
    )
    update_key: Mapped[int] = mapped_column(Key, primary_key=True)
    jurisdiction_key: Mapped[int] = mapped_column(ForeignKey("jurisdiction.jurisdiction_key"))
    request_key: Mapped[int] = mapped_column(Key, ForeignKey(_REQUEST), index=True)
    type: Mapped[str] = mapped_column(
        String(10), comment="submitted, opened, closed or activity (X-09)"
    )
    stage: Mapped[str] = mapped_column(String(20))
    updated_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    description: Mapped[str | None] = mapped_column(Text, comment="public note")
    internal_note: Mapped[str | None] = mapped_column(Text, comment="for agents only")
    media_urls: Mapped[list[str]] = mapped_column(JSON)
    public: Mapped[bool] = mapped_column(Boolean)
    author: Mapped[str] = mapped_column(String(10), comment="resident, staff or tool")
    update_id: Mapped[str | None] = mapped_column(Text, comment="the client's own id (X-13)")
    api_key_id: Mapped[str | None] = mapped_column(String(32))


class TokenRow(Base):
    """The token of a batch service, until and after its id is revealed (C-150 to C-154)."""

    __tablename__ = "token"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_key: Mapped[int] = mapped_column(Key, ForeignKey(_REQUEST), index=True)
    revealed_datetime: Mapped[datetime] = mapped_column(UtcDateTime)


def _listed(name: str, *columns: str) -> Index:
    """An index of the rows that lists may show, inside their jurisdiction."""
    where = text("shown = 'list'")
    return Index(name, "jurisdiction_key", *columns, postgresql_where=where, sqlite_where=where)


class PublicDocumentRow(Base):
    """What the public reads: filter columns and rendered bytes, written with the request.

    Rendered documents have no closing tag or brace: the reader adds it, or the
    extension first. `shown` is `list` (in lists and by id), `id` (by id only: waiting
    for moderation), `recalled` (the same, but it was in lists: told as gone by the
    cursor), `withdrawn` (was in lists, now told as gone only) or `hidden` (never was).
    """

    __tablename__ = "public_document"
    __table_args__ = (
        _listed("ix_public_document_requested", "requested_datetime", "request_key"),
        _listed("ix_public_document_service", "service_code", "requested_datetime"),
        _listed("ix_public_document_updated", "updated_datetime", "request_key"),
        _listed("ix_public_document_cell", "cell", "requested_datetime"),
        Index("ix_public_document_change", "jurisdiction_key", "change", "request_key"),
    )
    request_key: Mapped[int] = mapped_column(
        Key, ForeignKey(_REQUEST), primary_key=True, autoincrement=False
    )
    jurisdiction_key: Mapped[int] = mapped_column(Integer)
    change: Mapped[int] = mapped_column(
        BigInteger, comment="PostgreSQL: transaction id; SQLite: change counter"
    )
    requested_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
    lat: Mapped[float | None] = mapped_column(Double)
    long: Mapped[float | None] = mapped_column(Double)
    cell: Mapped[int | None] = mapped_column(BigInteger, comment="square of the place grid")
    shown: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(6))
    service_code: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    is_staff: Mapped[bool] = mapped_column(Boolean)
    agency_responsible: Mapped[str | None] = mapped_column(Text)
    xml: Mapped[bytes] = mapped_column(LargeBinary)
    json: Mapped[bytes] = mapped_column(LargeBinary)
    xml_extension: Mapped[bytes] = mapped_column(LargeBinary)
    json_extension: Mapped[bytes] = mapped_column(LargeBinary)
    search_text: Mapped[str] = mapped_column(Text, comment="folded title, text and address (q)")


class ChangeCounterRow(Base):
    """A jurisdiction's changes, counted in slots that are summed (one on SQLite)."""

    __tablename__ = "change_counter"
    jurisdiction_key: Mapped[int] = mapped_column(
        ForeignKey("jurisdiction.jurisdiction_key"), primary_key=True
    )
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class IdempotencyRow(Base):
    """The answer once given to an API key for one claim, replayed on a retry.

    A claim is `key:` and the Idempotency-Key header, `reference:` and the client's own
    reference (kept for ever), or `body:` and the hash of an identical body.
    """

    __tablename__ = "idempotency"
    api_key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    claim: Mapped[str] = mapped_column(String(320), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), comment="SHA-256 of what was asked")
    request_key: Mapped[int | None] = mapped_column(Key, ForeignKey(_REQUEST), index=True)
    receipt: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_datetime: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class OutboxRow(Base):
    """What the business tools must hear: written with the change it tells of."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "not_before", postgresql_where=text("state = 'pending'"),
              sqlite_where=text("state = 'pending'")),
    )  # fmt: skip
    outbox_key: Mapped[int] = mapped_column(Key, primary_key=True)
    jurisdiction_key: Mapped[int] = mapped_column(ForeignKey("jurisdiction.jurisdiction_key"))
    request_key: Mapped[int] = mapped_column(Key, ForeignKey(_REQUEST))
    kind: Mapped[str] = mapped_column(String(10), comment="create, photo, comment or status")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), comment="pending until a worker takes it")
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
    created_datetime: Mapped[datetime] = mapped_column(UtcDateTime)
