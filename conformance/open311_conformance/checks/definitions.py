"""C-075 to C-087: service definitions."""

from __future__ import annotations

import re
from urllib.parse import quote

from open311_conformance.checks.vocabulary import DATATYPES, LIST_DATATYPES
from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.target import DEFINITIONS_READ, UNKNOWN
from open311_conformance.wire import reading
from open311_conformance.wire.reading import local_name, objects, text

POSITIVE = re.compile(r"[1-9]\d*")


def codes_with_metadata(probe: Probe) -> list[str]:
    """Codes of the services whose metadata is true, the first 40."""
    found = [text(row, "service_code") for row in probe.target.services_where("metadata", "true")]
    if not found:
        probe.skip("no service has metadata")
    if len(found) > DEFINITIONS_READ:
        probe.warn(f"{DEFINITIONS_READ} of {len(found)} definitions were read")
    return found[:DEFINITIONS_READ]


@check("C-075")
def metadata_has_a_definition(probe: Probe) -> None:
    for code in codes_with_metadata(probe):
        exchange = probe.get(f"services/{quote(code, safe='')}")
        probe.require(exchange.ok, f"{code} answered {exchange.told}", exchange)


@check("C-076")
def definition_repeats_the_code(probe: Probe) -> None:
    for exchange, definition in probe.definitions():
        asked = exchange.query.resource.removeprefix("services/")
        given = quote(text(definition, "service_code"), safe="")
        probe.require(given == asked, f"asked {asked}, got {given!r}", exchange)


@check("C-077")
def attributes_have_a_container(probe: Probe) -> None:
    for exchange, definition in probe.definitions():
        listed = isinstance(definition.get("attributes"), list)
        probe.require(listed, "no attributes container", exchange)
        if exchange.query.fmt == "xml" and exchange.root is not None:
            for container in exchange.root.iter("{*}attributes"):
                others = {local_name(child) for child in reading.elements(container)}
                probe.require(others <= {"attribute"}, f"attributes holds {others}", exchange)


@check("C-078")
def attributes_are_complete(probe: Probe) -> None:
    for exchange, attribute in probe.attributes():
        code = text(attribute, "code")
        probe.require(code, "an attribute has no code", exchange)
        for name in ("variable", "required"):
            value = text(attribute, name)
            probe.require(value in ("true", "false"), f"{code}: {name} is {value!r}", exchange)
        datatype = text(attribute, "datatype")
        probe.require(datatype in DATATYPES, f"{code}: datatype is {datatype!r}", exchange)


@check("C-079")
def order_counts(probe: Probe) -> None:
    for exchange, definition in probe.definitions():
        orders = [text(row, "order") for row in reading.attributes(definition)]
        for order in orders:
            probe.require(POSITIVE.fullmatch(order), f"order is {order!r}", exchange)
        probe.require(len(set(orders)) == len(orders), "order is not unique", exchange)


@check("C-080")
def attribute_codes_are_unique(probe: Probe) -> None:
    for exchange, definition in probe.definitions():
        codes = [text(row, "code") for row in reading.attributes(definition)]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        probe.require(not twice, f"twice: {', '.join(twice)}", exchange)


@check("C-081")
def lists_offer_values(probe: Probe) -> None:
    seen = 0
    for exchange, attribute in probe.attributes():
        if text(attribute, "datatype") not in LIST_DATATYPES:
            continue
        seen += 1
        code, values = text(attribute, "code"), objects(attribute.get("values"))
        keys = [text(value, "key") for value in values]
        probe.require(values, f"{code} offers no value", exchange)
        named = all(keys) and all(text(value, "name") for value in values)
        probe.require(named, f"{code}: a value lacks key or name", exchange)
        probe.require(len(set(keys)) == len(keys), f"{code}: a key stands twice", exchange)
    if not seen:
        probe.skip("no attribute is a list")


@check("C-082")
def others_have_no_values(probe: Probe) -> None:
    for exchange, attribute in probe.attributes():
        if text(attribute, "datatype") not in LIST_DATATYPES and "values" in attribute:
            code, values = text(attribute, "code"), attribute["values"]
            empty = exchange.query.fmt == "json" and values == []
            probe.require(empty, f"{code} is no list and has values", exchange)


@check("C-083")
def attributes_are_described(probe: Probe) -> None:
    for exchange, attribute in probe.attributes():
        code = text(attribute, "code")
        probe.require(text(attribute, "description"), f"{code} has no description", exchange)
        told = "datatype_description" in attribute
        probe.require(told, f"{code} lacks datatype_description", exchange)


@check("C-084")
def unknown_code(probe: Probe) -> None:
    for fmt in probe.target.formats:
        probe.must_refuse(probe.get(f"services/{UNKNOWN}", fmt, expects=(404,)), 404)


@check("C-085")
def no_attributes_is_no_error(probe: Probe) -> None:
    plain = probe.target.services_where("metadata", "false")
    if not plain:
        probe.skip("every service has metadata")
    code = quote(text(plain[0], "service_code"), safe="")
    exchange = probe.get(f"services/{code}", odd=True)
    probe.require(exchange.ok, f"{code} answered {exchange.told}", exchange)


@check("C-086")
def shown_text_is_not_required(probe: Probe) -> None:
    for exchange, attribute in probe.attributes():
        both = text(attribute, "variable") == "false" and text(attribute, "required") == "true"
        code = text(attribute, "code")
        probe.require(not both, f"{code} only shows text and is required", exchange)


@check("C-087")
def metadata_tells_the_truth(probe: Probe) -> None:
    for exchange, definition in probe.definitions():
        code = text(definition, "service_code")
        filled = reading.attributes(definition)
        probe.require(filled, f"{code} has metadata and no attribute", exchange)
    for service in probe.target.services_where("metadata", "false")[:10]:
        code = text(service, "service_code")
        exchange = probe.get(f"services/{quote(code, safe='')}", odd=True)
        if exchange.ok and exchange.root is not None and not exchange.is_html:
            hidden = reading.attributes(reading.single(exchange))
            probe.require(not hidden, f"{code} has attributes and metadata false", exchange)
