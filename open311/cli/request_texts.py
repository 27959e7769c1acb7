"""A request as an agent reads it, whole: who reported it, what was noted, by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from open311.cli.delivery_texts import described_delivery, short_text
from open311.domain.request import ServiceRequest, StoredRequest
from open311.operations.delivery_desk import deliveries_of
from open311.operations.installation import Side
from open311.storage import requests, updates

_DESCRIPTION_SHOWN = 60


def whole_request(connection: Connection, side: Side, stored: StoredRequest) -> dict[str, Any]:
    """Everything that is known of a request, as JSON carries it."""
    request, scope = stored.request, side.scope
    id_ = request.service_request_id
    reporter = requests.find_reporter(connection, scope, id_)
    history = updates.updates_of(connection, scope, id_, public_only=False)
    shown = asdict(request)
    for name in ("notes", "media_urls", "attributes"):
        del shown[name]  # told below, whole
    return {
        name: _plain(value)
        for name, value in (
            shown
            | {
                "service_request_id": str(id_),
                "jurisdiction_id": side.jurisdiction.jurisdiction_id,
                "environment": scope.environment,
                "attributes": [asdict(answer) for answer in stored.answers],
                "photos": [asdict(photo) for photo in stored.photos],
                "media_urls": list(stored.client_media_urls),
                "api_key_id": stored.api_key_id,
                "reporter": None if reporter is None else asdict(reporter),
                "history": [asdict(update) for update in history],
                "deliveries": [
                    described_delivery(each.delivery, each)
                    for each in deliveries_of(connection, scope.request_key(id_))
                ],
            }
        ).items()
    }


def request_line(request: ServiceRequest, timezone: ZoneInfo) -> str:
    """A request in one line of a list."""
    when = request.requested_datetime.astimezone(timezone).strftime("%d/%m/%Y %H:%M")
    text = " ".join((request.description or "").split())
    if len(text) > _DESCRIPTION_SHOWN:
        text = text[: _DESCRIPTION_SHOWN - 1] + "…"
    return (
        f"{request.service_request_id:>8}  {when}  {request.stage.value:<12} "
        f"{request.visibility.value:<8}  {request.service_name} : {text}"
    )


def request_text(whole: Mapping[str, Any]) -> str:
    """Everything that is known of a request, one line for each fact."""
    return "\n".join(_lines(whole))


def _lines(whole: Mapping[str, Any]) -> Iterator[str]:
    told_apart = ("attributes", "reporter", "history", "photos", "deliveries")
    for name, value in whole.items():
        if value not in (None, [], "") and name not in told_apart:
            yield f"{name:<26} {_written(value)}"
    for photo in whole["photos"]:
        yield f"{'photo':<26} {photo['name']} ({photo['width']} × {photo['height']})"
    for answer in whole["attributes"]:
        hidden = "" if answer["public"] else " (non publié)"
        yield f"{'réponse ' + answer['code']:<26} {answer['name']}{hidden}"
    for name, value in (whole["reporter"] or {}).items():
        if value:
            yield f"{'auteur ' + name:<26} {value}"
    yield "historique"
    for update in whole["history"]:
        head = f"  {update['updated_datetime']}  {update['stage']:<12} {update['author']}"
        notes = [
            update["description"],
            update["internal_note"] and f"[interne] {update['internal_note']}",
        ]
        yield "  ".join(filter(None, (head, *notes)))
    if whole["deliveries"]:
        yield "envois"
    for each in whole["deliveries"]:
        yield f"  {short_text(each)}"


def _written(value: Any) -> str:
    match value:
        case bool():
            return "oui" if value else "non"
        case list():
            return ", ".join(str(each) for each in value)
    return str(value)


def _plain(value: Any) -> Any:
    """Dates as text, in lists and dicts however deep."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value
