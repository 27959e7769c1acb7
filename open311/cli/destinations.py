"""open311 destination: the business tools, whether they answer, stopping and resuming them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from open311.adapters.registry import make_adapter
from open311.cli.progress import say
from open311.cli.site import open_installation
from open311.cli.teaching import TeachingGroup
from open311.domain.delivery import Destination, ToolError
from open311.domain.errors import NotFound, Open311Error
from open311.operations.alerts import troubles_of
from open311.operations.copies import held_sentence
from open311.operations.installation import Installation
from open311.operations.undeclared import all_destinations, undeclared
from open311.storage import delivery_records, destinations, hints
from open311.storage.catalogue import bump_configuration
from open311.storage.destinations import DestinationState

_name = click.argument("name", metavar="NOM")
_json = click.option("--json", "as_json", is_flag=True, help="Répondre en JSON, pour un programme.")


@click.group(cls=TeachingGroup)
def destination() -> None:
    """Surveiller les outils métier, les essayer, les arrêter, les reprendre.

    Une destination se déclare dans le fichier de sa juridiction ([[destinations]]).
    """


@destination.command(name="list")
@_json
def list_(as_json: bool) -> None:  # noqa: FBT001 - click gives options by name
    """Lister les destinations : état, envois par état, âge du plus ancien qui attend.

    open311 destination list
    """
    with open_installation() as here:
        found = _described(here)
        held = held_sentence(here.database)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    if held:
        say(held)
    for each in found:
        counted = "  ".join(f"{count} {state}" for state, count in each["deliveries"].items())
        click.echo(f"{each['name']:<24} {each['profile']:<20} {each['state']:<10} {counted}")
        for trouble in each["troubles"]:
            click.echo(f"    {trouble}")


@destination.command()
@_name
def probe(name: str) -> None:
    """Essayer l'adresse, le compte et la version d'un outil, sans rien y changer.

    open311 destination probe gentilly-gmao
    """
    with open_installation() as here:
        adapter = make_adapter(_find(here, name))
    try:
        click.echo(f"{name} : {adapter.probe()}")
    except ToolError as error:
        raise Open311Error(f"{name} : {type(error).__name__} : {error.message}") from error
    finally:
        adapter.close()


@destination.command()
@_name
@click.option("--reason", default="par la ligne de commande", metavar="TEXTE", help="Pourquoi.")
def pause(name: str, reason: str) -> None:
    """Ne plus rien envoyer à un outil ; les envois attendent.

    open311 destination pause gentilly-gmao --reason "Migration jusqu'à lundi"
    """
    with open_installation() as here:
        _find(here, name)
        here.database.write(lambda connection: destinations.pause(connection, name, reason))
    click.echo(f"{name} est arrêtée.")


@destination.command()
@_name
def resume(name: str) -> None:
    """Reprendre les envois vers un outil arrêté (par vous, ou parce qu'il refusait le compte).

    open311 destination resume gentilly-gmao
    """
    with open_installation() as here:
        _find(here, name)

        def again(connection: Any) -> None:
            destinations.resume(connection, name)
            bump_configuration(connection)  # workers read profile and secrets anew
            hints.give_hint(connection)

        here.database.write(again)
    click.echo(f"{name} reprend.")


def _find(here: Installation, name: str) -> Destination:
    known = {each.name: each for each in all_destinations(here)}
    if name not in known:
        told = ", ".join(known) or "aucune"
        raise NotFound(f"La destination « {name} » n'existe pas ; déclarées : {told}.")
    return known[name]


def _described(here: Installation) -> list[dict[str, Any]]:
    now, database = here.now(), here.database
    states, counts = destinations.all_states(database), delivery_records.counts(database)
    oldest, troubles = delivery_records.oldest_undelivered(database), troubles_of(here, now)
    known = [
        (each.name, each.profile, _state(states.get(each.name, DestinationState(each.name)), now))
        for each in all_destinations(here)
    ]
    known += [(name, "-", "inconnue") for name in undeclared(here)]
    return [
        {
            "name": name,
            "profile": profile,
            "state": state,
            "deliveries": {state: n for (of, state), n in counts.items() if of == name},
            "oldest_s": _age_s(oldest.get(name), now),
            "troubles": [trouble.sentence for trouble in troubles[name]],
        }
        for name, profile, state in known
    ]


def _state(state: DestinationState, now: datetime) -> str:
    if state.paused:
        return "arrêtée"
    return "sert" if state.may_go(now) else "au repos"


def _age_s(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else int((now - since).total_seconds())
