"""X-31 to X-35: Idempotency-Key, cursor, ETag, GeoJSON, counts."""

from __future__ import annotations

import uuid

from open311_conformance.checks.formats import ids
from open311_conformance.posting import NOTICE, created
from open311_conformance.probe import Probe
from open311_conformance.registry import check, writes
from open311_conformance.wire.reading import Row, alike, number, objects, text

CURSOR_PAGES = 5
PAGE = ("page_size", "20")


@writes("X-31")
def idempotency(probe: Probe) -> None:
    posting = probe.posting
    posting.works()
    service = posting.service("realtime")
    key = (("Idempotency-Key", f"conformance-{uuid.uuid4()}"),)
    query = posting.query(posting.form(service), headers=key, odd=True)
    answers = [probe.send(query) for _ in range(2)]
    given = [text(created(exchange), "service_request_id") for exchange in answers]
    if given[0] != given[1] and all(given):
        probe.skip("not offered: the same Idempotency-Key made two requests")
    probe.require(given[0] and given[0] == given[1], f"gave {given}", answers[1])
    other = posting.form(service, description=f"{NOTICE} 2")
    exchange = probe.send(posting.query(other, headers=key, expects=(422,), odd=True))
    probe.must_refuse(exchange, 422, 409, 400)


@check("X-32")
def cursor(probe: Probe) -> None:
    seen: list[str] = []
    position = "0"
    for _ in range(CURSOR_PAGES):
        exchange = probe.get("requests", "xml", (("cursor", position), PAGE), odd=True)
        following = exchange.headers.get("X-Next-Cursor", "")
        if position == "0" and not (exchange.ok and following):
            probe.skip(f"not offered: cursor=0 gave {exchange.told} without X-Next-Cursor")
        probe.require(exchange.ok, f"cursor={position} answered {exchange.told}", exchange)
        page = ids(probe.rows(exchange))
        again = set(page) & set(seen)
        probe.require(not again, f"twice: {', '.join(sorted(again))}", exchange)
        seen += page
        if not page:
            return
        probe.require(following and following != position, "the cursor stands still", exchange)
        position = following
    probe.require(seen, "the cursor walk gave nothing")


@check("X-33")
def conditional_get(probe: Probe) -> None:
    tested = 0
    for resource in ("requests", *probe.some_resources()):
        plain = probe.get(resource, fresh=True, odd=True)
        tag = plain.headers.get("ETag", "")
        if not tag:
            continue
        tested += 1
        same = probe.get(resource, headers=(("If-None-Match", tag),), fresh=True, odd=True)
        probe.require(same.status == 304, f"its own ETag gave {same.told}", same)
        probe.require(not same.body, "304 with a body", same)
        other = probe.get(resource, headers=(("If-None-Match", '"other"'),), fresh=True, odd=True)
        probe.require(other.status == 200, f"another ETag gave {other.told}", other)
        moved = probe.get(resource, params=(("status", "closed"),), odd=True)
        if resource == "requests" and ids(probe.rows(moved)) != ids(probe.rows(plain)):
            apart = moved.headers.get("ETag") != tag
            probe.require(apart, "two different lists share an ETag", moved)
    if not tested:
        probe.skip("not offered: no answer carries an ETag")


def sound_feature(feature: Row) -> bool:
    """Whether a GeoJSON feature has a point [long, lat] or no geometry."""
    geometry = feature.get("geometry")
    if geometry is None:
        return True
    place = geometry.get("coordinates") if isinstance(geometry, dict) else None
    return isinstance(place, list) and len(place) >= 2 and geometry.get("type") == "Point"


@check("X-34")
def geojson(probe: Probe) -> None:
    exchange = probe.get("requests", "geojson", odd=True)
    if not (exchange.ok and exchange.is_json):
        probe.skip(f"not offered: requests.geojson answered {exchange.told}")
    document = exchange.json
    collection = isinstance(document, dict) and document.get("type") == "FeatureCollection"
    probe.require(collection, "not a FeatureCollection", exchange)
    listed = {text(row, "service_request_id"): row for row in probe.rows(probe.get("requests"))}
    for feature in objects(document.get("features")):
        probe.require(sound_feature(feature), "a geometry is not a point", exchange)
        properties = feature.get("properties") or {}
        row = listed.get(text(properties, "service_request_id") or str(feature.get("id")))
        if row and feature["geometry"] and number(row, "long") is not None:
            place = feature["geometry"]["coordinates"]
            right = alike(place[0], row["long"]) and alike(place[1], row["lat"])
            probe.require(right, f"{place} is not longitude, latitude", exchange)
    if not document.get("features"):
        probe.skip("offered and empty: no request to look at")


@check("X-35")
def counts(probe: Probe) -> None:
    params = (("count", "true"), ("page_size", "2"))
    exchange = probe.get("requests", "xml", params, odd=True)
    total = exchange.headers.get("X-Result-Count", "")
    if not total:
        probe.skip("not offered: count=true brings no X-Result-Count")
    probe.require(total.isdigit(), f"X-Result-Count is {total!r}", exchange)
    pages = exchange.headers.get("X-Page-Count", "")
    right = pages == str(-(-int(total) // 2))
    probe.require(right, f"{total} requests by 2 are not {pages!r} pages", exchange)
    listed = len(probe.target.sample)
    near = abs(int(total) - listed) <= max(5, listed // 50) or listed >= 1000
    probe.require(near, f"X-Result-Count says {total}, the list has {listed}", exchange)
