"""Photos: served while their request may be read in lists, and with it they vanish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from flask import Blueprint, Response

from open311.domain.errors import NotFound
from open311.http.context import installation, query_fields, side_of
from open311.operations.read_service_requests import read_service_request_id
from open311.storage.requests import public_photo_names

media = Blueprint("media", __name__, url_prefix="/open311/media")

_CHUNK_BYTES = 65_536
_HEADERS = {
    "Content-Type": "image/jpeg",
    "Content-Disposition": "inline",
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@media.get("/<service_request_id>/<name>")
def get_photo(service_request_id: str, name: str) -> Response:
    """One photo, or the thumbnail of one, of a public request."""
    here, side = installation(), side_of(query_fields())
    id_ = read_service_request_id(service_request_id)
    if id_ is None or name not in public_photo_names(here.database, side.scope, id_):
        raise NotFound("media : cette photo n'existe pas.")
    photo = here.media.open(name)
    response = Response(_chunks(photo), headers=_HEADERS)
    response.call_on_close(photo.close)  # a HEAD reads nothing
    return response


def _chunks(photo: BinaryIO) -> Iterator[bytes]:
    while chunk := photo.read(_CHUNK_BYTES):
        yield chunk
