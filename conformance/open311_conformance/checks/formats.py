"""C-001, C-002, C-014 to C-029: suffixes, parameters, shapes, methods."""

from __future__ import annotations

from open311_conformance.checks import vocabulary
from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import check, writes
from open311_conformance.target import UNKNOWN, days_ago
from open311_conformance.wire import reading
from open311_conformance.wire.datetimes import DATETIME_FIELDS, w3c
from open311_conformance.wire.exchange import Exchange, Query
from open311_conformance.wire.reading import Row, alike, text

EMPTY_WINDOW = (("start_date", "1999-01-01T00:00:00Z"), ("end_date", "1999-01-02T00:00:00Z"))


def every_resource_answers(probe: Probe, fmt: str) -> None:
    """The four GET resources answer in a format."""
    for resource in ("services", "requests", *probe.some_resources()):
        exchange = probe.get(resource, fmt)
        probe.require(exchange.ok, f"{resource}.{fmt} answered {exchange.told}", exchange)
        usable = (
            exchange.is_json if fmt == "json" else exchange.body.lstrip()[:1] in (b"<", b"\xef")
        )
        probe.require(
            usable and not exchange.is_html, f"{resource}.{fmt} is not {fmt.upper()}", exchange
        )


@check("C-001")
def xml_everywhere(probe: Probe) -> None:
    every_resource_answers(probe, "xml")


@check("C-002")
def json_everywhere(probe: Probe) -> None:
    if not probe.target.announces_json:
        probe.skip("discovery does not announce JSON for this endpoint")
    every_resource_answers(probe, "json")


def ids(rows: list[Row]) -> list[str]:
    """The ids of some requests."""
    return [text(row, "service_request_id") for row in rows]


def same_list(probe: Probe, *params: tuple[str, str]) -> None:
    """A parameter changes nothing; asked again once, since a live list may move in between."""
    for attempt in (False, True):
        plain, other = probe.listed(fresh=attempt), probe.get("requests", "xml", params, fresh=True)
        probe.require(other.ok, f"answered {other.told}", other)
        if ids(plain) == ids(probe.rows(other)):
            return
    names = ", ".join(name for name, _ in params)
    probe.fail(f"the list changes with {names}")


@check("C-014")
def empty_means_absent(probe: Probe) -> None:
    for name in ("status", "service_code", "start_date", "service_request_id"):
        same_list(probe, (name, ""))


@check("C-015")
def unknown_parameters_are_ignored(probe: Probe) -> None:
    plain = probe.rows(probe.get("services"))
    other = probe.get("services", params=(("foo", "bar"),))
    probe.require(other.ok, f"answered {other.told}", other)
    probe.require(alike(plain, probe.rows(other)), "the services change with ?foo=bar", other)


@check("C-016")
def suffix_beats_accept(probe: Probe) -> None:
    for fmt in probe.target.formats:
        for accept in ("image/png", "application/json" if fmt == "xml" else "text/xml"):
            exchange = probe.get("services", fmt, headers=(("Accept", accept),))
            probe.require(exchange.ok, f"Accept: {accept} gave {exchange.told}", exchange)
            right = exchange.is_json if fmt == "json" else exchange.root is not None
            probe.require(right, f"Accept: {accept} changed the format", exchange)


@check("C-017")
def without_suffix(probe: Probe) -> None:
    exchange = probe.get("services", "", odd=True)
    probe.report(f"services without suffix: {exchange.told} {exchange.content_type}".strip())


@check("C-018")
def unknown_paths_are_404(probe: Probe) -> None:
    for resource, fmt in (("services", "foo"), (f"{UNKNOWN}", "xml")):
        exchange = probe.get(resource, fmt, odd=True)
        probe.must_refuse(exchange, 404)
        body = exchange.is_json or (exchange.root is not None and not exchange.is_html)
        probe.require(body, "the refusal has no error body", exchange)


