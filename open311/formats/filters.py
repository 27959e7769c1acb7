"""The question of a request list, from its parameters."""

from __future__ import annotations

import re
from typing import Any

from open311.domain.errors import InvalidRequest
from open311.domain.request_filter import (
    MAX_OFFSET,
    MAX_PAGE_SIZE,
    Circle,
    Cursor,
    RequestFilter,
)

_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,18})\.([0-9]{1,18})")
_DEFAULT_RADIUS_M = 100.0
_PAGE_SIZES = ("page_size", "per_page", "limit", "max_requests")
_COPIED = (
    *("service_code", "status", "start_date", "end_date", "updated_after", "updated_before"),
    *("bbox", "agency_responsible", "kind", "is_staff", "q", "count", "extensions"),
)


def request_filter(values: dict[str, Any], service_request_id: tuple[int, ...]) -> RequestFilter:
    """Put read parameters together.

    Args:
        values: what `schemas.read` gave for `ListRequestsSchema`.
        service_request_id: those of the ids asked for that can exist at all; when ids
            are asked for, they override all that narrows a list (C-172).

    Raises:
        InvalidRequest: parameters that contradict each other, or a page too deep.
    """
    if "service_request_id" in values:
        return RequestFilter(
            service_request_id=service_request_id,
            count=values.get("count", False),
            extensions=values.get("extensions", False),
        )
    size = next((values[name] for name in _PAGE_SIZES if name in values), MAX_PAGE_SIZE)
    wanted = RequestFilter(
        circle=_circle(values),
        cursor=read_cursor(values["cursor"]) if "cursor" in values else None,
        page=max(1, values.get("page", 1)),
        page_size=min(size, MAX_PAGE_SIZE),
        **{name: values[name] for name in _COPIED if name in values},
    )
    if wanted.offset > MAX_OFFSET:
        raise InvalidRequest(
            f"page : au-delà de {MAX_OFFSET} demandes, suivez plutôt le flux avec cursor=0.",
            field="page",
        )
    return wanted


def read_cursor(text: str) -> Cursor:
    """A cursor as we wrote it; `0` starts from the beginning.

    Raises:
        InvalidRequest: not one of ours.
    """
    if text == "0":
        return Cursor()
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InvalidRequest(
            "cursor : valeur inconnue ; commencez par cursor=0, puis reprenez X-Next-Cursor.",
            field="cursor",
        )
    epoch, change, key = (int(part) for part in found.groups())
    return Cursor(epoch, change, key)


def write_cursor(cursor: Cursor) -> str:
    """A cursor as clients keep it."""
    return f"{cursor.epoch}.{cursor.change}.{cursor.request_key}"


def _circle(values: dict[str, Any]) -> Circle | None:
    given = [name for name in ("lat", "long") if name in values]
    if len(given) == 1 or ("radius" in values and not given):
        raise InvalidRequest("lat, long, radius : lat et long vont ensemble.", field="lat")
    if not given:
        return None
    return Circle(values["lat"], values["long"], values.get("radius", _DEFAULT_RADIUS_M))
