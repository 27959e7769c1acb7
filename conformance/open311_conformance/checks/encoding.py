"""C-003 to C-013, C-020, C-058: rules that hold for every answer, judged on all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from open311_conformance.checks import vocabulary
from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import looks_back
from open311_conformance.target import SPECIFICATION, WRONG_KEY
from open311_conformance.wire import reading
from open311_conformance.wire.datetimes import DATETIME_FIELDS, W3C, instant
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.reading import elements, local_name

CHARSET = re.compile(r';\s*charset\s*=\s*"?utf-8"?\s*($|;)', re.IGNORECASE)
NAMES_UTF8 = re.compile(
    rb"""^(\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*["']utf-8["']""", re.IGNORECASE
)


def answers(probe: Probe, fmt: str) -> list[Exchange]:
    """All successes and refusals of the run in one format, odd queries left out."""
    probe.basic_answers()
    probe.trail.clear()  # the log holds them; only what offends is evidence
    found = [
        exchange
        for exchange in list(probe.target.client.log)
        if exchange.query.fmt == fmt
        and not exchange.query.odd
        and (exchange.ok or exchange.refused)
        and exchange.body
    ]
    if not found:
        probe.skip(f"no {fmt} answer to look at")
    return found


def trees(probe: Probe) -> Iterator[tuple[Exchange, etree._Element]]:
    """The XML answers that can be parsed."""
    for exchange in answers(probe, "xml"):
        if exchange.root is not None and not exchange.is_html:
            yield exchange, exchange.root


def request_rows(probe: Probe) -> Iterator[tuple[Exchange, reading.Row]]:
    """Every request element of every answer of the run."""
    seen = 0
    for fmt in probe.target.formats:
        for exchange in answers(probe, fmt):
            if exchange.ok and exchange.query.resource.startswith("requests"):
                try:
                    found = reading.rows(exchange)
                except reading.Unreadable:
                    continue
                for row in found:
                    seen += 1
                    yield exchange, row
    if not seen:
        probe.skip("no request to look at")


def labelled(probe: Probe, fmt: str, media_type: str) -> None:
    """Every answer of a format carries its media type with charset utf-8."""
    for exchange in answers(probe, fmt):
        sent = exchange.content_type
        right = sent.split(";")[0].strip().lower() == media_type and CHARSET.search(sent)
        probe.require(right, f"Content-Type is {sent or 'absent'!r}", exchange)


@looks_back("C-003")
def xml_is_labelled(probe: Probe) -> None:
    labelled(probe, "xml", "text/xml")


@looks_back("C-004")
def json_is_labelled(probe: Probe) -> None:
    if "json" not in probe.target.formats:
        probe.skip("the endpoint offers no JSON")
    labelled(probe, "json", "application/json")


@looks_back("C-005")
def xml_declares_utf8(probe: Probe) -> None:
    for exchange in answers(probe, "xml"):
        if not exchange.is_html:
            probe.require(
                NAMES_UTF8.match(exchange.body), "no XML declaration naming UTF-8", exchange
            )


@looks_back("C-006")
def bytes_are_utf8(probe: Probe) -> None:
    for fmt in probe.target.formats:
        for exchange in answers(probe, fmt):
            try:
                exchange.body.decode("utf-8")
            except UnicodeDecodeError as error:
                probe.fail(f"byte {error.start} is not UTF-8", exchange)
            marked = fmt == "json" and exchange.body.startswith(b"\xef\xbb\xbf")
            probe.require(not marked, "the JSON starts with a byte order mark", exchange)


def _tag(root: etree._Element) -> bytes:
    return (f"{root.prefix}:" if root.prefix else "").encode() + local_name(root).encode()


@looks_back("C-007")
def xml_is_well_formed(probe: Probe) -> None:
    for exchange in answers(probe, "xml"):
        probe.require(exchange.root is not None, "the XML is not well formed", exchange)
        if exchange.root is not None:
            document_type = b"<!DOCTYPE" in exchange.body.partition(b"<" + _tag(exchange.root))[0]
            probe.require(not document_type, "the XML has a document type", exchange)


@looks_back("C-008")
def xml_has_no_foreign_namespace(probe: Probe) -> None:
    for exchange, root in trees(probe):
        attributes = ", ".join(map(str, root.attrib))
        probe.require(not attributes, f"the root has attributes: {attributes}", exchange)
        for element in root.iter(etree.Element):
            probe.require(not element.prefix, f"{element.prefix}:… is a prefix", exchange)
            namespace = etree.QName(element).namespace
            probe.require(namespace in (None, SPECIFICATION), f"namespace {namespace}", exchange)


def expected_root(exchange: Exchange) -> str:
    """The root that the resource must have."""
    if exchange.refused:
        return "errors"
    head, _, below = exchange.query.resource.strip("/").partition("/")
    if head == "services" and below:
        return "service_definition"
    return vocabulary.ROOTS.get(head, "")


@looks_back("C-009")
def elements_are_named_right(probe: Probe) -> None:
    for exchange, root in trees(probe):
        wanted = expected_root(exchange)
        if not wanted or wanted == "errors":  # errors are C-230
            continue
        found = local_name(root)
        probe.require(found == wanted, f"the root is {found}, expected {wanted}", exchange)
        if item := vocabulary.ITEMS.get(wanted):
            others = {local_name(child) for child in elements(root)} - {item}
            probe.require(not others, f"{wanted} holds {', '.join(sorted(others))}", exchange)


@looks_back("C-010")
def nothing_beyond_the_standard(probe: Probe) -> None:
    for exchange, root in trees(probe):
        if not expected_root(exchange) or "extensions=true" in exchange.query.url:
            continue
        names = {local_name(element) for element in root.iter(etree.Element)}
        foreign = names - vocabulary.KNOWN_ELEMENTS
        probe.require(not foreign, f"not in the standard: {', '.join(sorted(foreign))}", exchange)


def datetimes(probe: Probe) -> Iterator[tuple[Exchange, str, str]]:
    """Every non-empty datetime of every request seen."""
    for exchange, row in request_rows(probe):
        for name in DATETIME_FIELDS:
            if written := reading.text(row, name):
                yield exchange, name, written


@looks_back("C-011")
def datetimes_are_w3c(probe: Probe) -> None:
    for exchange, name, written in datetimes(probe):
        probe.require(instant(written), f"{name} is {written!r}", exchange)


@looks_back("C-012")
def datetimes_have_no_fraction(probe: Probe) -> None:
    for exchange, name, written in datetimes(probe):
        probe.require("." not in written, f"{name} is {written!r}", exchange)


@looks_back("C-013")
def datetimes_share_one_zone(probe: Probe) -> None:
    seen: dict[str, Exchange] = {}
    for exchange, _, written in datetimes(probe):
        if W3C.fullmatch(written):
            seen[written[-1] if written.endswith("Z") else written[-6:]] = exchange
    if not seen:
        probe.skip("no readable datetime")
    if set(seen) != {"Z"}:
        probe.warn(f"offsets in use: {', '.join(sorted(seen))}; Z passes every reader")
    probe.require(len(seen) == 1, f"mixed: {', '.join(sorted(seen))}", [*seen.values()][-1])


@looks_back("C-058")
def keys_are_not_repeated(probe: Probe) -> None:
    probe.get("services", params=(("api_key", WRONG_KEY),), odd=True)
    keys = {WRONG_KEY, probe.target.aim.api_key} - {""}
    keys = {key for key in keys if len(key) > 5}
    for exchange in list(probe.target.client.log):
        for key in keys:
            probe.require(key not in exchange.text, "the answer repeats the key", exchange)


@looks_back("C-020")
def control_characters_are_gone(probe: Probe) -> None:
    """Posted text is judged by its copies in XML and JSON."""
    posting = probe.posting
    posting.works()
    fields = posting.form(description="Test de conformité Open311 / conformance test\x0b a\r\nb")
    posted = probe.send(posting.query(fields))
    if posted.status == 400:  # refusing them is one way of never returning them
        return
    found = reading.rows(posted) if posted.ok else []
    service_request_id = reading.text(found[0], "service_request_id") if found else ""
    if not service_request_id:
        raise NotTested(f"the POST gave no id to read back ({posted.told})")
    back = probe.one(service_request_id, fresh=True)
    probe.require(back.root is not None, "the request cannot be read in XML any more", back)
    raw = b"\r" in back.body.replace(b"\r\n<", b"\n<") or b"&#13;" in back.body
    probe.require(not raw, "a carriage return comes back", back)
    probe.require(b"\x0b" not in back.body and b"&#11;" not in back.body, "U+000B is back", back)
