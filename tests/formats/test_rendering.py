"""Law: the fast renderer writes what marshmallow and lxml write, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields

from open311.domain.request import Answer, Kind, Note, ServiceRequest
from open311.domain.status import PUBLIC_STATUS, Stage, Visibility
from open311.formats.georeport_xml import write_xml
from open311.formats.public_documents import list_of_documents, render_public_document
from open311.formats.text import clean_text

# The reference: one schema field for each element of GeoReport v2, in its order.


class W3cDateTime(fields.Field[Any]):
    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


class CoreSchema(Schema):
    service_request_id = fields.String()
    status = fields.Function(lambda request: PUBLIC_STATUS[request.stage].status)
    status_notes = fields.String()
    service_name = fields.String()
    service_code = fields.String()
    description = fields.String()
    agency_responsible = fields.String()
    service_notice = fields.String()
    requested_datetime = W3cDateTime()
    updated_datetime = W3cDateTime()
    expected_datetime = W3cDateTime()
    address = fields.String()
    address_id = fields.String()
    zipcode = fields.String()
    lat = fields.Float()
    long = fields.Float()
    media_url = fields.Function(lambda request: next(iter(request.media_urls), None))


class AnswerSchema(Schema):
    code = fields.String()
    label = fields.String()
    name = fields.String()
    value = fields.String()


class NoteSchema(Schema):
    datetime = W3cDateTime()
    type = fields.String()
    description = fields.String()
    summary = fields.String()


class ExtensionSchema(Schema):
    title = fields.String()
    detailed_status = fields.Function(lambda request: PUBLIC_STATUS[request.stage].detailed_status)
    detailed_status_datetime = W3cDateTime()
    kind = fields.Enum(Kind, by_value=True)
    is_staff = fields.Boolean()
    service_object_id = fields.String()
    service_object_type = fields.String()
    duplicate = fields.Function(lambda request: request.stage is Stage.DUPLICATE)
    parent_service_request_id = fields.String()
    channel = fields.String()
    media_urls = fields.List(fields.String())
    attributes = fields.List(fields.Nested(AnswerSchema))
    notes = fields.List(fields.Nested(NoteSchema))


class ExtendedSchema(CoreSchema):
    extended_attributes = fields.Function(lambda request: ExtensionSchema().dump(request))


#: Text as it is stored: cleaned at the door, never blank.
TEXT = st.text(max_size=60).filter(lambda text: "\0" not in text).map(clean_text)
SOME = st.none() | TEXT.filter(bool)
MOMENT = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC, microsecond=0)
)
DEGREES = st.none() | st.floats(-180, 180).map(lambda value: round(value, 7) + 0.0)
ANSWERS = st.builds(Answer, code=TEXT, label=TEXT, name=TEXT, value=TEXT)
NOTES = st.builds(Note, datetime=MOMENT, type=TEXT, description=SOME, summary=SOME)
REQUESTS = st.builds(
    ServiceRequest,
    service_request_id=st.integers(1, 2**31 - 1),
    stage=st.sampled_from(Stage),
    visibility=st.just(Visibility.PUBLIC),
    **dict.fromkeys(("status_notes", "description", "agency_responsible", "service_notice"), SOME),
    **dict.fromkeys(("address", "address_id", "zipcode", "title", "channel"), SOME),
    **dict.fromkeys(("service_object_id", "service_object_type"), SOME),
    **dict.fromkeys(("service_name", "service_code"), TEXT),
    **dict.fromkeys(("requested_datetime", "updated_datetime"), MOMENT),
    **dict.fromkeys(("expected_datetime", "detailed_status_datetime"), st.none() | MOMENT),
    **dict.fromkeys(("lat", "long"), DEGREES),
    media_urls=st.lists(TEXT, max_size=3).map(tuple),
    kind=st.sampled_from(Kind),
    is_staff=st.booleans(),
    parent_service_request_id=st.none() | st.integers(1, 2**31 - 1),
    attributes=st.lists(ANSWERS, max_size=3).map(tuple),
    notes=st.lists(NOTES, max_size=3).map(tuple),
)


def reference(requests: list[ServiceRequest], suffix: str, *, extended: bool) -> bytes:
    schema = ExtendedSchema(many=True) if extended else CoreSchema(many=True)
    dumped = schema.dump(requests)
    if suffix == "xml":
        return write_xml("service_requests", dumped)
    return json.dumps(dumped, ensure_ascii=False, separators=(",", ":")).encode()


def fast(requests: list[ServiceRequest], suffix: str, *, extended: bool) -> bytes:
    rendered = [render_public_document(request) for request in requests]
    return list_of_documents(
        suffix,
        [
            getattr(document, suffix)
            + (getattr(document, f"{suffix}_extension") if extended else b"")
            for document in rendered
        ],
    )


@given(st.lists(REQUESTS, max_size=3), st.sampled_from(["xml", "json"]), st.booleans())
def test_the_fast_renderer_writes_what_the_reference_writes(
    requests: list[ServiceRequest], suffix: str, extended: bool
) -> None:
    assert fast(requests, suffix, extended=extended) == reference(
        requests, suffix, extended=extended
    )


@given(REQUESTS.map(lambda request: request))
def test_a_request_that_waits_for_moderation_keeps_text_place_and_photos_to_itself(
    request: ServiceRequest,
) -> None:
    from dataclasses import replace

    secret = replace(
        request,
        visibility=Visibility.PENDING,
        description="SECRETTEXT",
        title="SECRETTITLE",
        address="SECRETPLACE",
        address_id="SECRETID",
        media_urls=("SECRETPHOTO",),
        attributes=(Answer("C", "L", "SECRETANSWER", "SECRETANSWER"),),
    )
    document = render_public_document(secret)
    assert b"SECRET" not in b"".join(
        getattr(document, name) for name in ("xml", "json", "xml_extension", "json_extension")
    )
