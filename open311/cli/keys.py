"""open311 key: who may send and change requests."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import click

from open311.cli.site import open_installation
from open311.cli.teaching import TeachingGroup
from open311.domain.errors import NotFound
from open311.operations.installation import Installation
from open311.operations.keys import (
    LONGEST_SAME_BODY_WINDOW_S,
    RIGHTS,
    create_key,
    find_key,
    revoke_key,
    rotate_key,
)
from open311.storage.catalogue import StoredKey

_json = click.option("--json", "as_json", is_flag=True, help="Répondre en JSON, pour un programme.")


@click.group(cls=TeachingGroup)
def key() -> None:
    """Créer, remplacer, retirer et lister les clés d'API.

    Seule l'empreinte d'une clé est conservée : elle n'est montrée qu'une fois.
    """


@key.command()
@click.option(
    "--jurisdiction", "-j", "jurisdictions", multiple=True, required=True, metavar="ID",
    help="Juridiction où la clé vaut ; répétable ; « * » pour toutes.",
)  # fmt: skip
@click.option(
    "--right", "rights", multiple=True, type=click.Choice(RIGHTS), default=("create", "update"),
    help="Droit donné ; répétable ; create et update si rien n'est dit.",
)  # fmt: skip
@click.option("--label", default="", metavar="TEXTE", help="À qui est la clé, pour s'y retrouver.")
@click.option("--test", is_flag=True, help="Clé des points d'accès de test seulement.")
@click.option(
    "--expires-days", type=click.IntRange(1, 3650), metavar="JOURS", help="Durée de vie de la clé."
)
@click.option(
    "--client-reference", metavar="CODE",
    help="Attribut dont chaque valeur n'est acceptée qu'une fois par clé (référence du client).",
)  # fmt: skip
@click.option(
    "--same-body-window", type=click.IntRange(0, LONGEST_SAME_BODY_WINDOW_S), default=0,
    metavar="SECONDES",
    help="Durée pendant laquelle un envoi identique est la même demande.",
)  # fmt: skip
@_json
def create(
    jurisdictions: tuple[str, ...],
    rights: tuple[str, ...],
    label: str,
    test: bool,  # noqa: FBT001 - click gives options by name
    expires_days: int | None,
    client_reference: str | None,
    same_body_window: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Créer une clé et l'afficher, une seule fois.

    open311 key create --jurisdiction gentilly.fr --label "Application mobile"
    open311 key create --jurisdiction '*' --right create --right staff --expires-days 365

    Droits : create (déposer), update (ajouter une suite), staff (agir en agent), peer (être
    un autre serveur, cru quand il dit par où une demande est passée).
    """
    with open_installation() as here:
        _check_served(here, jurisdictions)
        now = here.now()
        expires = None if expires_days is None else now + timedelta(days=expires_days)
        made = here.database.write(
            lambda connection: create_key(
                connection,
                label=label,
                jurisdictions=jurisdictions,
                rights=rights,
                environment="test" if test else "production",
                now=now,
                expires_datetime=expires,
                client_reference=client_reference,
                same_body_window_s=same_body_window,
            )
        )
        _show_once(made, find_key(here.keys, made), as_json=as_json)


@key.command()
@click.argument("key_", metavar="CLÉ")
@click.option(
    "--overlap-days", type=click.IntRange(0, 365), default=14, metavar="JOURS",
    help="Temps pendant lequel l'ancienne clé vaut encore (14 si rien n'est dit).",
)  # fmt: skip
@click.option(
    "--right", "rights", multiple=True, type=click.Choice(RIGHTS),
    help="Droit que la nouvelle clé a de plus ; répétable.",
)  # fmt: skip
@_json
def rotate(key_: str, overlap_days: int, rights: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001
    """Remplacer une clé par une nouvelle qui a les mêmes droits, ou davantage.

    CLÉ est l'identifiant montré par « open311 key list », ou la clé elle-même.

        open311 key rotate 3f9a1c7e2b04 --overlap-days 7
        open311 key rotate 3f9a1c7e2b04 --right peer
    """
    with open_installation() as here:
        old = find_key(here.keys, key_)
        overlap = timedelta(days=overlap_days)
        now = here.now()
        made = here.database.write(
            lambda c: rotate_key(c, old, now=now, overlap=overlap, more_rights=rights)
        )
        _show_once(made, find_key(here.keys, made), as_json=as_json)


@key.command()
@click.argument("key_", metavar="CLÉ")
def revoke(key_: str) -> None:
    """Retirer une clé, tout de suite et partout.

    open311 key revoke 3f9a1c7e2b04
    """
    with open_installation() as here:
        old, now = find_key(here.keys, key_), here.now()
        here.database.write(lambda connection: revoke_key(connection, old, now=now))
        click.echo(f"La clé {old.api_key_id} ne vaut plus rien.")


@key.command(name="list")
@_json
def list_(as_json: bool) -> None:  # noqa: FBT001
    """Lister les clés, sans leur secret.

    open311 key list --json
    """
    with open_installation() as here:
        now, keys = here.now(), list(here.keys.values())
    if as_json:
        click.echo(json.dumps([_described(each, now) for each in keys], ensure_ascii=False))
        return
    for each in keys:
        row = _described(each, now)
        places, rights = ", ".join(each.jurisdictions), ", ".join(each.rights)
        click.echo(
            f"{each.api_key_id}  {row['state']:<8} {each.environment:<10} "
            f"{places} ({rights})  {each.label}"
        )


def _check_served(here: Installation, jurisdictions: tuple[str, ...]) -> None:
    served = {id_ for id_, _ in here.sides}
    for wanted in jurisdictions:
        if wanted not in served | {"*"}:
            known = ", ".join(sorted(served)) or "aucune (open311 jurisdiction apply FICHIER)"
            raise NotFound(f"La juridiction « {wanted} » n'est pas servie ici ; servies : {known}.")


def _show_once(made: str, stored: StoredKey, *, as_json: bool) -> None:
    if as_json:
        shown = {"key": made, **_described(stored, stored.created_datetime)}
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    click.echo(made)
    click.echo("Notez cette clé maintenant : elle ne sera plus jamais affichée.", err=True)


def _described(key: StoredKey, now: datetime) -> dict[str, Any]:
    ended = key.expires_datetime is not None and key.expires_datetime <= now
    return {
        "api_key_id": key.api_key_id,
        "state": "retirée" if key.revoked_datetime else "expirée" if ended else "valable",
        "label": key.label,
        "environment": key.environment,
        "jurisdictions": list(key.jurisdictions),
        "rights": list(key.rights),
        "client_reference": key.client_reference,
        "same_body_window_s": key.same_body_window_s,
        "created_datetime": key.created_datetime.isoformat(),
        "expires_datetime": key.expires_datetime and key.expires_datetime.isoformat(),
        "revoked_datetime": key.revoked_datetime and key.revoked_datetime.isoformat(),
        "replaces_api_key_id": key.replaces_api_key_id,
    }
