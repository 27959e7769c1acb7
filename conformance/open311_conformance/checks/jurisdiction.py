"""C-050 to C-059: jurisdictions and keys."""

from __future__ import annotations

from open311_conformance.model import NotTested
from open311_conformance.probe import Probe
from open311_conformance.registry import check, writes
from open311_conformance.target import UNKNOWN, WRONG_KEY
from open311_conformance.wire.exchange import Exchange, Query
from open311_conformance.wire.forms import URLENCODED, urlencode
from open311_conformance.wire.reading import error_text


def resources(probe: Probe) -> list[str]:
    """The four GET resources, as far as there is something to read."""
    return ["services", "requests", *probe.some_resources()]


@check("C-050")
def one_jurisdiction_needs_no_id(probe: Probe) -> None:
    if probe.target.multi:
        probe.skip("the endpoint serves several jurisdictions")
    for resource in resources(probe):
        exchange = probe.get(resource, jurisdiction_id="", expects=(200,))
        probe.require(exchange.status not in (400, 404), f"answered {exchange.told}", exchange)
        if probe.target.aim.jurisdiction_id:
            own = probe.get(resource)
            probe.require(own.ok, f"with its own id answered {own.told}", own)


def post_for(probe: Probe, jurisdiction_id: str) -> Exchange | None:
    """A POST for another jurisdiction (or none), if posting is allowed."""
    if not (probe.target.aim.write and probe.target.aim.api_key):
        return None
    try:
        fields = (("api_key", probe.target.aim.api_key), *probe.posting.form())
    except NotTested as error:
        probe.warn(f"the POST was left out: {error}")
        return None
    fields += (("jurisdiction_id", jurisdiction_id),) if jurisdiction_id else ()
    url = probe.target.url("requests", "xml", ())
    headers = (("Content-Type", URLENCODED),)
    body = urlencode(fields)
    return probe.send(Query("POST", url, "requests", "xml", headers, body, expects=(400, 404)))


def refused_everywhere(probe: Probe, jurisdiction_id: str, status: int) -> None:
    """Every method refuses a jurisdiction_id with a status, and says so."""
    if not probe.target.multi:
        probe.skip("the endpoint serves one jurisdiction")
    answers: list[Exchange | None] = [
        probe.get(resource, jurisdiction_id=jurisdiction_id, expects=(status,))
        for resource in resources(probe)
    ]
    answers.append(post_for(probe, jurisdiction_id))
    for exchange in filter(None, answers):
        probe.must_refuse(exchange, status)
        said = error_text(exchange)
        probe.require(said.strip(), "the body does not say why", exchange)
        if "jurisdiction" not in said.lower() and jurisdiction_id not in said:
            probe.warn("the text does not name jurisdiction_id")


@writes("C-051")
def missing_jurisdiction(probe: Probe) -> None:
    refused_everywhere(probe, "", 400)


@writes("C-052")
def unknown_jurisdiction(probe: Probe) -> None:
    refused_everywhere(probe, UNKNOWN, 404)


@check("C-053")
def foreign_jurisdiction(probe: Probe) -> None:
    if probe.target.multi:
        probe.skip("the endpoint serves several jurisdictions (C-052)")
    foreign = probe.get("services", jurisdiction_id=UNKNOWN, expects=(404,))
    probe.must_refuse(foreign, 404)
    if probe.target.aim.jurisdiction_id:
        own = probe.get("services")
        probe.require(own.ok, f"its own id gave {own.told}", own)
    else:
        probe.warn("its own id is not known: give --jurisdiction-id")


@check("C-054")
def reading_needs_no_key(probe: Probe) -> None:
    for resource in resources(probe):
        exchange = probe.get(resource)
        open_to_all = exchange.status not in (401, 403)
        probe.require(open_to_all, f"{resource} answered {exchange.told}", exchange)


@writes("C-055")
def posting_needs_a_key(probe: Probe) -> None:
    for key in ("", WRONG_KEY):
        query = probe.posting.query(probe.posting.form(), key=key, expects=(403,))
        probe.must_refuse(probe.send(query), 403)


@check("C-056")
def wrong_key_on_get(probe: Probe) -> None:
    for resource in ("services", "requests"):
        plain = probe.get(resource)
        if not plain.ok:
            probe.skip(f"{resource} is refused anyway ({plain.told})")
        exchange = probe.get(resource, params=(("api_key", WRONG_KEY),))
        probe.require(exchange.ok, f"{resource} answered {exchange.told}", exchange)


@writes("C-057")
def other_ways_for_the_key(probe: Probe) -> None:
    posting = probe.posting
    posting.works()
    key = probe.target.aim.api_key
    bearer = (("Authorization", f"Bearer {key}"),)
    in_header = posting.query(posting.form(), key="", headers=bearer, expects=(403,), odd=True)
    in_query = posting.query(
        posting.form(), key="", in_query=(("api_key", key),), expects=(403,), odd=True
    )
    taken = [probe.send(query).ok for query in (in_header, in_query)]
    words = ["accepted" if ok else "refused" for ok in taken]
    probe.report(f"Bearer header: {words[0]}; query string: {words[1]}")


@writes("C-059")
def key_comes_before_rules(probe: Probe) -> None:
    fields = probe.posting.form(service_code=UNKNOWN)
    query = probe.posting.query(fields, key=WRONG_KEY, expects=(403,))
    probe.must_refuse(probe.send(query), 403)
