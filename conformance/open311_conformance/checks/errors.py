"""C-230 to C-238: errors, judged on all the refusals of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import check, looks_back
from open311_conformance.target import UNKNOWN
from open311_conformance.wire import reading
from open311_conformance.wire.exchange import Exchange
from open311_conformance.wire.reading import Row, local_name, text

PROGRAM = re.compile(
    r"Traceback|Exception\b|\bat [\w.$]+\(|\.py\"?, line|stack ?trace|SQLSTATE|<[a-z]+[ >]",
    re.IGNORECASE,
)
FRENCH_WORDS = (
    "le la les un une des du de est pas inconnu inconnue introuvable aucun aucune demande "
    "obligatoire manquant manquante non cette ce ou et n d l clé requis"
)
ENGLISH_WORDS = "the is not found unknown missing invalid required must be a an"
FRENCH = frozenset(FRENCH_WORDS.split())
ENGLISH = frozenset(ENGLISH_WORDS.split())


def provoke(probe: Probe) -> None:
    """Make one refusal of each reading kind, so that there is something to judge."""
    for fmt in probe.target.formats:
        for resource in (f"services/{UNKNOWN}", "requests/2147480311", f"tokens/{UNKNOWN}"):
            probe.get(resource, fmt, expects=(404,))
        probe.get("requests", fmt, (("start_date", "hier"),), expects=(400,))
    probe.trail.clear()


def refusals(probe: Probe) -> list[Exchange]:
    """All refusals of the run on API paths, odd queries left out."""
    provoke(probe)
    found = [
        exchange
        for exchange in list(probe.target.client.log)
        if exchange.refused and not exchange.query.odd
    ]
    if not found:
        probe.skip("the server refused nothing")
    return found


@looks_back("C-230")
def refusals_have_a_body(probe: Probe) -> None:
    for exchange in refusals(probe):
        try:
            found = reading.errors(exchange)
        except reading.Unreadable as error:
            probe.fail(f"{exchange.told}: {error}", exchange)
        for error_row in found:
            for name in ("code", "description"):
                probe.require(name in error_row, f"an error has no {name}", exchange)


@looks_back("C-231")
def errors_have_an_error_status(probe: Probe) -> None:
    provoke(probe)
    for exchange in list(probe.target.client.log):
        if not exchange.ok or exchange.query.odd or exchange.query.method != "GET":
            continue
        refused_in_body = exchange.root is not None and local_name(exchange.root) == "errors"
        if exchange.query.fmt == "json":
            listed = reading.objects(exchange.json)
            refused_in_body = bool(listed) and set(listed[0]) == {"code", "description"}
        page = exchange.is_html
        probe.require(not refused_in_body, f"an error told with {exchange.told}", exchange)
        probe.require(not page, f"a web page with {exchange.told}", exchange)


@looks_back("C-232")
def statuses_are_used_right(probe: Probe) -> None:
    for exchange in refusals(probe):
        wanted = exchange.query.expects
        usual = exchange.status in (400, 403, 404, *wanted)
        probe.require(usual, f"{exchange.told} is not one of 400, 403, 404", exchange)


def descriptions(probe: Probe) -> Iterator[tuple[Exchange, Row]]:
    """Every error that can be read."""
    seen = 0
    for exchange in refusals(probe):
        try:
            found = reading.errors(exchange)
        except reading.Unreadable:
            continue
        for row in found:
            seen += 1
            yield exchange, row
    if not seen:
        probe.skip("no refusal has a readable body (C-230)")


@looks_back("C-233")
def errors_are_for_people(probe: Probe) -> None:
    for exchange, row in descriptions(probe):
        said = text(row, "description")
        probe.require(said, "an error has no description", exchange)
        probe.require(not PROGRAM.search(said), f"not for people: {said[:120]!r}", exchange)


@looks_back("C-234")
def errors_have_a_code(probe: Probe) -> None:
    for exchange, row in descriptions(probe):
        code = text(row, "code")
        probe.require(code, "an error has no code", exchange)
        if code.isdigit() and 100 <= int(code) < 600:
            same = int(code) == exchange.status
            probe.require(same, f"code {code} with {exchange.told}", exchange)


@check("C-235")
def errors_are_in_french(probe: Probe) -> None:
    plain = probe.get("requests/2147480311", expects=(404,))
    try:
        said = text(reading.errors(plain)[0], "description")
    except reading.Unreadable as error:
        raise NotTested(str(error)) from error
    words = set(re.findall(r"\w+", said.lower()))
    french = len(words & FRENCH) + len(re.findall(r"[éèêàçùôîœ]", said))
    probe.require(french > len(words & ENGLISH), f"not in French: {said[:120]!r}", plain)
    english = (("Accept-Language", "en"),)
    other = probe.get(
        "requests/2147480311", params=(("locale", "en"),), headers=english, expects=(404,)
    )
    try:
        named = set(reading.errors(other)[0]) >= {"code", "description"}
    except reading.Unreadable:
        named = False
    probe.require(named, "with another language the shape of the error changes", other)


@looks_back("C-237")
def slow_down_says_how_long(probe: Probe) -> None:
    limited = probe.target.client.rate_limited
    if not limited:
        probe.skip("the server never asked to slow down (429); this run did not push it")
    for exchange in limited:
        probe.require(exchange.headers.get("Retry-After"), "429 without Retry-After", exchange)


@check("C-238")
def unknown_suffix_is_told_in_xml(probe: Probe) -> None:
    exchange = probe.get("services", "foo", odd=True)
    if exchange.ok:
        probe.skip("the suffix .foo is answered with success (C-018)")
    root = exchange.root
    told = root is not None and local_name(root) == "errors"
    probe.require(told, "the body is not an XML document of errors", exchange)
