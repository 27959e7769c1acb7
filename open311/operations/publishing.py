"""From a stored request to what the public reads: composed, rendered, put in one place."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from open311.domain.history import note_of
from open311.domain.request import RequestUpdate, ServiceRequest, StoredRequest
from open311.formats.public_documents import render_public_document
from open311.operations.installation import Side
from open311.storage import documents, updates


def publish_document(
    connection: Connection,
    side: Side,
    stored: StoredRequest,
    *,
    public_url: str,
    history: list[RequestUpdate] | None = None,
) -> None:
    """Render a request again and count the change, in the transaction that made it.

    Args:
        history: its public updates, oldest first; read when not given.
    """
    scope, id_ = side.scope, stored.request.service_request_id
    if history is None:
        history = updates.updates_of(connection, scope, id_, public_only=True)
    shown = public_view(side, stored, history, public_url)
    documents.put_document(connection, scope, shown, render_public_document(shown))


def public_view(
    side: Side, stored: StoredRequest, history: list[RequestUpdate], public_url: str
) -> ServiceRequest:
    """The request with its photos' addresses and its public notes."""
    request, language = stored.request, side.jurisdiction.language
    own = (photo_url(side, request, photo.name, public_url) for photo in stored.photos)
    return replace(
        request,
        media_urls=(*own, *stored.client_media_urls),
        notes=tuple(note_of(update, language) for update in history if update.public),
    )


def photo_url(side: Side, request: ServiceRequest, name: str, public_url: str) -> str:
    """Where a photo of a request is served, while the request itself may be read."""
    return f"{public_url}{side.path}/media/{request.service_request_id}/{name}"
