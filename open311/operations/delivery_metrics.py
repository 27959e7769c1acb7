"""Deliveries in numbers, for a monitoring system (Prometheus text format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from open311.operations.installation import Installation
from open311.operations.undeclared import all_destinations, undeclared
from open311.storage import delivery_records, destinations, inbox

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


def delivery_metrics(installation: Installation, now: datetime) -> str:
    """Every metric of deliveries; the names are documented in docs/delivery.md."""
    database = installation.database
    declared = [destination.name for destination in all_destinations(installation)]
    names = [*declared, *undeclared(installation)]
    stored = destinations.all_states(database)
    states = {name: stored.get(name, destinations.DestinationState(name)) for name in declared}
    oldest = delivery_records.oldest_undelivered(database)
    waiting, since = delivery_records.waiting_outbox(database)
    families = (
        _family("open311_outbox_events", "events that no worker has routed yet", [({}, waiting)]),
        _family(
            "open311_outbox_oldest_seconds", "age of the oldest of them", [({}, _age(since, now))]
        ),
        _family(
            "open311_delivery_oldest_seconds",
            "age of the oldest undelivered step",
            [({"destination": name}, _age(oldest.get(name), now)) for name in names],
        ),
        _family(
            "open311_deliveries",
            "steps by state: dead are dead letters, unknown wait for a person",
            _by_state(delivery_records.counts(database)),
        ),
        _family(
            "open311_delivery_attempts",
            "recorded attempts of the last 90 days, by outcome",
            _labelled(delivery_records.attempt_counts(database), "outcome"),
        ),
        _family(
            "open311_inbox_events",
            "changes told by tools, by what became of them",
            _by_state(inbox.counts(database)),
        ),
        _family(
            "open311_destination_stopped",
            "1 while a destination is paused, its circuit is open, or nobody declares it",
            [({"destination": name}, _stopped(states, name, now)) for name in names],
        ),
    )
    return "".join(line for family in families for line in family)


def _stopped(states: Mapping[str, destinations.DestinationState], name: str, now: datetime) -> int:
    return 0 if name in states and states[name].may_go(now) else 1


def _by_state(counts: Mapping[tuple[str, str], int]) -> Iterable[Sample]:
    return _labelled(counts, "state")


def _labelled(counts: Mapping[tuple[str, str], int], label: str) -> Iterable[Sample]:
    for (destination, value), count in sorted(counts.items()):
        yield {"destination": destination, label: value}, count


def _family(name: str, help_: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {help_}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{text}"' for key, text in labels.items())
        yield f"{name}{{{inner}}} {value:g}\n" if inner else f"{name} {value:g}\n"


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
