"""GET Service List and GET Service Definition."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import Response, request

from open311.domain.errors import InvalidRequest
from open311.formats import answers
from open311.formats.documents import write_document
from open311.formats.schemas import JurisdictionSchema, ListServicesSchema
from open311.http.answers import answer, etag_of, not_modified
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import answer_format, locale_of, query_fields, read_query, side_of
from open311.http.fast_lane import remember
from open311.operations.installation import Side

services = GeoReportBlueprint(
    "services", __name__, url_prefix="/open311/v2", description="What can be reported."
)


@services.at("/services", root="services", query=ListServicesSchema)
def list_services() -> Response:
    """GET Service List.

    With `lat` and `long`, only what can be reported at that place.
    """
    fields = query_fields()
    side = side_of(fields)
    wanted = read_query(ListServicesSchema, side)
    lat, long = wanted.get("lat"), wanted.get("long")
    if (lat is None) != (long is None):
        raise InvalidRequest("lat, long : ces paramètres vont ensemble.", field="lat")
    locale = locale_of(side, fields)
    if lat is None:
        return _kept(side, None, locale)
    offered = side.jurisdiction.services_at(lat, long)  # type: ignore[arg-type]
    return _answer(write_document(answer_format(), "services", answers.services(offered, locale)))


@services.at("/services/<string:service_code>", root="service_definition", query=JurisdictionSchema)
def get_service_definition(service_code: str) -> Response:
    """GET Service Definition."""
    fields = query_fields()
    side = side_of(fields)
    side.jurisdiction.service(service_code)
    return _kept(side, service_code, locale_of(side, fields))


def _kept(side: Side, service_code: str | None, locale: str) -> Response:
    return _answer(_rendered(side, service_code, locale, answer_format()))


def _answer(body: bytes) -> Response:
    etag = etag_of(body)
    remember(request.environ, lambda: etag, keep_body=True)
    return not_modified(etag) or answer(body, answer_format(), etag=etag)


@lru_cache(maxsize=4096)
def _rendered(side: Side, service_code: str | None, locale: str, format_: str) -> bytes:
    """The bytes of a catalogue document, kept until the jurisdiction is read again."""
    jurisdiction = side.jurisdiction
    value: Any
    if service_code is None:
        value = answers.services(jurisdiction.services_at(None, None), locale)
        return write_document(format_, "services", value)
    value = answers.service_definition(jurisdiction.service(service_code), locale)
    return write_document(format_, "service_definition", value)
