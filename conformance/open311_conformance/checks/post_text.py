"""C-123 to C-133: the text, the photo and the place of a created request, read back."""

from __future__ import annotations

from datetime import timedelta

from lxml import etree

from open311_conformance.checks.post import accepted, post, refused
from open311_conformance.posting import NOTICE, created
from open311_conformance.probe import Probe
from open311_conformance.registry import writes
from open311_conformance.wire.datetimes import instant, now
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.forms import BOUNDARY, Fields, multipart
from open311_conformance.wire.reading import Row, alike, number, text

HARD_TEXT = "é œ Œ € ’ 漢 😀"
PHOTO_URL = "https://www.example.org/open311-conformance.jpg"


def made(probe: Probe, fields: Fields, what: str = "a plain form") -> str:
    """The id of a request made now; not tested where the service gives none at once."""
    row = accepted(probe, fields, what)
    if not text(row, "service_request_id"):
        probe.skip("the service gives no id at once, nothing can be read back")
    return text(row, "service_request_id")


def back(probe: Probe, service_request_id: str, fmt: str = "xml") -> tuple[Row, Exchange]:
    """The created request; not tested when it cannot be read or awaits moderation."""
    exchange = probe.one(service_request_id, fmt, fresh=True)
    if not exchange.ok:
        probe.skip(f"the created request cannot be read back ({exchange.told}), see C-132")
    rows = probe.rows(exchange)
    if not rows:
        probe.skip("the created request reads as empty")
    return rows[0], exchange


def text_back(probe: Probe, sent: str, fmt: str = "xml") -> tuple[str, Exchange]:
    """The description that comes back for one that was sent."""
    service = probe.posting.service("realtime")
    row, exchange = back(probe, made(probe, probe.posting.form(service, description=sent)), fmt)
    returned = row.get("description")
    if not returned:
        probe.skip("the description is withheld: the request awaits moderation")
    return str(returned), exchange


@writes("C-123")
def four_thousand_characters(probe: Probe) -> None:
    for filler in ("é", "x"):
        longest = (NOTICE + filler * 4000)[:4000]
        accepted(
            probe, probe.posting.form(description=longest), "a description of 4,000 characters"
        )
        refused(probe, probe.posting.form(description=longest + filler), 400)


@writes("C-124")
def markup_does_not_come_back(probe: Probe) -> None:
    sent = f"{NOTICE} <b>x</b>"
    exchange = post(probe, probe.posting.form(description=sent), 400)
    if exchange.status == 400:
        return
    service_request_id = text(created(exchange), "service_request_id")
    if not service_request_id:
        probe.skip(f"nothing to read back ({exchange.told})")
    for fmt in probe.target.formats:
        row, answer = back(probe, service_request_id, fmt)
        markup = isinstance(row.get("description"), dict) or _has_children(answer)
        probe.require(not markup, "the description comes back as markup", answer)
        if fmt == "json":
            twice = "&lt;b" in text(row, "description")
            probe.require(not twice, "the text is escaped twice in JSON", answer)


def _has_children(exchange: Exchange) -> bool:
    """Whether a description element holds elements."""
    if exchange.query.fmt != "xml" or exchange.root is None:
        return False
    found = exchange.root.iter("{*}description")
    return any(len(element) for element in found if isinstance(element, etree._Element))  # noqa: SLF001 - the public name of the type


@writes("C-125")
def line_breaks_survive(probe: Probe) -> None:
    returned, exchange = text_back(probe, f"{NOTICE}\nfin\nend")
    lines = returned.replace("\r\n", "\n").strip().split("\n")
    probe.require(lines[-2:] == ["fin", "end"], f"came back as {returned[-60:]!r}", exchange)


@writes("C-128")
def hard_text_survives(probe: Probe) -> None:
    for fmt in probe.target.formats:
        returned, exchange = text_back(probe, f"{NOTICE} {HARD_TEXT}", fmt)
        same = returned.strip().endswith(HARD_TEXT)
        probe.require(same, f"came back as {returned[len(NOTICE) :]!r}", exchange)


