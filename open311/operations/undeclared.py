"""Deliveries whose destination no jurisdiction declares any more: nobody sends them.

A destination that left its file, or got another name there, leaves behind what waited
for it. It is counted and told until a person decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from open311.domain.delivery import DeliveryState, Destination
from open311.operations.installation import Installation
from open311.storage import delivery_records

_UNFINISHED = frozenset(
    {DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.DEAD, DeliveryState.UNKNOWN}
)


def all_destinations(installation: Installation) -> list[Destination]:
    """Every destination of the installation, by name."""
    named = {
        destination.name: destination
        for side in installation.sides.values()
        for destination in side.jurisdiction.destinations
    }
    return [named[name] for name in sorted(named)]


def undeclared(
    installation: Installation, declared: Collection[str] | None = None
) -> dict[str, dict[str, int]]:
    """Unfinished deliveries of destinations that are not declared: name → state → how many.

    Args:
        declared: names; None: those that the installation declares now.
    """
    if declared is None:
        declared = {each.name for each in all_destinations(installation)}
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, state), count in sorted(delivery_records.counts(installation.database).items()):
        if name not in declared and state in _UNFINISHED:
            found[name][state] = count
    return dict(found)


def undeclared_sentences(
    installation: Installation, declared: Collection[str] | None = None
) -> dict[str, str]:
    """The same for people, with the ways out: one sentence for each destination."""
    found = undeclared(installation, declared)
    return {name: _sentence(name, counted) for name, counted in found.items()}


def left_behind(
    installation: Installation, documents: Collection[Mapping[str, object]]
) -> list[str]:
    """What would wait for nobody if these jurisdiction documents were in force: sentences."""
    replaced = {document["jurisdiction_id"] for document in documents}
    kept = {
        destination.name
        for (id_, _), side in installation.sides.items()
        for destination in side.jurisdiction.destinations
        if id_ not in replaced
    }
    new = {str(each["name"]) for document in documents for each in _destinations(document)}
    return list(undeclared_sentences(installation, kept | new).values())


def _destinations(document: Mapping[str, object]) -> Collection[Mapping[str, object]]:
    found = document.get("destinations", ())
    assert isinstance(found, list | tuple)
    return found


def _sentence(name: str, counted: Mapping[str, int]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in counted.items())
    return (
        f"« {name} » n'est déclarée dans aucune juridiction, et {sum(counted.values())} envoi(s) "
        f"y attendent ({states}) : remettez-la dans son fichier de juridiction, puis open311 "
        f"jurisdiction apply ; ou renoncez à eux : open311 delivery abandon --destination {name}."
    )
