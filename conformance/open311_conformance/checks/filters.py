"""C-171 to C-174, C-182 to C-185, C-196: filters of the request list that are not dates."""

from __future__ import annotations

from open311_conformance.checks.formats import EMPTY_WINDOW, ids
from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.target import UNKNOWN
from open311_conformance.wire.reading import Row, text


def two(probe: Probe) -> list[str]:
    """The ids of two listed requests."""
    found = list(dict.fromkeys(ids(probe.target.sample)))
    if len(found) < 2:
        probe.skip("fewer than two requests to ask for")
    return [found[0], found[-1]]


def exactly(probe: Probe, wanted: list[str], *params: tuple[str, str]) -> None:
    """A filter by ids gives these requests and no other."""
    for fmt in probe.target.formats:
        exchange = probe.get("requests", fmt, params, expects=(200,))
        probe.require(exchange.ok, f"answered {exchange.told}", exchange)
        got = sorted(ids(probe.rows(exchange)))
        probe.require(got == sorted(wanted), f"asked {wanted}, got {got[:6]}", exchange)


@check("C-171")
def by_ids(probe: Probe) -> None:
    wanted = two(probe)
    exactly(probe, wanted, ("service_request_id", ",".join([*wanted, UNKNOWN])))


@check("C-172")
def ids_override_everything(probe: Probe) -> None:
    wanted = two(probe)
    named = ("service_request_id", ",".join(wanted))
    for status in ("open", "closed"):
        exactly(probe, wanted, named, ("status", status))
    exactly(probe, wanted, named, *EMPTY_WINDOW)
    exactly(probe, wanted, named, ("service_code", UNKNOWN))
    if not probe.target.old_sample:
        probe.warn("no request older than 90 days was found to ask for by id")
        return
    old = text(probe.target.old_sample[0], "service_request_id")
    exactly(probe, [old], ("service_request_id", old))


def only(probe: Probe, name: str, allowed: set[str], *params: tuple[str, str]) -> list[Row]:
    """A filter gives only rows with some values in a field."""
    exchange = probe.get("requests", "xml", params, expects=(200,))
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)
    rows = probe.rows(exchange)
    others = {text(row, name).lower() for row in rows} - {value.lower() for value in allowed}
    probe.require(not others, f"{name} {', '.join(sorted(others))!r} slipped in", exchange)
    return rows


def codes(probe: Probe) -> list[str]:
    """Service codes in the sample, at most two."""
    return list(dict.fromkeys(text(row, "service_code") for row in probe.target.sample))[:2]


@check("C-173")
def by_service_code(probe: Probe) -> None:
    chosen = codes(probe)
    rows = only(probe, "service_code", set(chosen), ("service_code", ",".join(chosen)))
    missing = set(chosen) - {text(row, "service_code") for row in rows}
    probe.require(not missing, f"nothing of {', '.join(missing)}", probe.trail[-1])
    rows = only(probe, "service_code", {chosen[0]}, ("service_code", chosen[0]))
    probe.require(rows, f"nothing of {chosen[0]} alone", probe.trail[-1])


@check("C-174")
def by_status(probe: Probe) -> None:
    present = {text(row, "status").lower() for row in probe.target.sample}
    for status in ("open", "closed"):
        rows = only(probe, "status", {status}, ("status", status))
        lost = status in present and not rows
        probe.require(not lost, f"status={status} gave nothing", probe.trail[-1])
    rows = only(probe, "status", {"open", "closed"}, ("status", "open,closed"))
    lost_one = present - {text(row, "status").lower() for row in rows}
    probe.require(not lost_one, f"open,closed lost {', '.join(lost_one)}", probe.trail[-1])
    if present != {"open", "closed"}:
        probe.warn(f"the sample holds only {', '.join(sorted(present))} requests")


@check("C-182")
def unknown_status(probe: Probe) -> None:
    probe.must_refuse(probe.get("requests", "xml", (("status", UNKNOWN),), expects=(400,)), 400)
    exchange = probe.get("requests", "xml", (("status", "OPEN"),), expects=(200,))
    probe.require(exchange.ok, f"status=OPEN answered {exchange.told}", exchange)
    lower = ids(probe.listed(("status", "open")))
    same = set(ids(probe.rows(exchange))) == set(lower)
    probe.require(same, "status=OPEN and status=open differ", exchange)


def empty(probe: Probe, *params: tuple[str, str]) -> None:
    """A filter gives 200 and nothing, in each format."""
    for fmt in probe.target.formats:
        exchange = probe.get("requests", fmt, params, expects=(200,))
        probe.require(exchange.status == 200, f"answered {exchange.told}", exchange)
        probe.require(not probe.rows(exchange), "the list is not empty", exchange)


@check("C-183")
def nothing_is_no_error(probe: Probe) -> None:
    empty(probe, *EMPTY_WINDOW)


@check("C-184")
def unknown_service_code(probe: Probe) -> None:
    empty(probe, ("service_code", UNKNOWN))


@check("C-185")
def loose_lists(probe: Probe) -> None:
    chosen = codes(probe)
    if len(chosen) < 2:
        probe.skip("fewer than two services in the sample")
    plain = set(ids(probe.listed(("service_code", ",".join(chosen)))))
    spaced = (("service_code", " , ".join(chosen)),)
    repeated = tuple(("service_code", code) for code in chosen)
    for params in (spaced, repeated):
        exchange = probe.get("requests", "xml", params)
        same = exchange.ok and set(ids(probe.rows(exchange))) == plain
        how = "repeated" if params is repeated else "with spaces"
        probe.require(same, f"the list {how} selects otherwise", exchange)


@check("C-196")
def never_more_than_a_thousand(probe: Probe) -> None:
    for name in ("page_size", "per_page", "limit"):
        exchange = probe.get("requests", "xml", ((name, "5000"),), odd=True)
        if exchange.ok:
            count = len(probe.rows(exchange))
            probe.require(count <= 1000, f"{name}=5000 gave {count} requests", exchange)
