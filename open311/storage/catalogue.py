"""Jurisdictions and keys as stored: read whole at start and on change, never per request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.database import Database
from open311.storage.documents import COUNTER_SLOTS
from open311.storage.requests import decoded
from open311.storage.scope import Scope
from open311.storage.types import from_stored, to_utc_text

ENVIRONMENTS = ("production", "test")


@dataclass(frozen=True, slots=True)
class StoredJurisdiction:
    """One side (production or test) of a jurisdiction, with its file."""

    scope: Scope
    jurisdiction_id: str
    document: dict[str, Any]
    changeset: datetime


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key: the public part, the hash of the secret, what it may do.

    Attributes:
        replaces_api_key_id: the first key of the same client, for a rotated one.
        jurisdictions: jurisdiction_ids, or `*` for all of the installation.
        rights: `create`, `update`, `staff`.
    """

    api_key_id: str
    secret_sha256: str
    label: str
    environment: str
    jurisdictions: tuple[str, ...]
    rights: tuple[str, ...]
    client_reference: str | None
    same_body_window_s: int
    created_datetime: datetime
    expires_datetime: datetime | None = None
    revoked_datetime: datetime | None = None
    replaces_api_key_id: str | None = None

    @property
    def client_id(self) -> str:
        """The client behind its keys: its first key's id. A retry may carry the next key."""
        return self.replaces_api_key_id or self.api_key_id


def configuration_version(database: Database) -> int:
    """The number that rises with each applied file and each change of keys."""
    found = database.first("SELECT configuration_version FROM installation")
    return int(found[0]) if found else 0


def version_within(connection: Connection) -> int:
    """The same, as this transaction sees it."""
    found = sql.first(connection, "SELECT configuration_version FROM installation")
    return int(found[0]) if found else 0


def cursor_epoch(database: Database) -> int:
    """The number that rises with each restore."""
    found = database.first("SELECT cursor_epoch FROM installation")
    return int(found[0]) if found else 0


def rendered_for(database: Database) -> str:
    """What the stored documents were rendered for; empty before the first start."""
    found = database.first("SELECT rendered_for FROM installation")
    return str(found[0]) if found else ""


def put_rendered_for(connection: Connection, text: str) -> None:
    """Note what the stored documents are rendered for."""
    sql.execute(connection, "UPDATE installation SET rendered_for = :text", {"text": text})


def bump_configuration(connection: Connection) -> None:
    """Make every process read jurisdictions and keys again."""
    sql.execute(
        connection, "UPDATE installation SET configuration_version = configuration_version + 1"
    )


def list_jurisdictions(database: Database) -> list[StoredJurisdiction]:
    """Every side of every jurisdiction, in the order they were first applied."""
    found = database.rows(
        "SELECT jurisdiction_key, environment, jurisdiction_id, document, changeset "
        "FROM jurisdiction ORDER BY jurisdiction_key"
    )
    return [
        StoredJurisdiction(Scope(row[0], row[1]), row[2], decoded(row[3]), from_stored(row[4]))
        for row in found
    ]


def find_jurisdiction(
    connection: Connection, jurisdiction_id: str
) -> tuple[dict[str, Any], datetime] | None:
    """The document in force and its changeset, or None.

    Whoever asks is about to change it: others that would wait for this transaction.
    """
    sql.execute(connection, "UPDATE installation SET id = id")
    found = sql.first(
        connection,
        "SELECT document, changeset FROM jurisdiction "
        "WHERE jurisdiction_id = :jurisdiction_id AND environment = 'production'",
        {"jurisdiction_id": jurisdiction_id},
    )
    return None if found is None else (decoded(found[0]), from_stored(found[1]))


def destination_names(connection: Connection) -> dict[str, set[str]]:
    """The names of every jurisdiction's destinations."""
    found = sql.rows(
        connection,
        "SELECT jurisdiction_id, document FROM jurisdiction WHERE environment = 'production'",
    )
    return {
        id_: {each["name"] for each in decoded(document).get("destinations", ())}
        for id_, document in found
    }


def put_jurisdiction(
    connection: Connection, jurisdiction_id: str, document: Mapping[str, Any], changeset: datetime
) -> None:
    """Store a jurisdiction's file for both of its sides, creating them when new."""
    parameters = {
        "jurisdiction_id": jurisdiction_id,
        "document": json.dumps(document, ensure_ascii=False),
        "changeset": to_utc_text(changeset),
    }
    changed = sql.execute(
        connection,
        "UPDATE jurisdiction SET document = :document, changeset = :changeset "
        "WHERE jurisdiction_id = :jurisdiction_id",
        parameters,
    )
    if not changed:
        for environment in ENVIRONMENTS:
            _insert_side(connection, parameters | {"environment": environment})
    bump_configuration(connection)


def _insert_side(connection: Connection, parameters: dict[str, Any]) -> None:
    found = sql.first(connection, "SELECT coalesce(max(jurisdiction_key), 0) + 1 FROM jurisdiction")
    assert found is not None
    key = int(found[0])
    sql.execute(connection, sql.insert("jurisdiction"), parameters | {"jurisdiction_key": key})
    slots = 1 if connection.dialect.name == "sqlite" else COUNTER_SLOTS
    for slot in range(slots):
        row = {"jurisdiction_key": key, "slot": slot, "value": 0}
        sql.execute(connection, sql.insert("change_counter"), row)


def list_keys(database: Database) -> list[StoredKey]:
    """Every key, oldest first."""
    names = list(StoredKey.__slots__)
    found = database.rows(f"SELECT {', '.join(names)} FROM api_key ORDER BY created_datetime")  # noqa: S608
    return [_key_of(dict(zip(names, row, strict=True))) for row in found]


def put_key(connection: Connection, key: StoredKey) -> None:
    """Store a new key, or the same key again (revoked, given an end)."""
    row = asdict(key)
    for name in ("created_datetime", "expires_datetime", "revoked_datetime"):
        row[name] = None if row[name] is None else to_utc_text(row[name])
    row |= {
        "jurisdictions": json.dumps(key.jurisdictions),
        "rights": json.dumps(key.rights),
    }
    sql.execute(
        connection,
        sql.insert("api_key")
        + " ON CONFLICT (api_key_id) DO UPDATE SET expires_datetime = excluded.expires_datetime, "
        "revoked_datetime = excluded.revoked_datetime, label = excluded.label",
        row,
    )
    bump_configuration(connection)


def _key_of(row: dict[str, Any]) -> StoredKey:
    for name in ("created_datetime", "expires_datetime", "revoked_datetime"):
        row[name] = None if row[name] is None else from_stored(row[name])
    row["jurisdictions"] = tuple(decoded(row["jurisdictions"]))
    row["rights"] = tuple(decoded(row["rights"]))
    return StoredKey(**row)
