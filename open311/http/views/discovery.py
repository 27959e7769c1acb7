"""GET Service Discovery, beside and below every v2 root."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, request

from open311.domain.errors import NotFound
from open311.formats import answers
from open311.formats.documents import write_document
from open311.http import door
from open311.http.answers import answer
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import answer_format, installation

discovery = GeoReportBlueprint(
    "discovery", __name__, url_prefix="/open311", description="Where the endpoints are."
)

_PLAIN_TYPES = {"xml": "text/xml", "json": "application/json"}


@discovery.at("/discovery", root="discovery")
@discovery.at("/v2/discovery", root="discovery", name="get_discovery_v2")
def get_discovery() -> Response:
    """GET Service Discovery.

    The endpoints of this base, production first, then its test endpoint.
    """
    format_ = answer_format()
    body = write_document(format_, "discovery", _document())
    response = answer(body, format_)
    # One old reader compares the whole header: discovery carries no charset.
    response.headers["Content-Type"] = _PLAIN_TYPES[format_]
    return response


def _document() -> dict[str, object]:
    here = installation()
    jurisdiction_id = request.environ[door.JURISDICTION_ID]
    sides = [
        side
        for (id_, environment), side in here.sides.items()
        if environment == "production" and jurisdiction_id in (None, id_)
    ]
    if jurisdiction_id and not sides:
        raise NotFound(
            f"jurisdiction_id : « {jurisdiction_id[:80]} » n'est pas servie ici.",
            field="jurisdiction_id",
        )
    base = f"{here.public_url}/open311" + (f"/{jurisdiction_id}" if jurisdiction_id else "")
    changes = [side.jurisdiction.changeset for side in sides if side.jurisdiction.changeset]
    changeset = max(changes, default=datetime(1970, 1, 1, tzinfo=UTC))
    return answers.discovery(
        changeset=changeset,
        contact=sides[0].jurisdiction.contact if len(sides) == 1 else here.public_url,
        key_service=(
            sides[0].jurisdiction.key_service
            if len(sides) == 1
            else "Chaque collectivité délivre ses clés : voir son propre point d'accès."
        ),
        endpoints=[
            (f"{base}/v2", "production", changeset),
            (f"{base}/test/v2", "test", changeset),
        ],
    )
