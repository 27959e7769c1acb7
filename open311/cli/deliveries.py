"""open311 delivery: what was sent to the business tools, and what people decide about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from open311.cli.delivery_texts import delivery_line, delivery_text, described_delivery
from open311.cli.progress import say
from open311.cli.site import open_installation
from open311.cli.teaching import TeachingGroup
from open311.domain.delivery import DeliveryState
from open311.domain.errors import NotFound
from open311.operations import copies, delivery_desk
from open311.operations.installation import Installation
from open311.operations.undeclared import undeclared_sentences
from open311.storage.delivery_records import DeliveryFilter, list_deliveries
from open311.storage.scope import service_request_id_of

_json = click.option("--json", "as_json", is_flag=True, help="Répondre en JSON, pour un programme.")
_number = click.argument("number", type=click.IntRange(1), metavar="ENVOI")
_force = click.option(
    "--force", is_flag=True, help="Même tenu par un worker (leased) : s'il ne vit plus."
)
_STATES = [state.value for state in DeliveryState]


def _chosen(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose deliveries."""
    for option in (
        click.option("--limit", type=click.IntRange(1, 100_000), default=1000, metavar="N",
                     help="Au plus N (1000)."),
        click.option("--newer-hours", type=click.FloatRange(0), metavar="HEURES",
                     help="Nés depuis moins de tant d'heures."),
        click.option("--older-hours", type=click.FloatRange(0), metavar="HEURES",
                     help="Nés depuis plus de tant d'heures."),
        click.option("--destination", metavar="NOM", help="Ceux de cette destination."),
    ):  # fmt: skip
        command = option(command)
    return command


def _filter(
    here: Installation,
    *,
    destination: str | None,
    older_hours: float | None,
    newer_hours: float | None,
    limit: int,
    state: str | None = None,
    number: int | None = None,
) -> DeliveryFilter:
    now = here.now()
    return DeliveryFilter(
        destination=destination,
        state=DeliveryState(state) if state else None,
        created_before=None if older_hours is None else now - timedelta(hours=older_hours),
        created_since=None if newer_hours is None else now - timedelta(hours=newer_hours),
        delivery_key=number,
        limit=limit,
    )


@click.group(cls=TeachingGroup)
def delivery() -> None:
    """Suivre les envois vers les outils métier, et décider de ceux qui sont arrêtés.

    États : pending (attend son tour), leased (part en ce moment), done (arrivé), dead
    (refusé ou abandonné : corrigez, puis replay), unknown (parti sans réponse : regardez
    dans l'outil, puis resolve), cancelled (abandonné par quelqu'un).
    """


@delivery.command(name="list")
@_chosen
@click.option("--state", type=click.Choice(_STATES), help="Ceux de cet état.")
@_json
def list_(as_json: bool, **wanted: Any) -> None:  # noqa: FBT001 - click gives options by name
    """Lister les envois, le plus ancien d'abord.

    open311 delivery list --state dead
    open311 delivery list --destination gentilly-gmao --older-hours 24 --state pending
    """
    with open_installation() as here, here.database.connect() as connection:
        found = list_deliveries(connection, _filter(here, **wanted))
        told = [copies.held_sentence(here.database), *undeclared_sentences(here).values()]
    if as_json:
        click.echo(json.dumps([described_delivery(each) for each in found], ensure_ascii=False))
        return
    for sentence in filter(None, told):
        say(sentence)
    for each in found:
        click.echo(delivery_line(each))


@delivery.command()
@_number
@_json
def show(number: int, as_json: bool) -> None:  # noqa: FBT001
    """Montrer un envoi : chaque essai, ce qui fut envoyé et répondu (secrets masqués).

    open311 delivery show 42
    """
    with open_installation() as here, here.database.connect() as connection:
        whole = delivery_desk.whole_delivery(connection, number)
    if as_json:
        click.echo(json.dumps(described_delivery(whole.delivery, whole), ensure_ascii=False))
        return
    click.echo(delivery_text(whole))


@delivery.command()
@click.argument("number", type=click.IntRange(1), metavar="[ENVOI]", required=False)
@_chosen
def replay(number: int | None, **wanted: Any) -> None:
    """Renvoyer des envois morts (dead), une fois la cause corrigée.

    Chaque envoi garde sa clé : un ticket qui existerait déjà est retrouvé, pas doublé.

        open311 delivery replay 42
        open311 delivery replay --destination gentilly-gmao --newer-hours 48
    """
    _need_choice(number, wanted)
    with open_installation() as here:
        chosen = _filter(here, number=number, **wanted)
        done = here.database.write(lambda c: delivery_desk.replay(c, chosen, here.now()))
    _tell(done, "rejoué", number)


