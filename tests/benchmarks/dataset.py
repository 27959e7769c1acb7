"""A deterministic data set of any size, the same on both engines.

One "big city" always holds 6,000 requests of the last year, whatever the size: what its
list costs when the rest of the installation grows is the question of target 8. The
other rows belong to smaller jurisdictions, interleaved in order of arrival.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from open311.domain.request import Kind, RequestUpdate, ServiceRequest, StoredRequest
from open311.domain.status import Stage, Visibility
from open311.formats.public_documents import render_public_document
from open311.operations.installation import Installation, Side
from open311.operations.publishing import public_view
from open311.storage import documents, requests, sql
from open311.storage.database import Database
from tests.postgres import vacuum_and_analyse

BIG_CITY = "gentilly.fr"
BIG_CITY_ROWS = 6_000
NOW = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)
_BATCH = 2_000

_THINGS = (
    "Dépôt sauvage",
    "Nid-de-poule",
    "Lampadaire éteint",
    "Tag",
    "Arbre tombé",
    "Fuite d'eau",
)
_PLACES = ("devant l'école", "à l'angle de la rue", "près du marché", "sur le trottoir d'en face")
_DETAILS = (
    "C'est dangereux pour les enfants & les personnes âgées.",
    "Signalé déjà 2 fois <sans réponse>, merci d'intervenir rapidement.",
    "Le passage est bloqué depuis plusieurs jours, les poussettes passent sur la chaussée.",
    "Merci d'avance à l'équipe pour son travail au quotidien.",
)


def fill(database: Database, installation: Installation, size: int) -> None:
    """Store `size` requests with history and documents, in bulk, then let the engine settle."""
    sides = [side for (_, where), side in installation.sides.items() if where == "production"]
    rows = _stored_requests(sides, size)
    while batch := list(islice(rows, _BATCH)):
        with database.begin() as connection:
            _insert(connection, batch)
    _settle(database, size)


def _stored_requests(sides: list[Side], size: int) -> Iterator[tuple[Side, StoredRequest]]:
    chance = random.Random(311)
    big = next(side for side in sides if side.jurisdiction.jurisdiction_id == BIG_CITY)
    others = [side for side in sides if side is not big]
    of_big_city = set(chance.sample(range(1, size + 1), BIG_CITY_ROWS))
    for id_ in range(1, size + 1):
        side = big if id_ in of_big_city else chance.choice(others)
        yield side, StoredRequest(_request(chance, side, id_, id_ / size), api_key_id=None)


def _request(chance: random.Random, side: Side, id_: int, age: float) -> ServiceRequest:
    service = chance.choice(list(side.jurisdiction.services.values()))
    west, south, east, north = side.jurisdiction.boundary.boundary.bounds
    requested = NOW - timedelta(seconds=int((1 - age) * 365 * 86_400) + 60)
    is_closed = chance.random() < 0.62
    updated = min(NOW, requested + timedelta(hours=chance.randint(1, 200)))
    return ServiceRequest(
        service_request_id=id_,
        stage=Stage.DONE if is_closed else Stage.RECEIVED,
        visibility=Visibility.PUBLIC,
        status_notes="L'équipe est passée, merci de votre signalement." if is_closed else None,
        service_name=service.service_name.default,
        service_code=service.service_code,
        description=f"{chance.choice(_THINGS)} {chance.choice(_PLACES)}. {chance.choice(_DETAILS)}",
        agency_responsible=side.jurisdiction.agency_for(service),
        service_notice=None,
        requested_datetime=requested,
        updated_datetime=updated if is_closed else requested,
        expected_datetime=requested + timedelta(days=3),
        address=f"{chance.randint(1, 120)} rue de la Réunion",
        address_id=None,
        zipcode="94250",
        lat=round(chance.uniform(south, north), 6),
        long=round(chance.uniform(west, east), 6),
        detailed_status_datetime=updated if is_closed else requested,
        kind=chance.choice(tuple(Kind)),
        is_staff=chance.random() < 0.5,
    )


def _insert(connection: Connection, batch: list[tuple[Side, StoredRequest]]) -> None:
    history, rows, shown = [], [], []
    for side, stored in batch:
        update = RequestUpdate(
            stored.request.service_request_id, "submitted", Stage.RECEIVED,
            stored.request.requested_datetime,
        )  # fmt: skip
        rows.append(requests._row_of(side.scope, stored))
        history.append(_update_row(side, update))
        view = public_view(side, stored, [update], "http://open311.test")
        document = render_public_document(view)
        change = stored.request.service_request_id
        shown.append(documents.document_row(side.scope, view, document, change, shown="list"))
    for table, values in (
        ("service_request", rows),
        ("request_update", history),
        ("public_document", shown),
    ):
        _bulk(connection, table, values)


def _update_row(side: Side, update: RequestUpdate) -> dict[str, Any]:
    return {
        "jurisdiction_key": side.scope.jurisdiction_key,
        "request_key": side.scope.request_key(update.service_request_id),
        "type": update.type,
        "stage": str(update.stage),
        "updated_datetime": requests.to_utc_text(update.updated_datetime),
        "description": None,
        "internal_note": None,
        "media_urls": "[]",
        "public": True,
        "author": "resident",
        "update_id": None,
        "api_key_id": None,
    }


def _bulk(connection: Connection, table: str, values: list[dict[str, Any]]) -> None:
    cursor: Any = connection.connection.dbapi_connection.cursor()  # type: ignore[union-attr]
    if connection.dialect.name == "sqlite":
        cursor.executemany(sql.insert(table), values)
        return
    names = list(values[0])
    with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
        for row in values:
            copy.write_row([row[name] for name in names])


def _settle(database: Database, size: int) -> None:
    with database.begin() as connection:
        parameters = {"size": size}
        if database.dialect == "sqlite":
            sql.execute(
                connection, "UPDATE installation SET last_service_request_id = :size", parameters
            )
        else:
            sql.execute(connection, "SELECT setval('service_request_id_seq', :size)", parameters)
    if database.dialect == "sqlite":
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        database.rows("ANALYZE")
    else:
        vacuum_and_analyse(database.engine)
