"""What people must be told of deliveries: late, unknown, dead, stopped, not understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from open311.domain.delivery import Destination
from open311.operations.copies import held_sentence
from open311.operations.installation import Installation
from open311.operations.undeclared import all_destinations, undeclared_sentences
from open311.storage import delivery_records, destinations, inbox

_log = structlog.get_logger("open311.alert")

#: An alert that nothing has changed about is repeated after this long.
_REPEAT = timedelta(days=1)
#: Hands an alert to people: (destination, text). Any exception means that it did not.
Channel = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that needs a person: `kind` stays the same while it lasts."""

    kind: str
    sentence: str


def raise_alerts(
    installation: Installation, channels: list[tuple[str, Channel]], now: datetime
) -> int:
    """Tell people what is wrong, once, again after a day; how many destinations were told of.

    Of all workers one speaks. An alert that no channel took is tried again a minute later.
    """
    told = 0
    for name, found in troubles_of(installation, now).items():
        kinds = " ".join(sorted(trouble.kind for trouble in found))
        take = partial(
            destinations.take_alert, name=name, kinds=kinds or None, now=now, repeat=_REPEAT
        )
        if not installation.database.write(take):
            continue
        text = "\n".join(trouble.sentence for trouble in found)
        _log.warning("deliveries need a person", destination=name, kinds=kinds)
        if not _hand_over(channels, name, text):
            installation.database.write(partial(destinations.forget_alert, name=name))
        told += 1
    return told


def troubles_of(installation: Installation, now: datetime) -> dict[str, list[Trouble]]:
    """What is wrong with each destination of the installation; an empty list when nothing is.

    Destinations that are declared no more, but were, or are waited for, are among them.
    """
    database = installation.database
    states, counts = destinations.all_states(database), delivery_records.counts(database)
    oldest, events = delivery_records.oldest_undelivered(database), inbox.counts(database)
    held = held_sentence(database)
    found: dict[str, list[Trouble]] = {name: [] for name in states}
    for name, sentence in undeclared_sentences(installation).items():
        found[name] = [Trouble("undeclared", sentence)]
    for destination in all_destinations(installation):
        name = destination.name
        state = states.get(name, destinations.DestinationState(name))
        found[name] = [
            *([Trouble("held", held)] if held else ()),
            *_stopped(name, state),
            *_late(destination, oldest.get(name), now),
            *_waiting(name, "unknown", counts.get((name, "unknown"), 0)),
            *_waiting(name, "dead", counts.get((name, "dead"), 0)),
            *_waiting(name, "unmapped", events.get((name, inbox.UNMAPPED), 0)),
        ]
    return found


def _stopped(name: str, state: destinations.DestinationState) -> Iterator[Trouble]:
    if state.paused:
        yield Trouble(
            "paused",
            f"« {name} » est arrêtée : {state.reason or 'sans raison dite'} "
            f"(open311 destination resume {name}).",
        )
    elif state.reason:
        yield Trouble("fault", f"« {name} » : {state.reason}")


def _late(destination: Destination, oldest: datetime | None, now: datetime) -> Iterator[Trouble]:
    if oldest is None or (now - oldest).total_seconds() < destination.alert_after_s:
        return
    hours = (now - oldest).total_seconds() / 3600
    yield Trouble(
        "late",
        f"« {destination.name} » : le plus ancien envoi attend depuis {hours:.0f} h "
        f"(open311 delivery list --destination {destination.name}).",
    )


_SENTENCES = {
    "unknown": "{n} envoi(s) dont personne ne sait s'ils sont arrivés : regardez dans l'outil, "
    "puis open311 delivery resolve",
    "dead": "{n} envoi(s) refusé(s) ou abandonné(s) : corrigez, puis open311 delivery replay",
    "unmapped": "{n} changement(s) d'un état inconnu : complétez la table d'états du profil",
}


def _waiting(name: str, kind: str, count: int) -> Iterator[Trouble]:
    if count:
        yield Trouble(kind, f"« {name} » : {_SENTENCES[kind].format(n=count)}.")


def _hand_over(channels: list[tuple[str, Channel]], name: str, text: str) -> bool:
    """Give an alert to every channel; False when none took it.

    One that took it is enough: it must not be told every minute because another is broken.
    """
    taken = not channels
    for label, channel in channels:
        try:
            channel(name, text)
            taken = True
        except Exception as error:  # noqa: BLE001 - a broken mail server must not end the worker
            _log.error("alert not handed over", channel=label, reason=type(error).__name__)
    return taken