@writes("C-129")
def media_url_is_kept(probe: Probe) -> None:
    fields = probe.posting.form(probe.posting.service("realtime"), media_url=PHOTO_URL)
    row, exchange = back(probe, made(probe, fields, "a media_url"))
    returned = text(row, "media_url")
    if not text(row, "description"):
        probe.skip("the photo is withheld: the request awaits moderation")
    probe.require(returned, "media_url is empty", exchange)
    if returned != PHOTO_URL:
        probe.warn(f"media_url comes back as {returned}")


@writes("C-130")
def multipart_forms(probe: Probe) -> None:
    exchange = post_multipart(probe, probe.posting.form())
    probe.report(f"multipart/form-data: {'accepted' if exchange.ok else exchange.told}")


def post_multipart(probe: Probe, fields: Fields, photo: bytes | None = None) -> Exchange:
    """Send a multipart form with the user's key and jurisdiction."""
    probe.posting.works()
    aim = probe.target.aim
    known: Fields = (("api_key", aim.api_key),)
    known += (("jurisdiction_id", aim.jurisdiction_id),) if aim.jurisdiction_id else ()
    return probe.send(
        probe.posting.query(
            (),
            body=multipart(known + fields, photo),
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
            odd=True,
        )
    )


@writes("C-131")
def body_beats_query(probe: Probe) -> None:
    posting = probe.posting
    posting.works()
    aim = probe.target.aim
    fields = posting.form(posting.service("realtime"), description=f"{NOTICE} body")
    in_query: Fields = (("api_key", aim.api_key), ("description", f"{NOTICE} query"))
    in_query += (("jurisdiction_id", aim.jurisdiction_id),) if aim.jurisdiction_id else ()
    exchange = probe.send(posting.query(fields, in_query=in_query))
    probe.require(exchange.ok, f"key in the query: {exchange.told}", exchange)
    row, answer = back(probe, text(created(exchange), "service_request_id"))
    returned = text(row, "description")
    if not returned:
        probe.skip("the description is withheld: the request awaits moderation")
    probe.require(returned.endswith("body"), "the query won over the body", answer)


@writes("C-132")
def what_was_posted_can_be_read(probe: Probe) -> None:
    service = probe.posting.service("realtime")
    fields = probe.posting.form(service)
    service_request_id = made(probe, fields)
    sent = dict(fields)
    for fmt in probe.target.formats:
        exchange = probe.one(service_request_id, fmt, fresh=True)
        probe.require(exchange.ok, f"reading it back gave {exchange.told}", exchange)
        rows = probe.rows(exchange)
        probe.require(rows, "reading it back gave nothing", exchange)
        row = rows[0]
        same = text(row, "service_code") == sent["service_code"]
        probe.require(same, f"service_code is {text(row, 'service_code')!r}", exchange)
        if not text(row, "description"):
            probe.warn("text and place are withheld: the request awaits moderation")
            continue
        same_text = alike(row.get("description"), sent["description"])
        probe.require(same_text, "the description is another one", exchange)
        for name in ("lat", "long"):
            near = abs((number(row, name) or 0) - float(sent[name])) < 1e-4
            probe.require(near, f"{name} is {text(row, name)!r}, sent {sent[name]}", exchange)


@writes("C-133")
def dates_of_a_new_request(probe: Probe) -> None:
    service_request_id = made(probe, probe.posting.form(probe.posting.service("realtime")))
    row, exchange = back(probe, service_request_id)
    probe.require(text(row, "status").lower() == "open", "it is not open", exchange)
    requested = instant(text(row, "requested_datetime"))
    updated = instant(text(row, "updated_datetime"))
    if requested is None:
        probe.skip("requested_datetime cannot be read (C-011)")
    far = abs(now() - requested) > timedelta(minutes=10)
    written = text(row, "requested_datetime")
    probe.require(not far, f"requested_datetime is {written}, now is {now():%FT%TZ}", exchange)
    probe.require(updated, "updated_datetime is absent", exchange)
    earlier = updated is not None and updated < requested
    probe.require(not earlier, "updated_datetime lies before requested_datetime", exchange)
