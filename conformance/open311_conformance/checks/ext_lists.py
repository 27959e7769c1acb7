"""X-02 to X-12, X-14, X-15, X-17 to X-19, X-21: extensions of reading, detected then tested."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import timedelta

from open311_conformance.checks.formats import ids
from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import check, looks_back
from open311_conformance.target import UNKNOWN, days_ago
from open311_conformance.wire.datetimes import instant, w3c
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.reading import Row, alike, attributes, number, objects, text

DETAILED = re.compile(r"RECEIVED|IN_PROCESS|PROCESSED|ARCHIVED|REJECTED|PENDING|PUBLIC_WORKS_\w+")
WORDS_OF_UPDATES = (
    "open closed fixed in_progress planned action_scheduled investigating duplicate "
    "not_councils_responsibility no_further_action internal_referral cancelled reopen "
    "for_triage unchanged"
)
UPDATE_WORDS = frozenset(WORDS_OF_UPDATES.split())
NOWHERE = "-40.0"  # latitude and longitude of a place in the South Atlantic


def extended(probe: Probe) -> Iterator[tuple[Exchange, Row, Row]]:
    """Each request with its extended_attributes, where the server offers them."""
    seen = 0
    for fmt in probe.target.formats:
        exchange = probe.get("requests", fmt, (("extensions", "true"),), odd=True)
        for row in probe.rows(exchange):
            if isinstance(row.get("extended_attributes"), dict):
                seen += 1
                yield exchange, row, row["extended_attributes"]
    if not seen:
        probe.skip("not offered: extensions=true adds no extended_attributes")


@check("X-02")
def extended_attributes(probe: Probe) -> None:
    plain = {
        text(row, "service_request_id"): row
        for row in probe.rows(probe.get("requests"))
    }  # fmt: skip
    for exchange, row, _ in extended(probe):
        own = {name: value for name, value in row.items() if name != "extended_attributes"}
        twin = plain.get(text(row, "service_request_id"))
        if twin is not None:
            same = alike(own, twin)
            probe.require(same, "extensions=true changes fields of the standard", exchange)


@check("X-03")
def citysdk_attributes(probe: Probe) -> None:
    seen = 0
    for exchange, row, more in extended(probe):
        words = text(more, "detailed_status")
        seen += bool(words)
        for word in filter(None, words.split(",")):
            probe.require(DETAILED.fullmatch(word), f"detailed_status {word!r}", exchange)
            done = word in ("PROCESSED", "ARCHIVED", "REJECTED")
            agrees = done == (text(row, "status") == "closed") or word == "PUBLIC_WORKS_COMPLETED"
            probe.require(agrees, f"{word} on a request that is {text(row, 'status')}", exchange)
        media = more.get("media_urls")
        probe.require(isinstance(media, list | None), "media_urls is not a list", exchange)
        pair = bool(text(more, "service_object_id")) == bool(text(more, "service_object_type"))
        probe.require(pair, "service_object_id and _type do not come together", exchange)
    if not seen:
        probe.skip("not offered: no detailed_status")


@check("X-09")
def history_notes(probe: Probe) -> None:
    seen = 0
    for exchange, _, more in extended(probe):
        for note in objects(more.get("notes")):
            seen += 1
            dated = instant(text(note, "datetime"))
            probe.require(dated, f"a note dated {text(note, 'datetime')!r}", exchange)
            told = text(note, "type") or text(note, "description") or text(note, "summary")
            probe.require(told, "a note without type or text", exchange)
    if not seen:
        probe.skip("not offered: no notes")


@check("X-10")
def answers_given(probe: Probe) -> None:
    seen = 0
    for exchange, _, more in extended(probe):
        for answer in objects(more.get("attributes")):
            seen += 1
            whole = text(answer, "code") and "value" in answer
            probe.require(whole, "an answer without code or value", exchange)
    if not seen:
        probe.skip("not offered: no answers in extended_attributes.attributes")


@check("X-11")
def duplicates(probe: Probe) -> None:
    seen = 0
    for exchange, _, more in extended(probe):
        if "duplicate" in more:
            seen += 1
            flag = text(more, "duplicate")
            probe.require(flag in ("true", "false", ""), f"duplicate is {flag!r}", exchange)
            parent = flag != "true" or text(more, "parent_service_request_id")
            probe.require(parent, "a duplicate does not name its parent", exchange)
    if not seen:
        probe.skip("not offered: no duplicate flag")


def offered(probe: Probe, nothing: tuple[tuple[str, str], ...]) -> None:
    """Detect a filter: values that match nothing must not give the unfiltered list."""
    exchange = probe.get("requests", "xml", nothing, odd=True)
    if exchange.ok and ids(probe.rows(exchange)) == ids(probe.target.sample):
        probe.skip(f"not offered: {nothing[0][0]} changes nothing")
    crashed = not exchange.status or exchange.status >= 500
    probe.require(not crashed, f"{nothing[0][0]} breaks the server: {exchange.told}", exchange)
    if not exchange.ok and exchange.status != 400:
        probe.skip(f"not offered: answered {exchange.told}")


@check("X-04")
def window_of_changes(probe: Probe) -> None:
    nothing = (
        ("updated_after", "1999-01-01T00:00:00Z"),
        ("updated_before", "1999-01-02T00:00:00Z"),
    )
    offered(probe, nothing)
    moments = [
        (when, row)
        for row in probe.target.sample
        if (when := instant(text(row, "updated_datetime")))
    ]
    if not moments:
        probe.skip("no request with a readable updated_datetime")
    when, row = sorted(moments, key=lambda pair: pair[0])[len(moments) // 2]
    start, end = when - timedelta(hours=1), when + timedelta(hours=1)
    rows = probe.listed(("updated_after", w3c(start)), ("updated_before", w3c(end)))
    for other in rows:
        moved = instant(text(other, "updated_datetime"))
        inside = moved is None or start <= moved <= end
        probe.require(inside, f"an update of {moved} slipped in", probe.trail[-1])
    found = text(row, "service_request_id") in ids(rows)
    probe.require(found, "a request updated in the window is left out", probe.trail[-1])


def metres(row: Row, lat: float, long: float) -> float:
    """Distance on the ground from a request to a point (WGS 84 degrees)."""
    there = number(row, "lat") or 0.0, number(row, "long") or 0.0
    north = math.radians(there[0] - lat)
    east = math.radians(there[1] - long) * math.cos(math.radians(lat))
    return 6_371_000 * math.hypot(north, east)


def placed(probe: Probe) -> tuple[Row, float, float]:
    """A listed request with coordinates."""
    for row in probe.target.sample:
        lat, long = number(row, "lat"), number(row, "long")
        if lat is not None and long is not None:
            return row, lat, long
    raise NotTested("no request has coordinates")


@check("X-05")
def near_a_point(probe: Probe) -> None:
    row, lat, long = placed(probe)
    offered(probe, (("lat", NOWHERE), ("long", NOWHERE), ("radius", "10")))
    params = (("lat", str(lat)), ("long", str(long)), ("radius", "200"))
    rows = probe.listed(*params)
    for other in rows:
        away = metres(other, lat, long)
        probe.require(away <= 210, f"a request {away:.0f} m away within 200 m", probe.trail[-1])
    found = text(row, "service_request_id") in ids(rows)
    probe.require(found, "the request at the point is left out", probe.trail[-1])


@check("X-06")
def in_a_box(probe: Probe) -> None:
    row, lat, long = placed(probe)
    offered(probe, (("bbox", "-40.1,-40.1,-40.0,-40.0"),))
    low, high = (long - 0.002, lat - 0.002), (long + 0.002, lat + 0.002)
    box = ",".join(f"{value:.6f}" for value in (*low, *high))
    rows = probe.listed(("bbox", box))
    for other in rows:
        inside = low[0] <= (number(other, "long") or 0) <= high[0]
        inside = inside and low[1] <= (number(other, "lat") or 0) <= high[1]
        probe.require(inside, "a request outside the box slipped in", probe.trail[-1])
    found = text(row, "service_request_id") in ids(rows)
    probe.require(found, "a request in the box is left out", probe.trail[-1])


@check("X-07")
def services_at_a_point(probe: Probe) -> None:
    whole = {text(row, "service_code"): row for row in probe.target.services}
    far = probe.get("services", params=(("lat", NOWHERE), ("long", NOWHERE)), odd=True)
    if far.ok and len(probe.rows(far)) == len(whole):
        probe.skip("not offered: lat and long change nothing")
    lat, long = probe.posting.place
    exchange = probe.get("services", params=(("lat", lat), ("long", long)), odd=True)
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)
    rows = probe.rows(exchange)
    probe.require(rows, "no service where requests were made", exchange)
    for row in rows:
        same = alike(row, whole.get(text(row, "service_code"), {}))
        probe.require(same, f"{text(row, 'service_code')} differs from the list", exchange)


@check("X-08")
def paging(probe: Probe) -> None:
    pages = [ids(probe.listed(("page", page), ("page_size", "2"))) for page in ("1", "2")]
    if len(pages[0]) > 2 or len(probe.target.sample) < 3:
        probe.skip("not offered: page_size changes nothing, or fewer than three requests")
    overlap = set(pages[0]) & set(pages[1])
    probe.require(not overlap, f"on both pages: {', '.join(overlap)}", probe.trail[-1])
    probe.require(len(pages[0]) == 2, f"page 1 has {len(pages[0])} requests", probe.trail[0])
    past = probe.get("requests", "xml", (("page", "9000"), ("page_size", "10")), odd=True)
    empty = past.status == 200 and not probe.rows(past)
    probe.require(empty, f"past the end: {past.told}, not an empty list", past)


def updates(probe: Probe, *params: tuple[str, str], fmt: str = "xml") -> list[Row]:
    """The updates feed of FixMyStreet."""
    key = (("api_key", probe.target.aim.api_key),) if probe.target.aim.api_key else ()
    exchange = probe.get("servicerequestupdates", fmt, (*params, *key), odd=True)
    if not exchange.ok:
        probe.skip(f"not offered: servicerequestupdates answered {exchange.told}")
    return probe.rows(exchange)


def month_of_updates(probe: Probe) -> list[Row]:
    """The updates of the last thirty days, up to tomorrow."""
    window = (("start_date", w3c(days_ago(30))), ("end_date", w3c(days_ago(-2))))
    return updates(probe, *window)


@looks_back("X-12")
def updates_feed(probe: Probe) -> None:
    found = month_of_updates(probe)
    for row in found:
        for name in ("update_id", "service_request_id", "status", "updated_datetime"):
            probe.require(text(row, name), f"an update lacks {name}", probe.trail[-1])
        when = text(row, "updated_datetime")
        probe.require(instant(when), f"updated_datetime is {when!r}", probe.trail[-1])
        probe.require("description" in row, "an update lacks description", probe.trail[-1])
    never = updates(
        probe, *(("start_date", "1999-01-01T00:00:00Z"), ("end_date", "1999-01-02T00:00:00Z"))
    )
    probe.require(not never, "updates outside the asked window", probe.trail[-1])
    if not found:
        probe.skip("the feed is offered and empty: no update to look at")


@looks_back("X-14")
def words_of_updates(probe: Probe) -> None:
    found = month_of_updates(probe)
    if not found:
        probe.skip("the feed is empty: no update to look at")
    for row in found:
        word = text(row, "status")
        probe.require(word in UPDATE_WORDS, f"status {word!r}", probe.trail[-1])


@check("X-15")
def automated_attributes(probe: Probe) -> None:
    seen = 0
    for code in probe.target.definitions:
        exchange = probe.get(f"services/{code}", params=(("extensions", "true"),), odd=True)
        for attribute in attributes(probe.single(exchange)):
            if word := text(attribute, "automated"):
                seen += 1
                known = word in ("hidden_field", "server_set")
                probe.require(known, f"automated {word!r}", exchange)
    if not seen:
        probe.skip("not offered: no attribute says automated")


@check("X-17")
def languages(probe: Probe) -> None:
    plain = probe.rows(probe.get("services"))
    english = probe.get("services", params=(("locale", "en"),), odd=True)
    probe.require(english.ok, f"locale=en answered {english.told}", english)
    rows = probe.rows(english)
    if alike(plain, rows):
        probe.skip("not offered: locale=en changes nothing")
    for name in ("service_code", "type", "metadata"):
        same = [text(row, name) for row in plain] == [text(row, name) for row in rows]
        probe.require(same, f"locale=en changes {name}", english)
    unknown = probe.get("services", params=(("locale", "tlh"),), odd=True)
    probe.require(unknown.ok, f"an unknown locale answered {unknown.told}", unknown)


@check("X-18")
def by_agency(probe: Probe) -> None:
    offered(probe, (("agency_responsible", UNKNOWN),))
    named = [text(row, "agency_responsible") for row in probe.target.sample]
    named = [name for name in named if name]
    if not named:
        probe.skip("no request names its agency")
    rows = probe.listed(("agency_responsible", named[0]))
    probe.require(rows, f"nothing of {named[0]}", probe.trail[-1])
    others = {text(row, "agency_responsible") for row in rows} - {named[0]}
    probe.require(not others, f"{', '.join(others)} slipped in", probe.trail[-1])


@check("X-19")
def by_word(probe: Probe) -> None:
    offered(probe, (("q", UNKNOWN),))
    for row in probe.target.sample:
        words = re.findall(r"\w{6,}", text(row, "description"))
        if words:
            rows = probe.listed(("q", words[0]))
            found = text(row, "service_request_id") in ids(rows)
            probe.require(found or len(rows) > 50, f"{words[0]!r} not found", probe.trail[-1])
            return
    probe.skip("no request has a word to search")


@check("X-21")
def who_is_competent(probe: Probe) -> None:
    lat, long = probe.posting.place
    place = (("lat", lat), ("long", long))
    for resource in ("competence", "location", "coverage"):
        exchange = probe.get(resource, "json", place, odd=True)
        if exchange.ok and exchange.is_json:
            in_xml = probe.get(resource, "xml", place, odd=True)
            readable = in_xml.ok and in_xml.root is not None and not in_xml.is_html
            probe.require(readable, f"{resource}.xml answered {in_xml.told}", in_xml)
            without = probe.get(resource, "json", odd=True)
            probe.must_refuse(without, 400)
            return
    probe.skip("not offered: neither competence nor location nor coverage answers")
