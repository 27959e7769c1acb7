"""C-060 to C-070: the service list."""

from __future__ import annotations

import re

from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.wire.reading import text

CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
ACTED_ON = frozenset({"private", "inactive", "staff", "waste_only"})


@check("C-060")
def codes_are_unique(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        codes = [text(row, "service_code") for row in rows]
        probe.require(all(codes), "a service has no service_code", exchange)
        twice = sorted({code for code in codes if codes.count(code) > 1})
        probe.require(not twice, f"twice: {', '.join(twice)}", exchange)


@check("C-061")
def names_are_filled(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            code = text(row, "service_code")
            probe.require(text(row, "service_name"), f"{code} has no service_name", exchange)


@check("C-062")
def metadata_is_a_boolean(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            value = text(row, "metadata")
            probe.require(value in ("true", "false"), f"metadata is {value!r}", exchange)
            if exchange.query.fmt == "json" and isinstance(row["metadata"], str):
                probe.warn("metadata is quoted in JSON (C-023)")


@check("C-063")
def types_are_known(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            kind = text(row, "type")
            known = kind in ("realtime", "batch", "blackbox")
            probe.require(known, f"type is {kind!r}", exchange)


@check("C-064")
def services_are_described(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            code = text(row, "service_code")
            for name in ("description", "keywords", "group"):
                probe.require(name in row, f"{code} lacks {name}", exchange)
            probe.require(text(row, "description"), f"{code} has no description", exchange)


@check("C-065")
def keywords_are_one_text(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            one = isinstance(row.get("keywords"), str | None)
            code = text(row, "service_code")
            probe.require(one, f"keywords of {code} is not one text", exchange)


@check("C-066")
def keywords_are_harmless(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            keywords = text(row, "keywords")
            probe.require(", " not in keywords, f"a space after a comma: {keywords!r}", exchange)
            for word in ACTED_ON & set(keywords.split(",")):
                probe.warn(f"clients act on the keyword {word}: is it meant?")


@check("C-067")
def codes_fit_in_a_path(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        for row in rows:
            code = text(row, "service_code")
            probe.require(not code or CODE.fullmatch(code), f"service_code {code!r}", exchange)


@check("C-068")
def there_are_services(probe: Probe) -> None:
    for exchange, rows in probe.lists("services"):
        probe.require(rows, "the list is empty", exchange)


@check("C-069")
def order_is_stable(probe: Probe) -> None:
    once, again = probe.get("services"), probe.get("services", fresh=True)
    orders = [[text(row, "service_code") for row in probe.rows(it)] for it in (once, again)]
    probe.require(orders[0] == orders[1], "two calls give two orders", again)


@check("C-070")
def services_at_a_place(probe: Probe) -> None:
    far = probe.get("services", params=(("lat", "0"), ("long", "0")), odd=True)
    everywhere = probe.rows(probe.get("services"))
    narrowed = far.refused or len(probe.rows(far)) < len(everywhere)
    probe.report(f"lat and long {'narrow' if narrowed else 'do not narrow'} the list")
