"""The NAIVE baseline: the common idiom, an ORM, marshmallow, json or lxml, no more.

It answers the same documents as the server; it validates nothing, knows no
jurisdiction but the one it is asked, and writes one row for a POST.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, request
from flask.json import dumps
from lxml import etree
from marshmallow import EXCLUDE, Schema, fields
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from open311.domain.status import PUBLIC_STATUS, Stage
from open311.operations.installation import Side
from open311.storage.models import ServiceRequestRow
from tests.benchmarks.dataset import NOW


class NaiveRequestSchema(Schema):
    """A request as the standard shows it."""

    service_request_id = fields.String()
    status = fields.Function(lambda row: PUBLIC_STATUS[Stage(row.stage)].status)
    status_notes = fields.String()
    service_name = fields.String()
    service_code = fields.String()
    description = fields.String()
    agency_responsible = fields.String()
    service_notice = fields.String()
    requested_datetime = fields.DateTime(format="%Y-%m-%dT%H:%M:%SZ")
    updated_datetime = fields.DateTime(format="%Y-%m-%dT%H:%M:%SZ")
    expected_datetime = fields.DateTime(format="%Y-%m-%dT%H:%M:%SZ")
    address = fields.String()
    address_id = fields.String()
    zipcode = fields.String()
    lat = fields.Float()
    long = fields.Float()
    media_url = fields.Function(lambda row: next(iter(row.media_urls), None))


class NaivePostSchema(Schema):
    """What a POST may hold."""

    class Meta:
        """Unknown parameters are ignored."""

        unknown = EXCLUDE

    service_code = fields.String(required=True)
    lat = fields.Float(required=True)
    long = fields.Float(required=True)
    description = fields.String()
    email = fields.Email()


def create_naive_app(engine: Engine, side: Side) -> Flask:
    """An application with GET and POST requests the naive way."""
    app = Flask("naive")
    schema, post_schema = NaiveRequestSchema(), NaivePostSchema()
    key = side.scope.jurisdiction_key

    def page(session: Session) -> list[dict[str, Any]]:
        limit = int(request.args.get("page_size", 1000))
        statement = (
            select(ServiceRequestRow)
            .where(ServiceRequestRow.jurisdiction_key == key)
            .where(ServiceRequestRow.requested_datetime >= NOW - timedelta(days=90))
            .order_by(ServiceRequestRow.requested_datetime.desc())
            .limit(limit)
        )
        return schema.dump(session.scalars(statement), many=True)  # type: ignore[no-any-return]

    @app.get("/requests.json")
    def list_json() -> Response:
        with Session(engine) as session:
            return Response(dumps(page(session)), mimetype="application/json")

    @app.get("/requests.xml")
    def list_xml() -> Response:
        with Session(engine) as session:
            return Response(_xml(page(session)), mimetype="text/xml")

    @app.get("/requests/<int:id_>.json")
    def one(id_: int) -> Response:
        with Session(engine) as session:
            found = session.get(ServiceRequestRow, side.scope.request_key(id_))
            return Response(dumps([schema.dump(found)]), mimetype="application/json")

    @app.post("/requests.json")
    def post() -> Response:
        given = post_schema.load(request.form)
        with Session(engine) as session:
            row = _new_row(side, given)
            session.add(row)
            session.commit()
            answer = [{"service_request_id": str(row.service_request_id)}]
        return Response(dumps(answer), mimetype="application/json")

    return app


_next_id = iter(range(1_500_000_000, 2_000_000_000))


def _new_row(side: Side, given: dict[str, Any]) -> ServiceRequestRow:
    id_, now = next(_next_id), datetime.now(UTC)
    return ServiceRequestRow(
        request_key=side.scope.request_key(id_),
        jurisdiction_key=side.scope.jurisdiction_key,
        service_request_id=id_,
        service_code=given["service_code"],
        service_name=given["service_code"],
        stage="received",
        visibility="public",
        kind="report",
        is_staff=False,
        description=given.get("description"),
        requested_datetime=now,
        updated_datetime=now,
        detailed_status_datetime=now,
        lat=given["lat"],
        long=given["long"],
        media_urls=[],
        photos=[],
        attributes=[],
    )


def _xml(rows: list[dict[str, Any]]) -> bytes:
    root = etree.Element("service_requests")
    for row in rows:
        element = etree.SubElement(root, "request")
        for name, value in row.items():
            etree.SubElement(element, name).text = None if value is None else str(value)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")
