"""open311 request: what agents do with requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from open311.cli.request_texts import request_line, request_text, whole_request
from open311.cli.site import find_side, open_installation
from open311.cli.teaching import TeachingGroup
from open311.domain.errors import NotFound
from open311.domain.status import Stage, Visibility, is_open
from open311.operations.follow_up import (
    CLOSING_STAGES,
    Step,
    erase_request,
    set_visibility,
    take_step,
)
from open311.operations.installation import Installation, Side
from open311.operations.read_service_requests import read_service_request_id
from open311.storage import requests

_STAGES = [stage.value for stage in Stage]
_OPEN_STAGES = [stage.value for stage in Stage if is_open(stage) and stage is not Stage.REOPENED]


def _placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say in which jurisdiction, and on which side of it."""
    test = click.option("--test", is_flag=True, help="Du côté du point d'accès de test.")
    where = click.option(
        "--jurisdiction", "-j", "jurisdiction_id", metavar="ID",
        help="Juridiction ; inutile quand une seule est servie.",
    )  # fmt: skip
    return where(test(command))


_id = click.argument("id_", metavar="NUMÉRO")
_note = click.option("--note", metavar="TEXTE", help="Note que le public lit.")
_internal = click.option("--internal", metavar="TEXTE", help="Note pour les agents seulement.")
_json = click.option("--json", "as_json", is_flag=True, help="Répondre en JSON, pour un programme.")


@click.group(cls=TeachingGroup)
def request() -> None:
    """Suivre les demandes : les lire, les publier, les faire avancer, les effacer."""


@request.command(name="list")
@_placed
@click.option("--stage", type=click.Choice(_STAGES), help="Celles de cette étape.")
@click.option(
    "--visibility", type=click.Choice([each.value for each in Visibility]),
    help="Celles-ci ; « pending » : celles qui attendent d'être publiées.",
)  # fmt: skip
@click.option("--service", "service_code", metavar="CODE", help="Celles de ce service.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, metavar="N", help="Au plus N (20)."
)
@_json
def list_(
    jurisdiction_id: str | None,
    test: bool,  # noqa: FBT001 - click gives options by name
    limit: int,
    as_json: bool,  # noqa: FBT001
    **wanted: str | None,
) -> None:
    """Lister les demandes, la plus récente d'abord, publiques ou non.

    open311 request list --jurisdiction gentilly.fr --visibility pending
    """
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=test)
        only = {name: value for name, value in wanted.items() if value is not None}
        with here.database.connect() as connection:
            found = requests.latest_requests(connection, side.scope, only, limit)
            if as_json:
                shown = [whole_request(connection, side, each) for each in found]
                click.echo(json.dumps(shown, ensure_ascii=False))
                return
    for each in found:
        click.echo(request_line(each.request, side.jurisdiction.timezone))


@request.command()
@_id
@_placed
@_json
def show(id_: str, jurisdiction_id: str | None, test: bool, as_json: bool) -> None:  # noqa: FBT001
    """Montrer tout d'une demande : réponses, auteur, notes internes, historique.

    open311 request show 1042 --jurisdiction gentilly.fr
    """
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=test)
        number = _number(id_)
        with here.database.connect() as connection:
            stored = requests.find_request(connection, side.scope, number)
            if stored is None:
                raise NotFound(f"La demande « {number} » n'existe pas ici.")
            whole = whole_request(connection, side, stored)
    click.echo(json.dumps(whole, ensure_ascii=False, indent=2) if as_json else request_text(whole))


@request.command()
@_id
@_placed
@_internal
def publish(id_: str, jurisdiction_id: str | None, test: bool, internal: str | None) -> None:  # noqa: FBT001
    """Publier une demande qui attendait, ou qui avait été rejetée.

    open311 request publish 1042 --jurisdiction gentilly.fr
    """
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=test)
        _show_as(here, side, _number(id_), Visibility.PUBLIC, internal)
    click.echo(f"La demande {id_} est publiée.")


@request.command()
@_id
@_placed
@click.option("--spam", is_flag=True, help="La noter comme indésirable.")
@_internal
def reject(
    id_: str,
    jurisdiction_id: str | None,
    test: bool,  # noqa: FBT001
    spam: bool,  # noqa: FBT001
    internal: str | None,
) -> None:
    """Retirer une demande de la vue du public ; elle reste pour les agents.

    open311 request reject 1042 --jurisdiction gentilly.fr --internal "Nomme un voisin"
    """
    visibility = Visibility.SPAM if spam else Visibility.REJECTED
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=test)
        _show_as(here, side, _number(id_), visibility, internal)
    click.echo(f"La demande {id_} n'est plus visible du public.")


