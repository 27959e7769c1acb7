"""C-187 to C-194 and C-210 to C-215: what a request says, alone and in the list."""

from __future__ import annotations

import re
from urllib.parse import quote

from open311_conformance.checks.formats import ids
from open311_conformance.checks.vocabulary import OPTIONAL_REQUEST_FIELDS, REQUEST_FIELDS
from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.wire.datetimes import instant
from open311_conformance.wire.reading import alike, elements, error_text, text

DECIMALS = re.compile(r"-?\d{1,3}(\.\d{1,7})?")
ZIPCODE = re.compile(r"\d{5}")
UNKNOWN_ID = "2147480311"
CHANGING = frozenset({"updated_datetime", "status", "status_notes"})


@check("C-187")
def fields_are_present(probe: Probe) -> None:
    wanted = set(REQUEST_FIELDS) - OPTIONAL_REQUEST_FIELDS
    seen = 0
    for exchange, rows in probe.lists("requests"):
        for row in rows:
            seen += 1
            missing = wanted - set(row)
            probe.require(not missing, f"absent: {', '.join(sorted(missing))}", exchange)
    if not seen:
        probe.skip("no request to look at")


@check("C-188")
def status_is_open_or_closed(probe: Probe) -> None:
    if not probe.target.sample:
        probe.skip("no request to look at")
    for exchange, rows in probe.lists("requests"):
        for row in rows:
            status = text(row, "status")
            known = status in ("open", "closed")
            probe.require(known, f"status is {status!r}", exchange)


@check("C-189")
def closing_is_dated(probe: Probe) -> None:
    closed = [row for row in probe.target.sample if text(row, "status").lower() == "closed"]
    if not closed:
        probe.skip("no closed request to look at")
    exchange = probe.get("requests")
    for row in closed:
        requested, updated = (
            instant(text(row, name)) for name in ("requested_datetime", "updated_datetime")
        )
        name = text(row, "service_request_id")
        probe.require(updated, f"{name} is closed without updated_datetime", exchange)
        backwards = requested and updated and updated < requested
        probe.require(not backwards, f"{name} was closed before it was made", exchange)


@check("C-190")
def names_agree_with_the_catalogue(probe: Probe) -> None:
    names = {text(row, "service_code"): text(row, "service_name") for row in probe.target.services}
    exchange = probe.get("requests")
    for row in probe.target.sample:
        code, name = text(row, "service_code"), text(row, "service_name")
        if code not in names:
            probe.warn(f"service_code {code} is not in the list: a past service?")
        else:
            same = names[code] == name
            probe.require(same, f"{code} is {names[code]!r} and here {name!r}", exchange)


@check("C-191")
def every_request_has_an_id(probe: Probe) -> None:
    seen = 0
    for exchange, rows in probe.lists("requests"):
        for row in rows:
            seen += 1
            probe.require(text(row, "service_request_id"), "a request without id", exchange)
    if not seen:
        probe.skip("no request to look at")


@check("C-192")
def private_requests_are_not_listed(probe: Probe) -> None:
    private = probe.target.aim.private_id
    if not private:
        probe.skip("needs --private-id, the id of a request that is not public")
    for params in ((), (("service_request_id", private),)):
        rows = probe.listed(*params)
        probe.require(private not in ids(rows), f"{private} is listed", probe.trail[-1])


@check("C-193")
def coordinates_are_sound(probe: Probe) -> None:
    seen = 0
    for exchange, rows in probe.lists("requests"):
        for row in rows:
            for name, limit in (("lat", 90), ("long", 180)):
                written = text(row, name)
                if not written:
                    continue
                seen += 1
                plain = DECIMALS.fullmatch(written)
                probe.require(plain, f"{name} is written {written!r}", exchange)
                probe.require(abs(float(written)) <= limit, f"{name} is {written}", exchange)
    if not seen:
        probe.skip("no request has coordinates")