@writes("C-019")
def post_is_not_redirected(probe: Probe) -> None:
    """Without a key nothing is created; only the redirect is looked for."""
    for resource in ("/requests", "%72equests"):
        query = probe.posting.query((("service_code", UNKNOWN),), resource=resource, key="",
                                    expects=(403,), odd=True)  # fmt: skip
        exchange = probe.send(query)
        moved = 300 <= exchange.status < 400
        probe.require(not moved, f"POST {resource}.xml gave {exchange.told}", exchange)


def arrays_of_objects(probe: Probe, exchange: Exchange) -> None:
    """The JSON is a bare array of objects."""
    if not exchange.is_json:
        probe.skip(f"{exchange.query.resource}.json is not JSON ({exchange.told})")
    document = exchange.json
    probe.require(isinstance(document, list), "not a bare array", exchange)
    probe.require(reading.objects(document) == document, "not an array of objects", exchange)


@check("C-021")
def json_has_the_converted_shape(probe: Probe) -> None:
    if "json" not in probe.target.formats:
        probe.skip("the endpoint offers no JSON")
    arrays_of_objects(probe, probe.get("services", "json"))
    arrays_of_objects(probe, probe.get("requests", "json"))
    empty = probe.get("requests", "json", EMPTY_WINDOW)
    if empty.ok:
        arrays_of_objects(probe, empty)
    refusal = probe.get("requests/no-such-thing-311", "json", expects=(404,))
    if refusal.refused and refusal.is_json:
        arrays_of_objects(probe, refusal)
    for code in list(probe.target.definitions)[:3]:
        definition = probe.get(f"services/{code}", "json")
        if definition.ok and definition.is_json:
            shaped = isinstance(definition.json, dict)
            probe.require(shaped, "a definition is not a bare object", definition)


def compare(probe: Probe, resource: str, params: tuple[tuple[str, str], ...] = ()) -> None:
    """One resource says the same in XML and JSON, matched by id or code."""
    in_xml, in_json = probe.get(resource, "xml", params), probe.get(resource, "json", params)
    try:
        left, right = reading.rows(in_xml), reading.rows(in_json)
    except reading.Unreadable as error:
        raise NotTested(str(error)) from error
    name = "service_code" if resource == "services" else "service_request_id"
    twins = {text(row, name): row for row in right}
    for row in left:
        twin = twins.get(text(row, name))
        if twin is not None and not alike(row, twin):
            different = [key for key in {*row, *twin} if not alike(row.get(key), twin.get(key))]
            what = ", ".join(sorted(different))
            probe.fail(f"{text(row, name)} differs between XML and JSON in {what}", in_json)
    only = {text(row, name) for row in left} ^ set(twins)
    if resource == "services":
        probe.require(not only, f"only in one format: {', '.join(sorted(only))}", in_json)
    probe.require(bool(left) == bool(right), "one format is empty, the other is not", in_json)


@check("C-022")
def xml_and_json_agree(probe: Probe) -> None:
    if "json" not in probe.target.formats:
        probe.skip("the endpoint offers no JSON")
    for resource in ("services", "requests"):
        compare(probe, resource)
    for code in list(probe.target.definitions)[:5]:
        in_xml, in_json = (probe.target.definition(code, fmt) for fmt in ("xml", "json"))
        left = reading.attributes(probe.single(in_xml))
        right = reading.attributes(probe.single(in_json))
        probe.require(alike(left, right), f"the definition of {code} differs", in_json)


STRINGS = ("service_request_id", "service_code", "address_id", "zipcode", "token", "code", "key")


def badly_typed(row: Row) -> list[str]:
    """The members of a JSON object that have the wrong type (C-023)."""
    wrong = [name for name in STRINGS if not isinstance(row.get(name), str | None)]
    for name in ("lat", "long"):
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            wrong.append(name)
    flags = ("metadata", "variable", "required")
    wrong += [name for name in flags if not isinstance(row.get(name), bool | None)]
    order = row.get("order")
    if isinstance(order, bool) or not isinstance(order, int | None):
        wrong.append("order")
    return wrong


