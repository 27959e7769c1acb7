"""POST Service Request: judged first, then written in one durable transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from open311.domain.attributes import validate_attributes
from open311.domain.errors import InvalidFields, InvalidRequest, KeyReused, Open311Error
from open311.domain.media_url import check_media_url
from open311.domain.request import (
    Answer,
    Photo,
    Receipt,
    RequestDraft,
    RequestUpdate,
    ServiceRequest,
    StoredRequest,
)
from open311.domain.service import Service, ServiceType
from open311.domain.status import Stage, Visibility
from open311.operations.draft_rules import (
    Faults,
    check_description,
    check_object,
    check_photos,
    check_place,
)
from open311.operations.installation import Side
from open311.operations.origins import arrived_before
from open311.operations.publishing import publish_document
from open311.storage import origins, receipts, requests, updates
from open311.storage.catalogue import StoredKey
from open311.storage.sql import pipelined

_TOKEN_BYTES = 24
#: How often a claim is asked for that is neither ours to take nor there to be read.
_TRIES = 3


@dataclass(frozen=True)
class AcceptedRequest:
    """A draft that every rule has passed, and what the rules found out about it."""

    draft: RequestDraft
    service: Service
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Claim:
    """What makes a POST the same as an earlier one of the same key.

    Attributes:
        claim: `key:` + Idempotency-Key, `reference:` + client reference, or `body:` + hash.
        fingerprint: SHA-256 of all that was asked.
        lives_for: how long the answer is replayed; None for ever.
    """

    claim: str
    fingerprint: str
    lives_for: timedelta | None


def accept_request(
    side: Side,
    draft: RequestDraft,
    *,
    names_at: Callable[[float, float], list[str]],
    faults: Sequence[Open311Error] = (),
) -> AcceptedRequest:
    """Judge a draft against the jurisdiction's catalogue and territory; nothing is written.

    Args:
        names_at: names of the jurisdictions that hold a position (lat, long): told when
            the place is outside this one.
        faults: what reading the parameters already found; their fields are judged no more.

    Raises:
        InvalidFields: every fault found, together (C-134).
    """
    found = Faults(faults)
    service: Service | None = None
    answers: tuple[Answer, ...] = ()
    with found.gathered():
        service = _service_of(side, draft)
    with found.gathered():
        check_place(side, draft, service, names_at)
    for check in (check_description, check_object, check_photos):
        with found.gathered():
            check(draft)
    if service is not None:
        with found.gathered():
            timezone = side.jurisdiction.timezone
            answers = validate_attributes(service, draft.attributes, timezone=timezone)
    for url in draft.media_urls:
        with found.gathered():
            check_media_url(url)
    if found or service is None:
        raise InvalidFields(list(found))
    return AcceptedRequest(draft, service, answers)


def post_service_request(
    connection: Connection,
    side: Side,
    accepted: AcceptedRequest,
    *,
    photos: tuple[Photo, ...],
    key: StoredKey,
    claims: tuple[Claim, ...],
    public_url: str,
    now: datetime,
    hops: tuple[str, ...] = (),
) -> Receipt:
    """Write request, history, documents, counter, outbox and claims; give the receipt.

    A claim that an earlier POST of the same key holds gives that POST's receipt again.

    Args:
        hops: the servers that passed the request on to us, oldest first; a request that
            came another way before gives its own receipt.

    Raises:
        KeyReused: the Idempotency-Key came with another body before.
        Conflict: an equal POST is running right now.
        InvalidRequest: the request has been here: it goes round.
    """
    before = _answered_before(connection, key, claims, now)
    if before is not None:
        return before
    if hops:
        known = arrived_before(connection, side, hops, now=now, public_url=public_url)
        if known is not None:
            receipt = Receipt(service_request_id=known)
            _keep(connection, key, claims, side.scope.request_key(known), receipt)
            return receipt
    id_ = requests.next_service_request_id(connection)
    stored = _stored_request(id_, side, accepted, photos, key, now)
    with pipelined(connection):
        _write(connection, side, stored, accepted, key, public_url=public_url)
        receipt = _receipt(connection, side, stored, accepted, now)
        _keep(connection, key, claims, side.scope.request_key(id_), receipt)
    if hops:
        origins.put_origin(connection, side.scope.request_key(id_), hops)
    return receipt


def _write(
    connection: Connection,
    side: Side,
    stored: StoredRequest,
    accepted: AcceptedRequest,
    key: StoredKey,
    *,
    public_url: str,
) -> None:
    request = stored.request
    id_, now = request.service_request_id, request.requested_datetime
    requests.insert_request(connection, side.scope, stored)
    if accepted.draft.reporter:
        requests.insert_reporter(connection, side.scope, id_, accepted.draft.reporter)
    first = _first_update(request, key)
    updates.append_update(connection, side.scope, first)
    publish_document(connection, side, stored, public_url=public_url, history=[first])
    payload = {"service_code": request.service_code}
    receipts.enqueue(connection, side.scope, id_, kind="create", payload=payload, now=now)


def _answered_before(
    connection: Connection, key: StoredKey, claims: tuple[Claim, ...], now: datetime
) -> Receipt | None:
    """The receipt of the request that one of the claims already stands for; None: all are ours."""
    for at, claim in enumerate(claims):
        earlier = _earlier(connection, key, claim, now)
        if earlier is not None:
            for taken in claims[:at]:  # they stand for the same request from now on
                receipts.put_receipt(
                    connection, key.client_id, taken.claim, earlier.request_key, earlier.receipt
                )
            return Receipt(**earlier.receipt)
    return None


def fingerprint_of(side: Side, draft: RequestDraft) -> str:
    """SHA-256 of all that a POST asks here: equal for a repeated one, whatever its encoding."""
    asked = asdict(replace(draft, photos=()))
    asked["photos"] = [hashlib.sha256(content).hexdigest() for content in draft.photos]
    asked["jurisdiction_key"] = side.scope.jurisdiction_key
    return hashlib.sha256(repr(sorted(asked.items())).encode(errors="replace")).hexdigest()


def _keep(
    connection: Connection,
    key: StoredKey,
    claims: tuple[Claim, ...],
    request_key: int,
    receipt: Receipt,
) -> None:
    """Remember the receipt beside every claim of its POST."""
    for claim in claims:
        receipts.put_receipt(connection, key.client_id, claim.claim, request_key, asdict(receipt))


def _service_of(side: Side, draft: RequestDraft) -> Service:
    if not draft.service_code:
        raise InvalidRequest("service_code : ce paramètre est obligatoire.", field="service_code")
    return side.jurisdiction.service(draft.service_code)


def _earlier(
    connection: Connection, key: StoredKey, claim: Claim, now: datetime
) -> receipts.StoredReceipt | None:
    """The receipt that an earlier POST earned with this claim, or None: the claim is ours."""
    earlier = _claim_or_find(connection, key, claim, now)
    if earlier is None:
        return None
    if earlier.fingerprint != claim.fingerprint and claim.claim.startswith("key:"):
        raise KeyReused(
            "Idempotency-Key : cette clé a déjà servi pour une autre demande ; "
            "utilisez une clé nouvelle pour chaque demande."
        )
    return earlier


def _claim_or_find(
    connection: Connection, key: StoredKey, claim: Claim, now: datetime
) -> receipts.StoredReceipt | None:
    """Take the claim (None), or find who holds it; one swept in between is taken again.

    Raises:
        Conflict: the claim comes and goes: others are at it right now.
    """
    expired = None if claim.lives_for is None else now - claim.lives_for
    for _ in range(_TRIES):
        if receipts.claim_answer(
            connection, key.client_id, claim.claim, claim.fingerprint, now=now, expired=expired
        ):
            return None
        earlier = receipts.find_receipt(connection, key.client_id, claim.claim)
        if earlier is not None:
            return earlier
    raise receipts.in_flight()


def _stored_request(
    id_: int,
    side: Side,
    accepted: AcceptedRequest,
    photos: tuple[Photo, ...],
    key: StoredKey,
    now: datetime,
) -> StoredRequest:
    draft, service = accepted.draft, accepted.service
    hours = service.expected_hours
    request = ServiceRequest(
        service_request_id=id_,
        stage=Stage.RECEIVED,
        visibility=_first_visibility(side, service),
        status_notes=None,
        service_name=service.service_name.default,
        service_code=service.service_code,
        description=draft.description,
        agency_responsible=side.jurisdiction.agency_for(service),
        service_notice=service.service_notice.default or None,
        requested_datetime=now,
        updated_datetime=now,
        expected_datetime=None if hours is None else now + timedelta(hours=hours),
        address=draft.address,
        address_id=draft.address_id,
        zipcode=draft.zipcode,
        lat=draft.lat,
        long=draft.long,
        title=draft.title,
        detailed_status_datetime=now,
        kind=draft.kind,
        is_staff="staff" in key.rights,
        service_object_id=draft.service_object_id,
        service_object_type=draft.service_object_type,
        channel=draft.channel,
        attributes=tuple(answer for answer in accepted.answers if answer.public),
    )
    return StoredRequest(request, photos, draft.media_urls, accepted.answers, key.api_key_id)


def _first_visibility(side: Side, service: Service) -> Visibility:
    if service.type is ServiceType.BLACKBOX:
        return Visibility.PRIVATE  # it "cannot be tracked": it is in no public answer
    if side.jurisdiction.is_moderated(service):
        return Visibility.PENDING
    return Visibility.PUBLIC


def _first_update(request: ServiceRequest, key: StoredKey) -> RequestUpdate:
    return RequestUpdate(
        service_request_id=request.service_request_id,
        type="submitted",
        stage=Stage.RECEIVED,
        updated_datetime=request.requested_datetime,
        author="staff" if request.is_staff else "resident",
        api_key_id=key.api_key_id,
    )


def _receipt(
    connection: Connection,
    side: Side,
    stored: StoredRequest,
    accepted: AcceptedRequest,
    now: datetime,
) -> Receipt:
    id_ = stored.request.service_request_id
    notice = stored.request.service_notice
    account_id = accepted.draft.reporter.account_id
    if accepted.service.type is ServiceType.BLACKBOX:
        return Receipt(service_notice=notice, account_id=account_id)
    if accepted.service.type is ServiceType.BATCH:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        revealed = now + timedelta(seconds=side.jurisdiction.token_delay_s)
        receipts.insert_token(connection, side.scope, token, id_, revealed)
        return Receipt(token=token, service_notice=notice, account_id=account_id)
    return Receipt(service_request_id=id_, service_notice=notice, account_id=account_id)