@delivery.command()
@click.argument("number", type=click.IntRange(1), metavar="[ENVOI]", required=False)
@_chosen
@_force
def retry(number: int | None, force: bool, **wanted: Any) -> None:  # noqa: FBT001
    """Faire partir tout de suite des envois qui attendent leur prochain essai (pending).

    Ceux aussi qu'un worker disparu tenait encore (leased), une fois leur bail passé.

        open311 delivery retry 42
        open311 delivery retry --destination gentilly-gmao
    """
    _need_choice(number, wanted)
    with open_installation() as here:
        chosen = _filter(here, number=number, **wanted)
        done = here.database.write(
            lambda c: delivery_desk.retry(c, chosen, here.now(), force=force)
        )
    _tell(done, "avancé", number)


@delivery.command()
@click.argument("number", type=click.IntRange(1), metavar="[ENVOI]", required=False)
@_chosen
@_force
def abandon(number: int | None, force: bool, **wanted: Any) -> None:  # noqa: FBT001
    """Renoncer à des envois ; avec la création d'un ticket, à toutes ses suites.

    open311 delivery abandon 42
    open311 delivery abandon --destination ancienne-gmao
    """
    _need_choice(number, wanted)
    with open_installation() as here:
        write, now = here.database.write, here.now()
        if number is None:
            chosen = _filter(here, **wanted)
            _tell(write(lambda c: delivery_desk.abandon_all(c, chosen, now)), "abandonné", None)
            return
        given_up = write(lambda c: delivery_desk.abandon(c, number, now, force=force))
    id_ = service_request_id_of(given_up.request_key)
    click.echo(f"L'envoi {number} de la demande {id_} vers {given_up.destination} est abandonné.")


@delivery.command()
@_number
@click.option("--ticket", "ticket_id", metavar="ID", help="Il est arrivé : le ticket a cet ID.")
@click.option("--arrived", is_flag=True, help="Il est arrivé (photo, commentaire).")
@click.option("--absent", is_flag=True, help="Il n'est pas dans l'outil : le renvoyer.")
@_force
def resolve(
    number: int,
    ticket_id: str | None,
    arrived: bool,  # noqa: FBT001
    absent: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
) -> None:
    """Dire ce qu'est devenu un envoi parti sans réponse (unknown), après avoir regardé.

    open311 delivery resolve 42 --ticket DI-2026-118
    open311 delivery resolve 43 --absent
    """
    if absent == bool(ticket_id or arrived):
        raise click.UsageError(
            "Dites --ticket ID, --arrived ou --absent.", click.get_current_context()
        )
    with open_installation() as here:
        here.database.write(
            lambda c: delivery_desk.resolve(
                c, number, here.now(), arrived=not absent, ticket_id=ticket_id, force=force
            )
        )
    click.echo(f"L'envoi {number} {'repart' if absent else 'est arrivé'}.")


@delivery.command(name="take-over")
def take_over() -> None:
    """Dire que cette base est celle qui livre, après une restauration ou une copie.

    Une base restaurée ou copiée retient ses envois : deux copies qui livrent feraient
    chaque ticket deux fois. Arrêtez d'abord les workers de l'autre, pour toujours. Ce
    qui a pu partir de l'autre est cherché dans l'outil, ou mis à l'état unknown.

        open311 delivery take-over
    """
    with open_installation() as here:
        taken = copies.take_over(here.database)
    click.echo("Cette base livre." if taken else "Cette base livrait déjà : rien n'est changé.")


def _need_choice(number: int | None, wanted: dict[str, Any]) -> None:
    if number is None and not any(
        wanted[name] for name in ("destination", "older_hours", "newer_hours")
    ):
        raise click.UsageError(
            "Nommez un envoi, ou choisissez-en (--destination…).", click.get_current_context()
        )


def _tell(done: list[Any], verb: str, number: int | None) -> None:
    if not done and number is not None:
        raise NotFound(f"L'envoi {number} n'existe pas, ou n'est pas dans l'état qu'il faut.")
    plural = "s" if len(done) > 1 else ""
    click.echo(f"{len(done)} envoi{plural} {verb}{plural}.")
