"""Filters, pages and extensions of the reference server's request list."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from open311_conformance.proving.city import w3c
from open311_conformance.proving.messages import Ask
from open311_conformance.proving.refusals import Refusal

Row = dict[str, Any]
WINDOW = timedelta(days=90)
LIMIT = 1000


def digest(body: bytes) -> str:
    """A short fingerprint for ETag."""
    return hashlib.sha256(body).hexdigest()[:16]


def moment(text: str, name: str) -> datetime:
    """Read a date argument liberally: a space for +, no seconds, no time, no zone."""
    repaired = re.sub(r" (\d\d:\d\d)$", r"+\1", text.strip())
    try:
        read = datetime.fromisoformat(repaired)
    except ValueError as error:
        raise Refusal(400, [f"{name} n'est pas une date"]) from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def several(ask: Ask, name: str) -> set[str]:
    """The values of a list parameter, given with commas or repeated."""
    given = [value for key, value in ask.query if key == name]
    return {part.strip() for value in given for part in value.split(",") if part.strip()}


def window(ask: Ask) -> tuple[datetime, datetime]:
    """The bounds on requested_datetime."""
    start, end = ask.value("start_date"), ask.value("end_date")
    low = moment(start, "start_date") if start else None
    high = moment(end, "end_date") if end else None
    if low and high and (high - low > WINDOW or high < low):
        raise Refusal(400, ["la période entre start_date et end_date est limitée à 90 jours"])
    if low is None and high is None:
        now = datetime.now(UTC)
        return now - WINDOW, now + timedelta(days=1)
    if low is None:
        low = (high or datetime.now(UTC)) - WINDOW
    return low, high or low + WINDOW


def between(row: Row, name: str, low: datetime, high: datetime) -> bool:
    """Whether a date of a row lies in a window, both ends included."""
    return low <= datetime.fromisoformat(row[name]) <= high


def kept(row: Row, ask: Ask, statuses: set[str], codes: set[str]) -> bool:
    """The filters that look at one row."""
    if codes and row["service_code"] not in codes:
        return False
    if statuses and row["status"] not in statuses:
        return False
    if (agency := ask.value("agency_responsible")) and row["agency_responsible"] != agency:
        return False
    if (word := ask.value("q")) and word.lower() not in row["description"].lower():
        return False
    return near(row, ask) and boxed(row, ask)


def near(row: Row, ask: Ask) -> bool:
    """lat, long and radius in metres."""
    if not ask.value("radius"):
        return True
    if row["lat"] is None:
        return False
    lat, long = float(ask.value("lat")), float(ask.value("long"))
    north = math.radians(row["lat"] - lat)
    east = math.radians(row["long"] - long) * math.cos(math.radians(lat))
    away = 6_371_000 * math.hypot(north, east)
    return bool(away <= float(ask.value("radius")))


def boxed(row: Row, ask: Ask) -> bool:
    """bbox=minlong,minlat,maxlong,maxlat."""
    if not ask.value("bbox"):
        return True
    if row["lat"] is None:
        return False
    west, south, east, north = map(float, ask.value("bbox").split(","))
    return bool(west <= row["long"] <= east and south <= row["lat"] <= north)


def select(rows: list[Row], ask: Ask) -> tuple[list[Row], dict[str, str]]:
    """The rows that a list call gives, newest first, and the headers that go with them."""
    if wanted := several(ask, "service_request_id"):
        found = [row for row in rows if row["service_request_id"] in wanted]
        return [shown(row, ask) for row in found], {}
    if ask.value("cursor"):
        return walk(rows, ask)
    statuses = {value.lower() for value in several(ask, "status")}
    if statuses - {"open", "closed"}:
        raise Refusal(400, ["status vaut open ou closed"])
    codes = several(ask, "service_code")
    field, (low, high) = dates(ask)
    found = [
        row
        for row in rows
        if between(row, field, low, high) and kept(row, ask, statuses, codes)
    ]  # fmt: skip
    found.sort(key=lambda row: (row["requested_datetime"], row["service_request_id"]), reverse=True)
    return page(found, ask)


def dates(ask: Ask) -> tuple[str, tuple[datetime, datetime]]:
    """Which date is bounded, and how: updated_after takes the place of the 90 days."""
    after, before = ask.value("updated_after"), ask.value("updated_before")
    if not (after or before):
        return "requested_datetime", window(ask)
    low = moment(after, "updated_after") if after else datetime(1970, 1, 1, tzinfo=UTC)
    high = moment(before, "updated_before") if before else datetime.now(UTC)
    return "updated_datetime", (low, high)


def page(found: list[Row], ask: Ask) -> tuple[list[Row], dict[str, str]]:
    """One page, with counts if they were asked for."""
    size = min(int(ask.value("page_size") or LIMIT), LIMIT)
    number = max(int(ask.value("page") or 1), 1)
    headers = {}
    if ask.value("count") == "true":
        headers["X-Result-Count"] = str(len(found))
        headers["X-Page-Count"] = str(-(-len(found) // size))
    cut = found[(number - 1) * size : number * size]
    return [shown(row, ask) for row in cut], headers


def walk(rows: list[Row], ask: Ask) -> tuple[list[Row], dict[str, str]]:
    """A page of the cursor walk, in order of arrival."""
    start = int(ask.value("cursor"))
    cut = rows[start : start + int(ask.value("page_size") or LIMIT)]
    return [shown(row, ask) for row in cut], {"X-Next-Cursor": str(start + len(cut))}


def shown(row: Row, ask: Ask) -> Row:
    """A row as it is shown, with extended_attributes if asked."""
    if ask.value("extensions") != "true":
        return row
    closed = row["status"] == "closed"
    more = {
        "detailed_status": "PROCESSED" if closed else "RECEIVED",
        "media_urls": [row["media_url"]] if row["media_url"] else [],
        "service_object_id": None,
        "service_object_type": None,
        "duplicate": False,
        "parent_service_request_id": None,
        "notes": [{"datetime": row["requested_datetime"], "type": "submitted", "summary": "Reçu"}],
        "attributes": [{"code": "SIZE", "name": "Taille", "label": "Taille", "value": "small"}],
    }
    return {**row, "extended_attributes": more}


def geojson(rows: list[Row]) -> Row:
    """RFC 7946, longitude first."""
    features = [
        {
            "type": "Feature",
            "id": row["service_request_id"],
            "geometry": {"type": "Point", "coordinates": [row["long"], row["lat"]]},
            "properties": row,
        }
        for row in rows
    ]
    return {"type": "FeatureCollection", "features": features}


def updates_of(rows: list[Row]) -> list[Row]:
    """One update for each closed request."""
    return [
        {
            "update_id": f"u{row['service_request_id']}",
            "service_request_id": row["service_request_id"],
            "status": "fixed",
            "updated_datetime": row["updated_datetime"],
            "description": "Réparé",
            "media_url": None,
        }
        for row in rows
        if row["status"] == "closed"
    ]


def updates_between(rows: list[Row], ask: Ask) -> list[Row]:
    """The updates in the asked window, by default the last two hours."""
    now = datetime.now(UTC)
    low = moment(ask.value("start_date") or w3c(now - timedelta(hours=2)), "start_date")
    high = moment(ask.value("end_date") or w3c(now), "end_date")
    return [row for row in rows if between(row, "updated_datetime", low, high)]
