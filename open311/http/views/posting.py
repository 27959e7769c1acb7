"""POST Service Request, and the token that a batch service answers."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import structlog
from flask import Response, request

from open311.domain.attributes import unknown_codes
from open311.domain.errors import Forbidden, InvalidRequest
from open311.domain.hops import MAX_HOPS, ORIGIN_HEADER, read_hops
from open311.domain.request import Photo
from open311.formats import answers
from open311.formats.draft import request_draft
from open311.formats.fields import Fields
from open311.formats.photos import Photo as PreparedPhoto
from open311.formats.photos import prepare_photos
from open311.formats.schemas import JurisdictionSchema, PostRequestSchema, read
from open311.http.answers import document
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import (
    installation,
    key_for,
    posted_fields,
    query_fields,
    settings,
    side_of,
)
from open311.operations.installation import Side
from open311.operations.post_service_request import (
    AcceptedRequest,
    Claim,
    accept_request,
    fingerprint_of,
    post_service_request,
)
from open311.operations.read_service_requests import get_service_request_id
from open311.storage.catalogue import StoredKey

posting = GeoReportBlueprint(
    "posting", __name__, url_prefix="/open311/v2", description="Reporting."
)

_log = structlog.get_logger("open311.posting")

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_MAX_LOGGED_CODES = 10
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Characters; the claim of a longer reference is its digest.
_LONG_REFERENCE = 200

_IDEMPOTENCY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string"},
    "description": "The same key and body answer the same request again; at most 255 characters.",
}

_ORIGIN_HEADER = {
    "in": "header",
    "name": ORIGIN_HEADER,
    "required": False,
    "schema": {"type": "string"},
    "description": (
        "The way of a request that another server passes on, oldest place first, by commas: at "
        f"most {MAX_HOPS} times SERVER/JURISDICTION_ID/SERVICE_REQUEST_ID. One that came by "
        "another way answers the id it has. Only with a key that has the right `peer`."
    ),
}


@posting.at(
    "/requests",
    root="receipt",
    body=PostRequestSchema,
    parameters=[_IDEMPOTENCY_HEADER, _ORIGIN_HEADER],
)
def post_request() -> Response:
    """POST Service Request.

    A form, url-encoded or multipart with up to four photos. The request is durable
    when it is answered.
    """
    here, fields = installation(), posted_fields()
    side = side_of(fields)
    key = key_for(side, fields, "create")
    idempotency_key = _idempotency_key()
    hops = _believed_hops(key)
    accepted = _accepted(side, fields)
    _log_unknown_codes(accepted)
    claims = _claims(side, key, accepted, idempotency_key)
    # All are good before the first is kept: a bad one leaves nothing behind.
    photos = tuple(_kept(photo) for photo in prepare_photos(accepted.draft.photos))
    receipt = here.database.write(
        lambda connection: post_service_request(
            connection,
            side,
            accepted,
            photos=photos,
            key=key,
            claims=claims,
            hops=hops,
            public_url=here.public_url,
            now=here.now(),
        )
    )
    return document("service_requests", answers.receipt(receipt))


@posting.at("/tokens/<string:token>", root="token", query=JurisdictionSchema)
def get_request_id(token: str) -> Response:
    """GET service_request_id from a token.

    While the id is pending, the answer is 200 with the token alone.
    """
    here, side = installation(), side_of(query_fields())
    id_, text = get_service_request_id(here.database, side, token, here.now())
    return document("service_requests", answers.token(id_, text))


def _believed_hops(key: StoredKey) -> tuple[str, ...]:
    """The way a request came, told by a key that may tell it.

    Raises:
        Forbidden: any other key could make a peer's next report pass for one of its own.
    """
    hops = read_hops(request.headers.get(ORIGIN_HEADER))
    if hops and "peer" not in key.rights:
        raise Forbidden(
            f"{ORIGIN_HEADER} : cette clé n'a pas le droit « peer », qu'il faut pour transmettre "
            "les demandes d'un autre serveur (open311 key create --right create --right update "
            "--right peer).",
            field=ORIGIN_HEADER,
        )
    return hops


def _accepted(side: Side, fields: Fields) -> AcceptedRequest:
    reading = read(PostRequestSchema, fields, side.jurisdiction.timezone)
    environment = side.scope.environment
    return accept_request(
        side,
        request_draft(reading.values, fields, reading.values.get("service_code", "")),
        names_at=lambda lat, long: installation().names_at(lat, long, environment),
        faults=reading.faults,
    )


def _log_unknown_codes(accepted: AcceptedRequest) -> None:
    """Tell the operator of answers to questions that nobody asks (C-121).

    Codes alone, and only those that look like codes: a client may put anything there.
    """
    unknown = unknown_codes(accepted.service, accepted.draft.attributes)
    if unknown:
        _log.info(
            "unknown attribute codes ignored",
            service_code=accepted.service.service_code,
            codes=[code for code in unknown if _CODE.fullmatch(code)][:_MAX_LOGGED_CODES],
            count=len(unknown),
        )


def _idempotency_key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None and not _IDEMPOTENCY_KEY.fullmatch(given):
        raise InvalidRequest(
            "Idempotency-Key : 1 à 255 caractères ASCII imprimables, sans espace, sont attendus.",
            field="Idempotency-Key",
        )
    return given


def _claims(
    side: Side, key: StoredKey, accepted: AcceptedRequest, idempotency_key: str | None
) -> tuple[Claim, ...]:
    """What makes this POST the same as an earlier one, by the client's own wish or the key's."""
    wanted = bool(idempotency_key or key.client_reference or key.same_body_window_s)
    if not wanted:
        return ()
    fingerprint = fingerprint_of(side, accepted.draft)
    claims = []
    if idempotency_key:
        lives_for = timedelta(hours=settings().idempotency_hours)
        claims.append(Claim(f"key:{idempotency_key}", fingerprint, lives_for))
    references = accepted.draft.attributes.get(key.client_reference or "")
    if references:
        here = side.scope.jurisdiction_key  # one client may number each city on its own
        claims.append(Claim(f"reference:{here}:{_short(references[0])}", fingerprint, None))
    if key.same_body_window_s:
        lives_for = timedelta(seconds=key.same_body_window_s)
        claims.append(Claim(f"body:{fingerprint}", fingerprint, lives_for))
    return tuple(claims)


def _short(reference: str) -> str:
    """A reference that fits its column: a long one by its digest, since its end may differ."""
    long = len(reference) > _LONG_REFERENCE
    return hashlib.sha256(reference.encode()).hexdigest() if long else reference


def _kept(photo: PreparedPhoto) -> Photo:
    media = installation().media
    return Photo(
        name=media.put(photo.content, suffix=".jpg"),
        thumbnail=media.put(photo.thumbnail, suffix=".jpg"),
        width=photo.width,
        height=photo.height,
    )
