"""C-100 to C-113 and their like: what makes a POST acceptable."""

from __future__ import annotations

from open311_conformance.posting import created
from open311_conformance.probe import Probe
from open311_conformance.registry import writes
from open311_conformance.target import UNKNOWN
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.forms import BOUNDARY, Fields, merged, multipart
from open311_conformance.wire.reading import Row, error_text, errors, text

TOO_LONG = "x" * 600_000


def post(probe: Probe, fields: Fields, *expects: int, fmt: str = "xml") -> Exchange:
    """Send a form, once it is sure that a plain one is accepted."""
    probe.posting.works()
    return probe.send(probe.posting.query(fields, fmt=fmt, expects=expects))


def accepted(probe: Probe, fields: Fields, what: str, fmt: str = "xml") -> Row:
    """A form that must be accepted; the request element of the answer."""
    exchange = post(probe, fields, fmt=fmt)
    why = error_text(exchange)[:200]
    probe.require(exchange.ok, f"{what} was refused: {exchange.told} {why}", exchange)
    return created(exchange)


def refused(probe: Probe, fields: Fields, *statuses: int) -> Exchange:
    """A form that must be refused with one of some statuses, in each format."""
    exchange = post(probe, fields, *statuses)
    probe.must_refuse(exchange, *statuses)
    return exchange


@writes("C-100")
def a_form_is_accepted(probe: Probe) -> None:
    for fmt in probe.target.formats:
        exchange = probe.send(probe.posting.query(probe.posting.form(), fmt=fmt))
        why = error_text(exchange)[:200]
        probe.require(exchange.ok, f"a plain form was refused: {exchange.told} {why}", exchange)


@writes("C-101")
def id_or_token(probe: Probe) -> None:
    for fmt in probe.target.formats:
        exchange = post(probe, probe.posting.form(), fmt=fmt)
        rows = probe.rows(exchange)
        probe.require(len(rows) == 1, f"{len(rows)} requests in the answer", exchange)
        both = [name for name in ("service_request_id", "token") if text(rows[0], name)]
        probe.require(len(both) == 1, f"holds {' and '.join(both) or 'neither'}", exchange)


def given_by(probe: Probe, kind: str) -> tuple[Row, Exchange]:
    """The answer to a POST on a service of a type."""
    exchange = post(probe, probe.posting.form(probe.posting.service(kind)))
    if not exchange.ok:
        probe.skip(f"the POST on a {kind} service is refused ({exchange.told})")
    return created(exchange), exchange


@writes("C-102")
def realtime_gives_an_id(probe: Probe) -> None:
    row, exchange = given_by(probe, "realtime")
    probe.require(text(row, "service_request_id"), "no service_request_id", exchange)


@writes("C-103")
def batch_gives_a_token(probe: Probe) -> None:
    row, exchange = given_by(probe, "batch")
    probe.require(text(row, "token"), "no token", exchange)


@writes("C-104")
def blackbox_gives_neither(probe: Probe) -> None:
    row, exchange = given_by(probe, "blackbox")
    given = text(row, "service_request_id") or text(row, "token")
    probe.require(not given, "an id or a token was given", exchange)


@writes("C-105")
def creation_is_200(probe: Probe) -> None:
    exchange = post(probe, probe.posting.form())
    if exchange.status in (201, 202):
        probe.warn(f"answered {exchange.status}; 200 is the only status that every client reads")
    probe.require(exchange.status in (200, 201, 202), f"answered {exchange.told}", exchange)


@writes("C-106")
def service_code_is_needed(probe: Probe) -> None:
    refused(probe, probe.posting.form(service_code=None), 400)


@writes("C-107")
def unknown_service_code(probe: Probe) -> None:
    refused(probe, probe.posting.form(service_code=UNKNOWN), 404)


@writes("C-108")
def a_location_is_needed(probe: Probe) -> None:
    refused(probe, probe.posting.form(lat=None, long=None), 400)


@writes("C-109")
def half_a_location(probe: Probe) -> None:
    refused(probe, probe.posting.form(lat=None), 400)
    refused(probe, probe.posting.form(long=None), 400)


def address_alone(probe: Probe, name: str, value: str) -> None:
    """An address without coordinates is taken, or refused with 400 and a clear text."""
    fields = merged(probe.posting.form(), {"lat": None, "long": None, name: value}.items())
    exchange = post(probe, fields, 400)
    said = error_text(exchange).strip()
    clear = exchange.status == 400 and said
    probe.require(exchange.ok or clear, f"{name} alone gave {exchange.told}", exchange)
    if not exchange.ok:
        probe.warn(f"{name} alone is refused: {said[:150]}")


@writes("C-110")
def an_address_is_a_location(probe: Probe) -> None:
    address_alone(probe, "address_string", "1 place de la Mairie")
    address_alone(probe, "address_id", "1")


@writes("C-111")
def coordinates_are_a_location(probe: Probe) -> None:
    bare = probe.posting.form(address_string=None, address_id=None)
    exchange = probe.send(probe.posting.query(bare))
    why = error_text(exchange)[:200]
    probe.require(exchange.ok, f"coordinates alone gave {exchange.told} {why}", exchange)


@writes("C-112")
def impossible_coordinates(probe: Probe) -> None:
    for lat, long in (("91", "2"), ("48", "181"), ("abc", "2"), ("NaN", "2"), ("48", "-180.1")):
        refused(probe, probe.posting.form(lat=lat, long=long), 400)


@writes("C-113")
def zero_is_a_value(probe: Probe) -> None:
    zero = post(probe, probe.posting.form(lat="0", long="0"), 400)
    if zero.ok:
        return
    probe.must_refuse(zero, 400)
    missing = post(probe, probe.posting.form(lat=None, long=None), 400)
    same = missing.refused and error_text(missing) == error_text(zero)
    probe.require(not same, "0,0 is refused as if no location had been sent", zero)


@writes("C-134")
def several_faults_at_once(probe: Probe) -> None:
    fields = probe.posting.form(lat="95", long="abc", description="x" * 4001)
    exchange = refused(probe, fields, 400)
    told = len(errors(exchange))
    probe.require(told >= 3, f"3 faults, {told} error(s) told", exchange)


@writes("C-135")
def unsupported_body(probe: Probe) -> None:
    probe.posting.works()
    query = probe.posting.query(
        (), body=b"service_code", content_type="text/plain", expects=(400, 403, 415)
    )
    # The key cannot be read from such a body: 403 is a fair answer too.
    probe.must_refuse(probe.send(query), 400, 415, 403)


@writes("C-136")
def far_too_large(probe: Probe) -> None:
    probe.posting.works()
    key = (("api_key", probe.target.aim.api_key),)
    own = probe.target.aim.jurisdiction_id
    scope = (("jurisdiction_id", own),) if own else ()
    body = multipart(key + scope + probe.posting.form(description=TOO_LONG))
    for fmt in probe.target.formats:
        query = probe.posting.query(
            (),
            fmt=fmt,
            body=body,
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
            expects=(400, 413),
            odd=True,
        )
        exchange = probe.send(query)
        probe.must_refuse(exchange, 413, 400, 415)
        try:
            errors(exchange)
        except ValueError as error:
            probe.fail(f"{exchange.told}: {error}", exchange)


@writes("C-138")
def twice_is_two(probe: Probe) -> None:
    service = probe.posting.service("realtime")
    fields = probe.posting.form(service)
    ids = {text(created(post(probe, fields)), "service_request_id") for _ in range(2)}
    probe.require(len(ids - {""}) == 2, f"the same POST twice gave {', '.join(ids)}")
