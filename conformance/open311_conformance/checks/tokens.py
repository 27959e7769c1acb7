"""C-150 to C-154: tokens of batch services."""

from __future__ import annotations

import math
import time
from itertools import takewhile

from open311_conformance.checks.post import post
from open311_conformance.posting import created
from open311_conformance.probe import Probe
from open311_conformance.registry import check, writes
from open311_conformance.target import UNKNOWN
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.reading import Row, text

BITS = 128


def token(probe: Probe) -> str:
    """The token of a new request on a batch service."""
    exchange = post(probe, probe.posting.form(probe.posting.service("batch")))
    found = text(created(exchange), "token")
    if not found:
        probe.skip("the batch service gave no token (C-103)")
    return found


def look_up(probe: Probe, found: str, fmt: str = "xml") -> tuple[Row, Exchange]:
    """What the token leads to now."""
    exchange = probe.get(f"tokens/{found}", fmt, fresh=True)
    return created(exchange) if exchange.ok else {}, exchange


def wait_for_id(probe: Probe, found: str) -> str:
    """Poll until the id is there or patience ends."""
    deadline = time.monotonic() + probe.target.aim.patience_s
    while True:
        row, _ = look_up(probe, found)
        if text(row, "service_request_id"):
            return text(row, "service_request_id")
        if time.monotonic() > deadline:
            probe.skip(f"no id within {probe.target.aim.patience_s:g} s: raise --patience")
        time.sleep(0.5)


@writes("C-150")
def token_leads_to_a_request(probe: Probe) -> None:
    found = token(probe)
    for fmt in probe.target.formats:
        row, exchange = look_up(probe, found, fmt)
        if exchange.status == 400:
            probe.skip("the token is refused while it waits (C-152)")
        probe.require(exchange.ok, f"answered {exchange.told}", exchange)
        probe.require(text(row, "token") == found, "the token is not repeated", exchange)


@check("C-151")
def unknown_token(probe: Probe) -> None:
    for fmt in probe.target.formats:
        probe.must_refuse(probe.get(f"tokens/{UNKNOWN}", fmt, expects=(404,)), 404)


@writes("C-152")
def waiting_token(probe: Probe) -> None:
    row, exchange = look_up(probe, token(probe))
    probe.require(exchange.status == 200, f"answered {exchange.told} at once", exchange)
    if text(row, "service_request_id"):
        probe.warn("the id was there at once: the waiting state was not seen")


@writes("C-153")
def id_of_a_token_resolves(probe: Probe) -> None:
    exchange = probe.one(wait_for_id(probe, token(probe)), fresh=True)
    probe.require(exchange.ok, f"the id behind the token answered {exchange.told}", exchange)


def shared_start(texts: list[str]) -> int:
    """How many first characters all texts share."""
    columns = zip(*texts, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


@writes("C-154")
def tokens_cannot_be_guessed(probe: Probe) -> None:
    found = [token(probe) for _ in range(3)]
    probe.require(len(set(found)) == 3, "tokens repeat")
    shared = shared_start(found)
    varying = min(len(it.replace("-", "")) for it in found) - shared
    alphabet = 16 if all(c in "0123456789abcdefABCDEF-" for it in found for c in it) else 64
    alphabet = 10 if "".join(found).isdigit() else alphabet
    bits = varying * math.log2(alphabet)
    # Chance makes three tokens share a first character now and then; UUIDs have 122 bits.
    probe.require(bits >= BITS - 8, f"about {bits:.0f} bits vary, {BITS} are wanted")