@request.command()
@_id
@_placed
@click.option("--stage", type=click.Choice(_OPEN_STAGES), help="Étape atteinte.")
@_note
@_internal
def update(
    id_: str,
    jurisdiction_id: str | None,
    test: bool,  # noqa: FBT001
    stage: str | None,
    note: str | None,
    internal: str | None,
) -> None:
    """Faire avancer une demande, ou y ajouter une note.

    open311 request update 1042 --stage planned --note "Passage jeudi matin"
    open311 request update 1042 --internal "Vu avec le chef de secteur"
    """
    if not (stage or note or internal):
        raise click.UsageError(
            "Il manque --stage, --note ou --internal.", click.get_current_context()
        )
    step = Step(stage=Stage(stage) if stage else None, note=note, internal_note=internal)
    _take(id_, jurisdiction_id, step, test=test)


@request.command()
@_id
@_placed
@click.option(
    "--stage", type=click.Choice([stage.value for stage in CLOSING_STAGES]), default="done",
    help="Comment elle se clôt ; done (traitée) si rien n'est dit.",
)  # fmt: skip
@click.option("--duplicate-of", metavar="NUMÉRO", help="La demande dont elle est le doublon.")
@_note
@_internal
def close(
    id_: str,
    jurisdiction_id: str | None,
    test: bool,  # noqa: FBT001
    stage: str,
    duplicate_of: str | None,
    note: str | None,
    internal: str | None,
) -> None:
    """Clore une demande.

    open311 request close 1042 --note "Enlevé ce matin, merci !"
    open311 request close 1043 --duplicate-of 1042
    """
    step = Step(
        stage=Stage.DUPLICATE if duplicate_of else Stage(stage),
        note=note,
        internal_note=internal,
        parent_service_request_id=_number(duplicate_of) if duplicate_of else None,
    )
    _take(id_, jurisdiction_id, step, test=test)


@request.command()
@_id
@_placed
@_note
@_internal
def reopen(
    id_: str,
    jurisdiction_id: str | None,
    test: bool,  # noqa: FBT001
    note: str | None,
    internal: str | None,
) -> None:
    """Rouvrir une demande close.

    open311 request reopen 1042 --note "Le problème est revenu"
    """
    step = Step(stage=Stage.REOPENED, note=note, internal_note=internal)
    _take(id_, jurisdiction_id, step, test=test)


@request.command()
@_id
@_placed
@click.option("--yes", is_flag=True, help="Ne pas demander confirmation.")
def erase(id_: str, jurisdiction_id: str | None, test: bool, yes: bool) -> None:  # noqa: FBT001
    """Effacer l'auteur, les textes et les photos d'une demande, pour toujours.

    Service, lieu, dates et étapes restent pour les statistiques. Plus personne ne voit
    les photos ; les fichiers de celles qui sont arrivées depuis moins d'une heure partent
    au prochain balayage du serveur, dans la journée. Les sauvegardes faites avant gardent
    ce qu'elles ont ; les fichiers de PostgreSQL, des octets que « db purge » retire.

        open311 request erase 1042 --jurisdiction gentilly.fr
    """
    with open_installation() as here:
        side, number = find_side(here, jurisdiction_id, test=test), _number(id_)
        if not yes:
            click.confirm(f"Effacer pour toujours la demande {number} ?", abort=True)
        url, now = here.public_url, here.now()
        erased = erase_request(here.database, here.media, side, number, public_url=url, now=now)
    click.echo(f"La demande {number} {'est' if erased.was_there else 'était déjà'} effacée.")
    if erased.photos_left:
        click.echo(
            f"{erased.photos_left} fichiers de photos, arrivés depuis moins d'une heure et que "
            "plus personne ne voit, partent au prochain balayage du serveur, dans la journée.",
            err=True,
        )
    if here.database.dialect != "sqlite":
        click.echo(
            "Des octets restent dans les fichiers de PostgreSQL jusqu'à leur réemploi : "
            "« open311 db purge » les en retire, à une heure calme.",
            err=True,
        )


def _take(id_: str, jurisdiction_id: str | None, step: Step, *, test: bool) -> None:
    with open_installation() as here:
        side, number = find_side(here, jurisdiction_id, test=test), _number(id_)
        taken = here.database.write(
            partial(
                take_step,
                side=side,
                service_request_id=number,
                step=step,
                public_url=here.public_url,
                now=here.now(),
            )
        )
    click.echo(f"La demande {number} est à l'étape {taken.stage.value}.")


def _show_as(
    here: Installation, side: Side, id_: int, visibility: Visibility, internal: str | None
) -> None:
    here.database.write(
        partial(
            set_visibility,
            side=side,
            service_request_id=id_,
            visibility=visibility,
            internal_note=internal,
            public_url=here.public_url,
            now=here.now(),
        )
    )


def _number(text: str) -> int:
    found = read_service_request_id(text)
    if found is None:
        raise NotFound(f"« {text[:40]} » n'est pas un numéro de demande.")
    return found
