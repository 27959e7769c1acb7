"""GET Service Requests and GET Service Request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from open311.domain.request_filter import Cursor, RequestFilter
from open311.formats.filters import request_filter, write_cursor
from open311.formats.public_documents import RENDERER_VERSION
from open311.formats.schemas import ListRequestsSchema, OneRequestSchema
from open311.http import door
from open311.http.answers import answer, etag_of, not_modified, weak_etag
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import (
    answer_format,
    installation,
    query_fields,
    read_query,
    settings,
    side_of,
)
from open311.http.fast_lane import remember
from open311.http.response_headers import LISTED, VERSIONED
from open311.operations import read_service_requests as operations
from open311.operations.installation import Side
from open311.storage.request_lists import count_documents, version_of

requests = GeoReportBlueprint(
    "requests", __name__, url_prefix="/open311/v2", description="What was reported."
)

_MAX_IDS = 1000


@requests.at(
    "/requests",
    root="service_requests",
    query=ListRequestsSchema,
    formats=("xml", "json", "geojson"),
    headers=LISTED,
)
def list_service_requests() -> Response:
    """GET Service Requests.

    The last 90 days, newest first, at most 1000 at a time; filters, paging and the
    stream of changes (`cursor`) narrow or extend that.
    """
    side = side_of(query_fields())
    values = read_query(ListRequestsSchema, side)
    wanted = request_filter(values, _possible_ids(values))
    if wanted.cursor is not None:
        return _changes(side, wanted)
    here, clamp = installation(), settings().wide_span == "clamp"
    identity = (request.environ.get("QUERY_STRING"), *_identity(side))

    def etag_now() -> str:
        windowed = wanted.within_window(here.now(), clamp=clamp)
        return weak_etag(version_of(here.database, side.scope, windowed), *identity)

    etag = etag_now()
    remember(request.environ, etag_now)
    return not_modified(etag) or _page(side, wanted.within_window(here.now(), clamp=clamp), etag)


@requests.at(
    "/requests/<string:service_request_id>",
    root="service_requests",
    query=OneRequestSchema,
    formats=("xml", "json", "geojson"),
    headers=VERSIONED,
)
def get_service_request(service_request_id: str) -> Response:
    """GET Service Request."""
    side = side_of(query_fields())
    extensions = bool(read_query(OneRequestSchema, side).get("extensions"))
    body = operations.get_service_request(
        installation().database, side, service_request_id, answer_format(), extensions=extensions
    )
    etag = etag_of(body)
    return not_modified(etag) or answer(body, answer_format(), etag=etag)


def _possible_ids(values: dict[str, Any]) -> tuple[int, ...]:
    """The ids that could exist; anything else names no request (F10)."""
    asked = values.get("service_request_id", ())[:_MAX_IDS]
    ids = (operations.read_service_request_id(text) for text in asked)
    return tuple(id_ for id_ in ids if id_ is not None)


def _identity(side: Side) -> tuple[object, ...]:
    here = installation()
    return (side.scope, answer_format(), RENDERER_VERSION, here.cursor_epoch, here.public_url)


def _page(side: Side, wanted: RequestFilter, etag: str) -> Response:
    database = installation().database
    body, length = operations.list_service_requests(database, side, wanted, answer_format())
    response = answer(body, answer_format(), etag=etag)
    response.headers["X-Page-Size"] = str(wanted.page_size)
    if wanted.count:
        total = count_documents(database, side.scope, wanted)
        response.headers["X-Result-Count"] = str(total)
        response.headers["X-Page-Count"] = str(-(-total // wanted.page_size))
    _add_links(response, wanted, is_full=length == wanted.page_size)
    return response


def _add_links(response: Response, wanted: RequestFilter, *, is_full: bool) -> None:
    links = {}
    if is_full and replace(wanted, page=wanted.page + 1).offset <= 100_000:
        links["next"] = ("X-Next-Page-URL", _page_url(wanted.page + 1))
    if wanted.page > 1:
        links["prev"] = ("X-Previous-Page-URL", _page_url(wanted.page - 1))
    for name, url in links.values():
        response.headers[name] = url
    if links:
        response.headers["Link"] = ", ".join(
            f'<{url}>; rel="{relation}"' for relation, (_, url) in links.items()
        )


def _page_url(page: int) -> str:
    return _own_url(page=str(page))


def _own_url(**changed: str) -> str:
    """This list's address with other parameters; a key in it is never repeated (C-058)."""
    given = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if name not in changed and name != "api_key"
    ]
    path = request.environ[door.PATH]
    return f"{installation().public_url}{path}?{urlencode([*given, *changed.items()])}"


def _changes(side: Side, wanted: RequestFilter) -> Response:
    """One page of the stream of changes; a cursor from before a restore starts again."""
    assert wanted.cursor is not None
    here = installation()
    if wanted.cursor.epoch != here.cursor_epoch:
        wanted = replace(wanted, cursor=Cursor(here.cursor_epoch))
    page = operations.list_changes(here.database, side, wanted, answer_format())
    response = answer(page.body, answer_format())
    response.headers["Cache-Control"] = "no-store"
    cursor = write_cursor(page.cursor)
    response.headers["X-Next-Cursor"] = cursor
    response.headers["X-Next-Page-URL"] = _own_url(cursor=cursor)
    if page.withdrawn:
        response.headers["X-Withdrawn-Ids"] = ",".join(str(id_) for id_ in page.withdrawn)
    return response
