"""Documents rendered for another address, by another renderer or under another name: anew.

Stored documents carry the addresses of photos and the words of the catalogue. When
these change, every document is compared with what it should be, and written again
only where it differs, a few at a time: the server goes on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from open311.domain.request import StoredRequest
from open311.formats.public_documents import RENDERER_VERSION, render_public_document
from open311.operations.installation import Installation, Side
from open311.operations.publishing import public_view, publish_document
from open311.storage import catalogue, documents, requests, updates
from open311.storage.database import Database
from open311.storage.scope import service_request_id_of

_BATCH = 50
#: Between what is complete, `VERSION URL`, and the position of a run under way.
_UNDER_WAY = " …@"


def rendered_public_url(database: Database) -> str | None:
    """The address that stored documents are rendered for; None before the first start."""
    _, _, rest = catalogue.rendered_for(database).partition(" ")
    return rest.partition(_UNDER_WAY)[0] or None


def needs_rerender(installation: Installation) -> bool:
    """Whether documents may be of another address or of another version of the renderer."""
    return catalogue.rendered_for(installation.database) != _wanted(installation)


def rerender_installation(installation: Installation) -> Iterator[int]:
    """Bring every document to this installation's address and renderer.

    Each step is one small transaction that also keeps the position: a run that was
    ended goes on where it stood.

    Yields:
        How many documents the step wrote.
    """
    wanted = _wanted(installation)
    done, _, position = catalogue.rendered_for(installation.database).partition(_UNDER_WAY)
    after = int(position) if done == wanted and position else 0
    for side in sorted(installation.sides.values(), key=lambda each: each.scope.jurisdiction_key):
        for last, written in _rerender_from(installation, side, after):
            _keep(installation.database, f"{wanted}{_UNDER_WAY}{last}")
            yield written
    _keep(installation.database, wanted)


def rerender_side(installation: Installation, side: Side) -> Iterator[int]:
    """Bring the documents of one side to its catalogue: services that changed their name.

    Yields:
        How many documents each step, one small transaction, wrote.
    """
    for _, written in _rerender_from(installation, side, 0):
        yield written


def _wanted(installation: Installation) -> str:
    return f"{RENDERER_VERSION} {installation.public_url}"


def _keep(database: Database, text: str) -> None:
    database.write(lambda connection: catalogue.put_rendered_for(connection, text))


def _rerender_from(installation: Installation, side: Side, after: int) -> Iterator[tuple[int, int]]:
    """Steps over one side's requests behind a storage key: (last key, documents written)."""
    database, public_url = installation.database, installation.public_url
    first = side.scope.request_key(0)
    id_ = service_request_id_of(after) if after >= first else 0
    if after >= side.scope.request_key(2**40 - 1):
        return
    while True:
        started = time.monotonic()
        with database.connect() as connection:
            batch = requests.requests_after(connection, side.scope, id_, _BATCH)
            stale = [each for each in batch if _is_stale(connection, side, each, public_url)]
        if not batch:
            return
        if stale:
            database.write(partial(_write, side=side, stale=stale, public_url=public_url))
        id_ = batch[-1].request.service_request_id
        yield side.scope.request_key(id_), len(stale)
        time.sleep(time.monotonic() - started)  # as much time for the others


def _is_stale(connection: Connection, side: Side, stored: StoredRequest, public_url: str) -> bool:
    stored = _renamed(side, stored)
    id_ = stored.request.service_request_id
    history = updates.updates_of(connection, side.scope, id_, public_only=True)
    rendered = render_public_document(public_view(side, stored, history, public_url))
    return rendered != documents.find_document(connection, side.scope, id_)


def _write(connection: Connection, side: Side, stale: list[StoredRequest], public_url: str) -> None:
    """Every request is locked before the first change is counted.

    Others lock one request, then a counter: who held a counter while waiting for a
    request would stand in a circle with them.
    """
    ids = [each.request.service_request_id for each in stale]
    locked = [requests.find_request(connection, side.scope, id_, lock=True) for id_ in ids]
    for stored in filter(None, locked):
        renamed = _renamed(side, stored)
        if renamed != stored:
            requests.update_request(connection, side.scope, renamed)
        publish_document(connection, side, renamed, public_url=public_url)


def _renamed(side: Side, stored: StoredRequest) -> StoredRequest:
    service = side.jurisdiction.services.get(stored.request.service_code)
    if service is None or service.service_name.default == stored.request.service_name:
        return stored
    return replace(
        stored, request=replace(stored.request, service_name=service.service_name.default)
    )