@check("C-023")
def json_types(probe: Probe) -> None:
    if "json" not in probe.target.formats:
        probe.skip("the endpoint offers no JSON")
    for resource in ("services", "requests"):
        exchange = probe.get(resource, "json")
        for row in probe.rows(exchange):
            probe.require(not badly_typed(row), f"type of {', '.join(badly_typed(row))}", exchange)
    for code in probe.target.definitions:
        exchange = probe.target.definition(code, "json")
        for attribute in reading.attributes(probe.single(exchange)):
            wrong = badly_typed(attribute)
            for value in reading.objects(attribute.get("values")):
                wrong += badly_typed(value)
            probe.require(not wrong, f"type of {', '.join(wrong)}", exchange)
    refusal = probe.get("requests/no-such-thing-311", "json", expects=(404,))
    for error in reading.objects(refusal.json):
        whole = isinstance(error.get("code"), int) and not isinstance(error.get("code"), bool)
        probe.require(whole, "the code of an error is not an integer", refusal)


@check("C-024")
def json_unknown_is_null(probe: Probe) -> None:
    if "json" not in probe.target.formats:
        probe.skip("the endpoint offers no JSON")
    exchange = probe.get("requests", "json")
    rows = probe.rows(exchange)
    if not rows:
        probe.skip("no request to look at")
    for row in rows:
        for name in (*DATETIME_FIELDS, "media_url", "lat", "long"):
            probe.require(row.get(name) != "", f'{name} is "" where null is meant', exchange)


@check("C-025")
def xml_has_every_element(probe: Probe) -> None:
    exchange = probe.get("requests")
    rows = probe.rows(exchange)
    if not rows:
        probe.skip("no request to look at")
    always = set(vocabulary.REQUEST_FIELDS) - {"expected_datetime"}
    for row in rows:
        missing = always - set(row)
        probe.require(not missing, f"absent: {', '.join(sorted(missing))}", exchange)


@check("C-026")
def cors(probe: Probe) -> None:
    origin = (("Origin", "https://example.org"),)
    exchange = probe.get("services", headers=origin, odd=True)
    allowed = exchange.headers.get("Access-Control-Allow-Origin", "")
    probe.report(f"Access-Control-Allow-Origin: {allowed or 'absent'}")


@check("C-027")
def jsonp(probe: Probe) -> None:
    exchange = probe.get("services", "json", (("callback", "conformance"),), odd=True)
    offered = exchange.body.lstrip().startswith((b"conformance(", b"/**/conformance("))
    probe.report("JSONP is offered" if offered else "JSONP is not offered")


@check("C-028")
def head_is_get_without_body(probe: Probe) -> None:
    plain = probe.get("services")
    exchange = probe.send(Query("HEAD", plain.query.url, "services", "xml", odd=True))
    probe.require(
        exchange.status == plain.status, f"HEAD gave {exchange.told}, GET {plain.told}", exchange
    )
    same = exchange.content_type == plain.content_type
    probe.require(same, f"HEAD is labelled {exchange.content_type!r}", exchange)


@writes("C-029")
def other_methods_are_refused(probe: Probe) -> None:
    probe.posting.allowed()
    url = probe.get("services").query.url
    exchange = probe.send(Query("DELETE", url, "services", "xml", odd=True))
    probe.must_refuse(exchange, 405, 400)
    if exchange.status == 405:
        probe.require(exchange.headers.get("Allow"), "405 without Allow", exchange)
    try:
        reading.errors(exchange)
    except reading.Unreadable as error:
        probe.fail(str(error), exchange)


def recent(days: float) -> str:
    """A date-time some days ago, for filters."""
    return w3c(days_ago(days))


__all__ = ["EMPTY_WINDOW", "ids", "recent"]
