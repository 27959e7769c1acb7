"""X-01, X-13, X-16, X-22: extensions of writing."""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta

from open311_conformance.checks.ext_lists import updates
from open311_conformance.checks.formats import ids
from open311_conformance.checks.post import post
from open311_conformance.checks.post_text import made, post_multipart
from open311_conformance.posting import NOTICE, created
from open311_conformance.probe import Probe
from open311_conformance.registry import writes
from open311_conformance.target import WRONG_KEY
from open311_conformance.wire.datetimes import now, w3c
from open311_conformance.wire.forms import Fields
from open311_conformance.wire.reading import rows, text


def grey_square(side: int = 64) -> bytes:
    """A small PNG image, made here so that no file has to be shipped."""

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + b"\x80" * side) * side)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@writes("X-01")
def photos(probe: Probe) -> None:
    fields = probe.posting.form(probe.posting.service("realtime"))
    exchange = post_multipart(probe, fields, grey_square())
    if not exchange.ok:
        probe.skip(f"not offered: multipart with a photo answered {exchange.told}")
    service_request_id = text(created(exchange), "service_request_id")
    answer = probe.one(service_request_id, fresh=True)
    found = rows(answer)
    if found and not text(found[0], "description"):
        probe.skip("the photo is withheld: the request awaits moderation")
    probe.require(found and text(found[0], "media_url"), "the photo has no media_url", answer)


def update_form(service_request_id: str, update_id: str) -> Fields:
    """A valid update of a request."""
    return (
        ("service_request_id", service_request_id),
        ("update_id", update_id),
        ("status", "OPEN"),
        ("updated_datetime", w3c(now())),
        ("description", NOTICE),
    )


@writes("X-13")
def updates_can_be_posted(probe: Probe) -> None:
    updates(probe)  # detects
    service_request_id = made(probe, probe.posting.form(probe.posting.service("realtime")))
    form = update_form(service_request_id, f"conformance-{now().timestamp():.0f}")
    resource = "servicerequestupdates"
    keyless = probe.posting.query(form, resource=resource, key=WRONG_KEY, expects=(403,), odd=True)
    probe.must_refuse(probe.send(keyless), 403)
    given = []
    for _ in range(2):
        exchange = probe.send(probe.posting.query(form, resource=resource, odd=True))
        if exchange.status in (404, 405):
            probe.skip(f"not offered: posting an update answered {exchange.told}")
        probe.require(exchange.ok, f"a valid update answered {exchange.told}", exchange)
        row = created(exchange)
        given.append(text(row, "update_id") or text(row, "token"))
    probe.require(given[0], "no update_id came back", probe.trail[-1])
    probe.require(given[0] == given[1], "one update_id sent twice made two", probe.trail[-1])
    window = (
        ("start_date", w3c(now() - timedelta(hours=1))),
        ("end_date", w3c(now() + timedelta(hours=1))),
    )
    listed = [text(row, "update_id") for row in updates(probe, *window)]
    probe.require(listed.count(given[0]) <= 1, "the update is listed twice", probe.trail[-1])


@writes("X-16")
def moderation(probe: Probe) -> None:
    exchange = post(probe, probe.posting.form(probe.posting.service("realtime")))
    service_request_id = text(created(exchange), "service_request_id")
    answer = probe.one(service_request_id, fresh=True)
    listed = service_request_id in ids(probe.listed(fresh=True))
    if listed:
        probe.skip("not offered: a new request is listed at once")
    probe.require(answer.ok, f"neither listed nor readable by id ({answer.told})", answer)


@writes("X-22")
def bearer_keys(probe: Probe) -> None:
    posting = probe.posting
    posting.works()
    for key, right in ((probe.target.aim.api_key, True), (WRONG_KEY, False)):
        bearer = (("Authorization", f"Bearer {key}"),)
        exchange = probe.send(
            posting.query(posting.form(), key="", headers=bearer, expects=(403,), odd=True)
        )
        if right and not exchange.ok:
            probe.skip(f"not offered: Authorization: Bearer answered {exchange.told}")
        if not right:
            probe.must_refuse(exchange, 403)
