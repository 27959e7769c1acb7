"""FixMyStreet's updates: the feed that clients poll, and comments that they send (X-12, X-13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from open311.domain.errors import Forbidden, InvalidFields, InvalidRequest, NotFound, Open311Error
from open311.domain.media_url import check_media_url
from open311.domain.request import MAX_DESCRIPTION, MAX_PHOTOS, RequestUpdate, StoredRequest
from open311.domain.status import STAGE_OF_UPDATE, Stage, Visibility
from open311.operations.follow_up import Step, take_step
from open311.operations.installation import Side
from open311.operations.read_service_requests import read_service_request_id
from open311.storage import requests, updates
from open311.storage.catalogue import StoredKey
from open311.storage.database import Database

MAX_UPDATES = 1000
_REQUIRED = ("service_request_id", "update_id", "status", "updated_datetime", "description")


@dataclass(frozen=True)
class UpdateDraft:
    """What a client posted as an update, read and cleaned, not yet judged."""

    service_request_id: str | None
    update_id: str | None
    status: str | None
    updated_datetime: datetime | None
    description: str | None
    media_urls: tuple[str, ...] = ()


def list_updates(
    database: Database, side: Side, start: datetime, end: datetime
) -> list[RequestUpdate]:
    """Public updates inside the window, oldest first, at most 1000.

    Raises:
        InvalidRequest: the start is after the end.
    """
    if start > end:
        raise InvalidRequest("start_date : la date de début suit end_date.", field="start_date")
    return updates.updates_between(database, side.scope, start, end, MAX_UPDATES)


def check_update(draft: UpdateDraft, faults: list[Open311Error]) -> Stage | None:
    """Judge a posted update; the stage it asks for, None for a mere comment.

    Args:
        faults: what reading the parameters already found.

    Raises:
        InvalidFields: every fault found.
    """
    found = list(faults)
    fields = {error.field for error in faults}
    found += [
        InvalidRequest(f"{name} : ce paramètre est obligatoire.", field=name)
        for name in _REQUIRED
        if getattr(draft, name) is None and name not in fields
    ]
    status = (draft.status or "UNCHANGED").upper().replace(" ", "_")
    if status not in STAGE_OF_UPDATE:
        accepted = ", ".join(STAGE_OF_UPDATE)
        found.append(
            InvalidRequest(f"status : valeur inconnue ; acceptées : {accepted}.", field="status")
        )
    if draft.description and len(draft.description) > MAX_DESCRIPTION:
        found.append(
            InvalidRequest(
                f"description : {MAX_DESCRIPTION} caractères au plus.", field="description"
            )
        )
    found += _media_faults(draft)
    if found:
        raise InvalidFields(found)
    return STAGE_OF_UPDATE[status]


def post_update(
    connection: Connection,
    side: Side,
    draft: UpdateDraft,
    stage: Stage | None,
    *,
    key: StoredKey,
    public_url: str,
    now: datetime,
) -> RequestUpdate:
    """Add a comment, or move the request when the key is staff's; the same id is kept once.

    Raises:
        NotFound: no such request for the public here.
        Forbidden: a status change with a key that is not staff's.
    """
    assert draft.update_id is not None
    stored = _public_request(connection, side, draft)
    # Asked behind the request's lock: the same update sent twice at once is kept once.
    earlier = updates.find_update(connection, side.scope, key.client_id, draft.update_id)
    if earlier is not None:
        return earlier
    is_staff = "staff" in key.rights
    if stage is stored.request.stage or (stage is Stage.RECEIVED):
        stage = None  # repeating the present status is a comment
    if stage is not None and not is_staff:
        raise Forbidden(
            "status : cette clé peut commenter, non changer le statut ; envoyez UNCHANGED.",
            field="status",
        )
    step = Step(
        stage=stage,
        note=draft.description,
        media_urls=draft.media_urls,
        author="staff" if is_staff else "resident",
        update_id=draft.update_id,
        api_key_id=key.client_id,
    )
    service_request_id = stored.request.service_request_id
    return take_step(connection, side, service_request_id, step, public_url=public_url, now=now)


def _public_request(connection: Connection, side: Side, draft: UpdateDraft) -> StoredRequest:
    id_ = read_service_request_id(draft.service_request_id or "")
    stored = None if id_ is None else requests.find_request(connection, side.scope, id_, lock=True)
    if stored is None or stored.request.visibility is not Visibility.PUBLIC:
        raise NotFound(
            "service_request_id : cette demande n'existe pas.", field="service_request_id"
        )
    return stored


def _media_faults(draft: UpdateDraft) -> list[Open311Error]:
    if len(draft.media_urls) > MAX_PHOTOS:
        return [InvalidRequest(f"media_url : {MAX_PHOTOS} photos au plus.", field="media_url")]
    found: list[Open311Error] = []
    for url in draft.media_urls:
        try:
            check_media_url(url)
        except Open311Error as error:
            found.append(error)
    return found