@check("C-194")
def zipcodes_have_five_digits(probe: Probe) -> None:
    written = [(text(row, "zipcode"), row) for row in probe.target.sample]
    if not any(zipcode for zipcode, _ in written):
        probe.skip("no request has a zipcode")
    for zipcode, _ in written:
        right = not zipcode or ZIPCODE.fullmatch(zipcode)
        probe.require(right, f"zipcode is {zipcode!r}", probe.get("requests"))
    if "json" in probe.target.formats:
        exchange = probe.get("requests", "json")
        for row in probe.rows(exchange):
            plain = isinstance(row.get("zipcode"), str | None)
            probe.require(plain, "zipcode is not a text in JSON", exchange)


@check("C-210")
def one_request_is_a_list_of_one(probe: Probe) -> None:
    wanted = text(probe.target.sample[0], "service_request_id")
    for fmt in probe.target.formats:
        exchange = probe.one(wanted, fmt)
        if not exchange.ok:
            probe.skip(f"a listed request cannot be read ({exchange.told}, C-001)")
        if fmt == "json":
            document = exchange.json
            shaped = isinstance(document, list) and len(document) == 1
            probe.require(shaped, "not an array of one", exchange)
        elif exchange.root is not None:
            count = len(elements(exchange.root))
            probe.require(count == 1, f"{count} elements below the root", exchange)
        found = ids(probe.rows(exchange))
        probe.require(found == [wanted], f"asked {wanted}, got {found}", exchange)


@check("C-211")
def unknown_id(probe: Probe) -> None:
    for fmt in probe.target.formats:
        exchange = probe.get(f"requests/{UNKNOWN_ID}", fmt, expects=(404,))
        probe.must_refuse(exchange, 404)


@check("C-212")
def alone_and_in_the_list(probe: Probe) -> None:
    sample = probe.target.sample
    for row in (sample[0], sample[-1]):
        wanted = text(row, "service_request_id")
        exchange = probe.one(wanted, fresh=True)
        alone = probe.rows(exchange)
        if not alone:
            probe.skip("the request reads as empty")
        different = [
            name for name in REQUEST_FIELDS if not alike(row.get(name), alone[0].get(name))
        ]
        moved = {"updated_datetime"} < set(different) <= CHANGING  # changed between two calls
        what = ", ".join(different)
        probe.require(moved or not different, f"{wanted} differs in {what}", exchange)


@check("C-213")
def dotted_ids_stay_whole(probe: Probe) -> None:
    for fmt in probe.target.formats:
        exchange = probe.get("requests/14-00.01", fmt, expects=(404,), odd=True)
        if exchange.ok:
            found = ids(probe.rows(exchange))
            probe.require(found == ["14-00.01"], f"got {found}", exchange)
            continue
        probe.must_refuse(exchange, 404)
        readable = exchange.is_json if fmt == "json" else exchange.root is not None
        told = readable and not exchange.is_html
        probe.require(told, f"the refusal is not {fmt.upper()}: split at the first dot?", exchange)


@check("C-214")
def private_looks_unknown(probe: Probe) -> None:
    private = probe.target.aim.private_id
    if not private:
        probe.skip("needs --private-id, the id of a request that is not public")
    hidden = probe.one(private)
    unknown = probe.get(f"requests/{UNKNOWN_ID}", expects=(404,))
    probe.must_refuse(hidden, 404)
    texts = [
        error_text(exchange).replace(name, "ID")
        for exchange, name in ((hidden, private), (unknown, UNKNOWN_ID))
    ]
    probe.require(texts[0] == texts[1], "the texts of the two refusals differ", hidden)


@check("C-215")
def old_requests_can_be_read(probe: Probe) -> None:
    if not probe.target.old_sample:
        probe.skip("no request older than 90 days was found")
    wanted = text(probe.target.old_sample[0], "service_request_id")
    exchange = probe.get(f"requests/{quote(wanted, safe='')}")
    probe.require(exchange.ok, f"{wanted} answered {exchange.told}", exchange)
