"""C-170, C-175 to C-181, C-186: dates and order of the request list."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from open311_conformance.checks.formats import ids
from open311_conformance.probe import Probe
from open311_conformance.registry import check
from open311_conformance.target import days_ago
from open311_conformance.wire.datetimes import instant, loosely, now, w3c
from open311_conformance.wire.reading import Row, text

WINDOW = timedelta(days=90)
LEEWAY = timedelta(days=1)  # clocks differ, and days are counted in local time


def requested(row: Row) -> datetime | None:
    """When a request was made."""
    return instant(text(row, "requested_datetime"))


def dated(probe: Probe) -> list[tuple[datetime, Row]]:
    """The sample with readable dates, oldest first."""
    found = [(when, row) for row in probe.target.sample if (when := requested(row))]
    if not found:
        probe.skip("no request with a readable requested_datetime")
    return sorted(found, key=lambda pair: pair[0])


def within(
    probe: Probe, params: tuple[tuple[str, str], ...], after: datetime, before: datetime
) -> list[Row]:
    """A window gives only requests between two instants, both included."""
    exchange = probe.get("requests", "xml", params, expects=(200,))
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)
    rows = probe.rows(exchange)
    for row in rows:
        when = requested(row)
        if when and not after <= when <= before:
            probe.fail(f"{text(row, 'service_request_id')} of {w3c(when)} slipped in", exchange)
    return rows


@check("C-170")
def default_window(probe: Probe) -> None:
    for exchange, rows in probe.lists("requests"):
        probe.require(len(rows) <= 1000, f"{len(rows)} requests", exchange)
        for row in rows:
            when = requested(row)
            old = when and when < now() - WINDOW - LEEWAY
            probe.require(not old, f"a request of {text(row, 'requested_datetime')}", exchange)


def bounds(start: datetime, end: datetime) -> tuple[tuple[str, str], ...]:
    """The two date parameters."""
    return (("start_date", w3c(start)), ("end_date", w3c(end)))


@check("C-175")
def window_is_inclusive(probe: Probe) -> None:
    sample = dated(probe)
    for when, row in (sample[0], sample[-1], sample[len(sample) // 2]):
        if when.microsecond:
            probe.skip("dates have fractions: the edge cannot be hit (C-012)")
        wanted = text(row, "service_request_id")
        for start, end in ((when, when + timedelta(hours=1)), (when - timedelta(hours=1), when)):
            rows = within(probe, bounds(start, end), start, end)
            edge = "start" if start == when else "end"
            included = wanted in ids(rows)
            full = len(rows) >= 1000
            probe.require(
                included or full, f"the request at the {edge} is left out", probe.trail[-1]
            )


@check("C-176")
def offsets_are_honoured(probe: Probe) -> None:
    sample = dated(probe)
    start = sample[len(sample) // 2][0].replace(microsecond=0)
    end = start + timedelta(days=80)
    shifted = timezone(timedelta(hours=5))
    local = tuple(
        (name, moment.astimezone(shifted).strftime("%Y-%m-%dT%H:%M:%S+05:00"))
        for name, moment in (("start_date", start), ("end_date", end))
    )
    in_utc = set(ids(probe.listed(*bounds(start, end))))
    with_offset = set(ids(probe.listed(*local)))
    probe.require(in_utc == with_offset, "Z and +05:00 select differently", probe.trail[-1])


@check("C-177")
def one_sided_windows(probe: Probe) -> None:
    newest = dated(probe)[-1]
    start = newest[0].replace(microsecond=0) - timedelta(hours=1)
    rows = within(probe, (("start_date", w3c(start)),), start, start + WINDOW)
    found = text(newest[1], "service_request_id") in ids(rows)
    probe.require(found or len(rows) >= 1000, "start_date alone lost a request", probe.trail[-1])
    end = newest[0].replace(microsecond=0) + timedelta(hours=1)
    if probe.target.old_sample:
        old = requested(probe.target.old_sample[0])
        end = (old or end) + timedelta(hours=1)
    rows = within(probe, (("end_date", w3c(end)),), end - WINDOW - timedelta(seconds=1), end)
    probe.require(rows, "end_date alone gives nothing", probe.trail[-1])


@check("C-178")
def too_wide_a_window(probe: Probe) -> None:
    start, end = days_ago(200), days_ago(0)
    exchange = probe.get("requests", "xml", bounds(start, end), odd=True)
    if exchange.status == 400:
        return
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)
    days = [when for row in probe.rows(exchange) if (when := requested(row))]
    span = max(days) - min(days) if days else timedelta()
    probe.require(span <= WINDOW + LEEWAY, f"a span of {span.days} days came back", exchange)
    probe.warn("a span of 200 days was cut rather than refused")


@check("C-179")
def upside_down_window(probe: Probe) -> None:
    exchange = probe.get("requests", "xml", bounds(days_ago(1), days_ago(30)), odd=True)
    if exchange.status == 400:
        return
    probe.require(exchange.ok, f"answered {exchange.told}", exchange)
    probe.require(not probe.rows(exchange), "the list is not empty", exchange)


@check("C-180")
def unreadable_date(probe: Probe) -> None:
    for value in ("hier", "2026-13-45T00:00:00Z"):
        params = (("start_date", value),)
        probe.must_refuse(probe.get("requests", "xml", params, expects=(400,)), 400)


@check("C-181")
def loose_dates(probe: Probe) -> None:
    day = f"{days_ago(20):%Y-%m-%d}"
    for value in (
        day,
        f"{day}T08:15Z",
        f"{day}T08:15:00.250Z",
        f"{day}T08:15:00 02:00",
        f"{day}T08:15:00.250+02:00",
        f"{day}T08:15:00",
    ):
        exchange = probe.get("requests", "xml", (("start_date", value),), expects=(200,))
        probe.require(exchange.ok, f"start_date={value} gave {exchange.told}", exchange)


@check("C-186")
def newest_first(probe: Probe) -> None:
    exchange = probe.get("requests")
    rows = probe.rows(exchange)
    if len(rows) < 2:
        probe.skip("fewer than two requests to order")
    moments = [loosely(text(row, "requested_datetime")) for row in rows]
    known = [moment for moment in moments if moment]
    probe.require(known == sorted(known, reverse=True), "not newest first", exchange)
    again = probe.get("requests", params=(("status", ""),))
    if again.ok and set(ids(probe.rows(again))) == set(ids(rows)):
        stable = ids(probe.rows(again)) == ids(rows)
        probe.require(stable, "two calls give two orders", again)
