"""GET and POST Service Request Updates (FixMyStreet's extension)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from flask import Response

from open311.domain.request_filter import earlier
from open311.formats import answers
from open311.formats.schemas import ListUpdatesSchema, PostUpdateSchema, read
from open311.http.answers import document
from open311.http.blueprint import GeoReportBlueprint
from open311.http.context import (
    answer_format,
    installation,
    key_for,
    posted_fields,
    query_fields,
    read_query,
    side_of,
)
from open311.http.response_headers import SERVER
from open311.operations.origins import place
from open311.operations.service_request_updates import (
    UpdateDraft,
    check_update,
    list_updates,
    post_update,
)

updates = GeoReportBlueprint(
    "updates", __name__, url_prefix="/open311/v2", description="What became of a request."
)

_DEFAULT_WINDOW = timedelta(hours=2)


@updates.at(
    "/servicerequestupdates",
    root="service_request_updates",
    query=ListUpdatesSchema,
    headers=SERVER,
)
def list_service_request_updates() -> Response:
    """GET Service Request Updates: public steps and notes inside a window."""
    here, side = installation(), side_of(query_fields())
    wanted = cast("dict[str, datetime]", read_query(ListUpdatesSchema, side))
    start = wanted.get("start_date")
    # A client whose clock is a little ahead asks for what there cannot be yet: nothing.
    end = wanted.get("end_date") or max(here.now(), start or here.now())
    start = start or earlier(end, _DEFAULT_WINDOW)
    found = list_updates(here.database, side, start, end)
    listed = answers.updates(found, every_photo=answer_format() == "xml")
    response = document("service_request_updates", listed)
    # For a server that passes requests on: what came from here must not come back.
    response.headers["Open311-Server"] = place(here.database, side)
    return response


@updates.at("/servicerequestupdates", root="update_receipt", body=PostUpdateSchema)
def post_service_request_update() -> Response:
    """POST Service Request Update: a comment, or a status from staff; kept once for an id."""
    here, fields = installation(), posted_fields()
    side = side_of(fields)
    key = key_for(side, fields, "update")
    reading = read(PostUpdateSchema, fields, side.jurisdiction.timezone)
    draft = _draft(reading.values)
    stage = check_update(draft, reading.faults)
    update = here.database.write(
        lambda connection: post_update(
            connection,
            side,
            draft,
            stage,
            key=key,
            public_url=here.public_url,
            now=here.now(),
        )
    )
    return document("service_request_updates", answers.update_receipt(update.update_key))


def _draft(values: dict[str, Any]) -> UpdateDraft:
    names = ("service_request_id", "update_id", "status", "updated_datetime", "description")
    copied = {name: values.get(name) for name in names}
    return UpdateDraft(**copied, media_urls=values.get("media_url", ()))
