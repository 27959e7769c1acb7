"""C-030 to C-042: service discovery."""

from __future__ import annotations

from datetime import timedelta

from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.target import SPECIFICATION
from open311_conformance.wire.datetimes import loosely, now
from open311_conformance.wire.reading import Row, alike, objects, text


@check("C-030")
def both_documents_exist(probe: Probe) -> None:
    target = probe.target
    if not target.discovery_base:
        for place in target.discovery_places:
            probe.fetch(f"{place}/discovery.xml", "xml", resource="discovery")
        probe.fail("no discovery document beside or below the endpoint (--discovery tells another)")
    for fmt in ("xml", "json"):
        url = f"{target.discovery_base}/discovery.{fmt}"
        exchange = probe.fetch(url, fmt, resource="discovery")
        usable = exchange.ok and not exchange.is_html
        probe.require(usable, f"discovery.{fmt} answered {exchange.told}", exchange)
        right = exchange.is_json if fmt == "json" else exchange.body.lstrip()[:1] in (b"<", b"\xef")
        probe.require(right, f"discovery.{fmt} is not {fmt.upper()}", exchange)


def document(probe: Probe, fmt: str = "xml") -> Row:
    """The discovery document as an object."""
    exchange = probe.target.discovery(fmt)
    probe.trail.append(exchange)
    return probe.single(exchange)


def endpoints(probe: Probe) -> list[Row]:
    """The endpoints announced."""
    document(probe)
    if not probe.target.endpoints:
        probe.skip("discovery announces no endpoint that can be read (C-031)")
    return probe.target.endpoints


@check("C-031")
def all_fields_are_filled(probe: Probe) -> None:
    found = document(probe)
    for name in ("changeset", "contact", "key_service", "endpoints"):
        probe.require(found.get(name), f"{name} is absent or empty", probe.trail[-1])


@check("C-032")
def endpoints_are_described(probe: Probe) -> None:
    for row in endpoints(probe):
        for name in ("specification", "url", "changeset", "type", "formats"):
            filled = row.get(name)
            probe.require(filled, f"an endpoint lacks {name}", probe.trail[-1])


@check("C-033")
def an_endpoint_is_georeport(probe: Probe) -> None:
    for row in endpoints(probe):
        if text(row, "specification") == SPECIFICATION and "text/xml" in str(row.get("formats")):
            return
    probe.fail("no endpoint with the GeoReport v2 specification and text/xml", probe.trail[-1])


@check("C-034")
def types_are_known(probe: Probe) -> None:
    for row in endpoints(probe):
        kind = text(row, "type")
        probe.require(kind in ("production", "test"), f"type is {kind!r}", probe.trail[-1])


@check("C-035")
def changesets_are_dates(probe: Probe) -> None:
    for row in [document(probe), *endpoints(probe)]:
        written = text(row, "changeset")
        if not written:
            continue  # C-031, C-032
        read = loosely(written)
        if read is None:
            probe.fail(f"changeset {written!r} is not a date-time", probe.trail[-1])
        future = read > now() + timedelta(days=1)
        probe.require(not future, f"changeset {written!r} lies in the future", probe.trail[-1])
        if "T" not in written:
            probe.warn(f"changeset {written!r}: write it as 2026-03-31T08:15:00Z")


@check("C-036")
def urls_can_be_followed(probe: Probe) -> None:
    for row in endpoints(probe):
        url = text(row, "url")
        if SPECIFICATION not in text(row, "specification") or not url:
            continue
        probe.require(not url.endswith("/"), f"{url} ends with a slash", probe.trail[-1])
        exchange = probe.fetch(f"{url}/services.xml", "xml", resource="services")
        answers = exchange.ok or exchange.status == 400  # 400: names no jurisdiction
        probe.require(answers, f"{url}/services.xml answered {exchange.told}", exchange)


@check("C-037")
def json_is_a_bare_object(probe: Probe) -> None:
    exchange = probe.target.discovery("json")
    probe.trail.append(exchange)
    if not exchange.ok or not exchange.is_json:
        probe.skip("discovery.json cannot be read (C-030)")
    found = exchange.json
    probe.require(isinstance(found, dict), "not an object", exchange)
    listed = found.get("endpoints")
    probe.require(isinstance(listed, list), "endpoints is not an array at the root", exchange)
    for row in objects(listed):
        probe.require(isinstance(row.get("formats"), list), "formats is not an array", exchange)


@check("C-038")
def xml_and_json_agree(probe: Probe) -> None:
    left, right = document(probe, "xml"), document(probe, "json")
    for name in ("changeset", "contact", "key_service", "endpoints"):
        same = alike(left.get(name), right.get(name))
        probe.require(same, f"{name} differs between XML and JSON", probe.trail[-1])


@check("C-039")
def production_and_test(probe: Probe) -> None:
    found = endpoints(probe)
    kinds = {text(row, "type") for row in found}
    both = {"production", "test"} <= kinds
    probe.require(both, f"only {', '.join(sorted(kinds))} announced", probe.trail[-1])
    for row in found:
        listed = row.get("formats")
        enough = isinstance(listed, list) and len(listed) > 1
        probe.require(enough, f"{text(row, 'url')} has not two formats", probe.trail[-1])


@check("C-040")
def discovery_is_in_both_places(probe: Probe) -> None:
    if not probe.target.discovery_base:
        probe.skip("no discovery document was found (C-030)")
    production = [
        text(row, "url").rstrip("/")
        for row in probe.target.endpoints
        if text(row, "type") == "production" and SPECIFICATION in text(row, "specification")
    ]
    base = probe.target.base
    if probe.target.kind == "test" and production:
        base = production[0]
    for place in (base, base.rsplit("/", 1)[0]):
        for fmt in ("xml", "json"):
            exchange = probe.fetch(f"{place}/discovery.{fmt}", fmt, resource="discovery")
            probe.require(exchange.ok, f"{place}/discovery.{fmt}: {exchange.told}", exchange)


@check("C-041")
def changeset_moves(probe: Probe) -> None:
    catalogue = probe.target.catalogue_digest
    changeset = text(probe.target.endpoint, "changeset")
    before = probe.target.aim.previous
    if not before.get("catalogue"):
        probe.skip("needs --previous, the JSON report of a run before the catalogue was edited")
    if before["catalogue"] == catalogue:
        probe.skip("the catalogue has not changed since the previous report")
    document(probe)
    probe.require(
        changeset != before.get("changeset"),
        f"the catalogue has changed, the changeset is still {changeset!r}",
        probe.trail[-1],
    )


@check("C-042")
def page_at_the_root(probe: Probe) -> None:
    root = probe.target.base.rsplit("/", 1)[0] + "/"
    exchange = probe.fetch(root, "html", resource="")
    page = exchange.ok and exchange.is_html
    probe.report(f"{root}: {'a page' if page else 'no page'} ({exchange.told})")
