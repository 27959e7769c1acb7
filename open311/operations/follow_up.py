"""The life of a request after it was received: notes, steps, moderation, erasure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from open311.domain.errors import InvalidRequest, NotAllowed, NotFound
from open311.domain.history import type_of_step
from open311.domain.request import RequestUpdate, ServiceRequest, StoredRequest
from open311.domain.status import Stage, Visibility, check_transition, is_open
from open311.operations.installation import Side
from open311.operations.parcels import NEVER_SENT, NOT_TO_BE_SENT
from open311.operations.photo_sweep import delete_unused, erasure_note
from open311.operations.publishing import publish_document
from open311.storage import deliveries, delivery_records, receipts, requests, tickets, updates
from open311.storage.database import Database
from open311.storage.media import MediaStore

#: How a request may be closed from the command line.
CLOSING_STAGES = tuple(stage for stage in Stage if not is_open(stage))


@dataclass(frozen=True)
class Step:
    """One change of a request.

    Attributes:
        stage: the stage reached; None leaves it.
        note: for the public; `internal_note`: for agents.
        author: resident, staff or tool.
        update_id, api_key_id: the client's own id of this step, and its key (X-13).
        tell_tools: write an outbox row; False when the tool itself told us.
    """

    stage: Stage | None = None
    note: str | None = None
    internal_note: str | None = None
    media_urls: tuple[str, ...] = ()
    author: str = "staff"
    update_id: str | None = None
    api_key_id: str | None = None
    parent_service_request_id: int | None = None
    tell_tools: bool = True


def take_step(
    connection: Connection,
    side: Side,
    service_request_id: int,
    step: Step,
    *,
    public_url: str,
    now: datetime,
) -> RequestUpdate:
    """Move a request, or add a note to it; the entry that was added to its history.

    Raises:
        NotFound: no such request here, or no such parent. NotAllowed: the step
            contradicts the history.
    """
    stored = _find(connection, side, service_request_id)
    request = stored.request
    if step.stage is not None:
        check_transition(request.stage, step.stage)
    if step.parent_service_request_id is not None:
        _known(connection, side, step.parent_service_request_id)
    stage = step.stage or request.stage
    moment = max(now, request.updated_datetime)  # a public date never goes back
    public = step.stage is not None or bool(step.note) or bool(step.media_urls)
    update = updates.insert_update(
        connection, side.scope, _entry(request, step, stage, moment, public=public)
    )
    if public:
        _publish(connection, side, _moved(stored, step, stage, moment), public_url)
    if step.tell_tools:
        kind = "comment" if step.stage is None else "status"
        payload = {"update_key": update.update_key}
        receipts.enqueue(
            connection, side.scope, service_request_id, kind=kind, payload=payload, now=now
        )
    return update


def _entry(
    request: ServiceRequest, step: Step, stage: Stage, moment: datetime, *, public: bool
) -> RequestUpdate:
    return RequestUpdate(
        service_request_id=request.service_request_id,
        type=type_of_step(request.stage, stage),
        stage=stage,
        updated_datetime=moment,
        description=step.note,
        internal_note=step.internal_note,
        media_urls=step.media_urls,
        public=public,
        author=step.author,
        update_id=step.update_id,
        api_key_id=step.api_key_id,
    )


def set_visibility(
    connection: Connection,
    side: Side,
    service_request_id: int,
    visibility: Visibility,
    *,
    internal_note: str | None = None,
    public_url: str,
    now: datetime,
) -> None:
    """Publish, reject or hide a request; the reason stays with the agents.

    What was withdrawn from the tools because of a rejection goes after all when that ends.

    Raises:
        NotFound: no such request here. NotAllowed: it was erased, or its service is a
            blackbox, whose requests "cannot be tracked".
    """
    stored = _find(connection, side, service_request_id)
    if stored.request.visibility is Visibility.PRIVATE:
        raise NotAllowed(
            f"La demande {service_request_id} vient d'un service sans suivi public (blackbox) : "
            "elle ne peut être ni publiée ni rejetée."
        )
    request = replace(
        stored.request,
        visibility=visibility,
        updated_datetime=max(now, stored.request.updated_datetime),
    )
    if stored.request.visibility in NEVER_SENT and visibility not in NEVER_SENT:
        request_key = side.scope.request_key(service_request_id)
        deliveries.send_after_all(connection, request_key, NOT_TO_BE_SENT, now)
    _note_internally(connection, side, request, internal_note or f"visibility: {visibility}")
    _publish(connection, side, replace(stored, request=request), public_url)


@dataclass(frozen=True)
class Erasure:
    """What an erasure did.

    Attributes:
        was_there: False for a request erased before.
        photos_left: files so young that a POST under way may be about to name them too:
            nobody is shown them, and the server's next sweep deletes them.
    """

    was_there: bool
    photos_left: int = 0


def erase_request(
    database: Database,
    media: MediaStore,
    side: Side,
    service_request_id: int,
    *,
    public_url: str,
    now: datetime,
    alone: bool = False,
) -> Erasure:
    """Forget the reporter, the free texts and the photos; leave a trace of the request.

    Service, place, dates and stages stay for statistics; the public is answered 404.
    Photos that no other request shows are removed first: an erasure that was ended
    half-way can be asked for again, and finds all that is left.

    Args:
        alone: nobody else writes to this installation now, as during a restore.

    Raises:
        NotFound: no such request here.
        Unavailable: not erased, or still in SQLite's log: to be asked for again.
    """
    with database.connect() as connection:
        stored = _known(connection, side, service_request_id)
        names = {name for photo in stored.photos for name in (photo.name, photo.thumbnail)}
        shared = requests.photos_elsewhere(connection, side.scope, service_request_id, names)
    if stored.request.visibility is Visibility.ERASED:
        database.empty_log()
        return Erasure(was_there=False)
    left = delete_unused(media, names - shared, youngest_too=alone)
    note = erasure_note(left)
    database.write(
        partial(_erase, side=side, id_=service_request_id, url=public_url, now=now, note=note)
    )
    database.empty_log()
    return Erasure(was_there=True, photos_left=len(left))


def _erase(
    connection: Connection, side: Side, id_: int, url: str, now: datetime, note: str
) -> None:
    stored = _known(connection, side, id_, lock=True)
    requests.delete_reporter(connection, side.scope, id_)
    updates.forget_texts(connection, side.scope, id_)
    receipts.forget_request(connection, side.scope, id_)
    request_key = side.scope.request_key(id_)
    delivery_records.forget_request(connection, request_key, now)
    tickets.forget_request(connection, request_key)
    request = _emptied(stored.request, max(now, stored.request.updated_datetime))
    _note_internally(connection, side, request, note)
    _publish(connection, side, StoredRequest(request, api_key_id=stored.api_key_id), url)


def _known(
    connection: Connection, side: Side, service_request_id: int, *, lock: bool = False
) -> StoredRequest:
    stored = requests.find_request(connection, side.scope, service_request_id, lock=lock)
    if stored is None:
        raise NotFound(
            f"service_request_id : la demande « {service_request_id} » n'existe pas.",
            field="service_request_id",
        )
    return stored


def _find(connection: Connection, side: Side, service_request_id: int) -> StoredRequest:
    stored = _known(connection, side, service_request_id, lock=True)
    if stored.request.visibility is Visibility.ERASED:
        raise NotAllowed(f"La demande {service_request_id} a été effacée.")
    return stored


def _moved(stored: StoredRequest, step: Step, stage: Stage, moment: datetime) -> StoredRequest:
    request = stored.request
    changed = stage is not request.stage
    parent = step.parent_service_request_id or request.parent_service_request_id
    if parent == request.service_request_id:
        raise InvalidRequest("Une demande ne peut pas être le doublon d'elle-même.")
    return replace(
        stored,
        request=replace(
            request,
            stage=stage,
            status_notes=(step.note if step.author != "resident" else None) or request.status_notes,
            updated_datetime=moment,
            detailed_status_datetime=moment if changed else request.detailed_status_datetime,
            parent_service_request_id=parent,
        ),
    )


def _publish(connection: Connection, side: Side, stored: StoredRequest, public_url: str) -> None:
    requests.update_request(connection, side.scope, stored)
    publish_document(connection, side, stored, public_url=public_url)


def _note_internally(
    connection: Connection, side: Side, request: ServiceRequest, note: str
) -> None:
    update = RequestUpdate(
        service_request_id=request.service_request_id,
        type="activity",
        stage=request.stage,
        updated_datetime=request.updated_datetime,
        internal_note=note,
        public=False,
    )
    updates.insert_update(connection, side.scope, update)


def _emptied(request: ServiceRequest, moment: datetime) -> ServiceRequest:
    return replace(
        request,
        visibility=Visibility.ERASED,
        updated_datetime=moment,
        title=None,
        description=None,
        status_notes=None,
        address=None,
        address_id=None,
        service_object_id=None,
        service_object_type=None,
        attributes=(),
    )
