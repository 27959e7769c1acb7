"""GET Service List and GET Service Definition."""

from __future__ import annotations

from flask import Response, request

from open311.domain.errors import InvalidRequest
from open311.formats import answers
from open311.formats.documents import write_document
from open311.formats.schemas import ListServicesSchema, OneRequestSchema
from open311.http.answers import answer, etag_of, not_modified
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import answer_format, locale_of, query_fields, read_query, side_of
from open311.http.fast_lane import remember
from open311.http.response_headers import VERSIONED

services = GeoReportBlueprint(
    "services", __name__, url_prefix="/open311/v2", description="What can be reported."
)


@services.at("/services", root="services", query=ListServicesSchema, headers=VERSIONED)
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
    offered = side.jurisdiction.services_at(lat, long)  # type: ignore[arg-type]
    return _answer(write_document(answer_format(), "services", answers.services(offered, locale)))


@services.at(
    "/services/<string:service_code>",
    root="service_definition",
    query=OneRequestSchema,
    headers=VERSIONED,
)
def get_service_definition(service_code: str) -> Response:
    """GET Service Definition."""
    fields = query_fields()
    side = side_of(fields)
    extensions = bool(read_query(OneRequestSchema, side).get("extensions"))
    service = side.jurisdiction.service(service_code)
    value = answers.service_definition(service, locale_of(side, fields), extensions=extensions)
    return _answer(write_document(answer_format(), "service_definition", value))


def _answer(body: bytes) -> Response:
    etag = etag_of(body)
    remember(request.environ, lambda: etag, keep_body=True)
    return not_modified(etag) or answer(body, answer_format(), etag=etag)
