"""open311 jurisdiction: territories and catalogues, from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from open311.adapters.registry import profile_faults
from open311.cli.progress import say
from open311.cli.site import open_installation
from open311.cli.teaching import TeachingGroup
from open311.config.errors import JurisdictionFileError
from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.domain.errors import Open311Error
from open311.operations.installation import Installation
from open311.operations.jurisdictions import Applied, apply_jurisdiction
from open311.operations.rerender import rerender_side
from open311.operations.undeclared import left_behind, undeclared_sentences

_files = click.argument(
    "files", nargs=-1, required=True, metavar="FICHIER…", type=click.Path(path_type=Path)
)


@click.group(cls=TeachingGroup)
def jurisdiction() -> None:
    """Vérifier, appliquer et lister les fichiers de juridiction (TOML)."""


@jurisdiction.command()
@_files
def check(files: tuple[Path, ...]) -> None:
    """Vérifier des fichiers ; aucune base n'est nécessaire, rien n'est changé.

    Toutes les fautes sont dites à la fois, chacune avec sa clé. S'il y a une base, les
    envois qui resteraient sans destination sont comptés.

        open311 jurisdiction check gentilly.fr.toml nogent-sur-marne.fr.toml
    """
    checked = _checked(files)
    for sentence in _left_behind([document for _, document in checked]):
        say(sentence)
    for path, document in checked:
        count = len(document["services"])
        click.echo(f"{path} : {document['name']}, {count} services, aucune faute.")


@jurisdiction.command()
@_files
def apply(files: tuple[Path, ...]) -> None:
    """Mettre des fichiers en vigueur, tous ou aucun, et dire ce qui change.

    Appliquer deux fois le même fichier ne change rien. Un service qui a quitté le
    fichier est retiré : ses demandes restent. Le serveur suit dans la seconde.

        open311 jurisdiction apply gentilly.fr.toml
    """
    documents = [document for _, document in _checked(files)]
    with open_installation() as here:
        now = here.now()
        for applied in here.database.write(
            lambda connection: [apply_jurisdiction(connection, each, now=now) for each in documents]
        ):
            _tell(applied)
            if applied.renames:
                _rerender(here, applied)
        for sentence in undeclared_sentences(here).values():
            say(sentence)


@jurisdiction.command(name="list")
def list_() -> None:
    """Lister les juridictions servies.

    open311 jurisdiction list
    """
    with open_installation() as here:
        sides = [side for side in here.sides.values() if not side.scope.is_test]
    for side in sides:
        about = side.jurisdiction
        offered = sum(1 for service in about.services.values() if not service.withdrawn)
        code = about.insee or about.siren or "-"
        click.echo(f"{about.jurisdiction_id:<24} {code:<10} {offered:>3} services  {about.name}")


def _checked(files: tuple[Path, ...]) -> list[tuple[Path, dict[str, Any]]]:
    """Every file with its document; the faults of all files together."""
    documents, faulty = [], []
    for path in files:
        try:
            documents.append((path, _with_sound_profiles(path, read_jurisdiction_file(path))))
        except JurisdictionFileError as error:
            faulty.append(error)
    if len(faulty) == 1:
        raise faulty[0]
    if faulty:
        raise Open311Error("\n".join(f"{e.path} : {each}" for e in faulty for each in e.faults))
    return documents


def _with_sound_profiles(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The document, once the profiles that its destinations name can be used.

    Raises:
        JurisdictionFileError: a profile has faults, or is a template still to be completed.
    """
    faults = [
        f"destinations[{at}].profile : {destination['profile']} : {fault}"
        for at, destination in enumerate(document["destinations"])
        for fault in profile_faults(destination["profile"])
    ]
    if faults:
        raise JurisdictionFileError(path, faults)
    return document


def _left_behind(documents: list[dict[str, Any]]) -> list[str]:
    """What these files would leave without a destination; nothing where there is no database."""
    try:
        with open_installation() as here:
            return left_behind(here, documents)
    except Exception:  # noqa: BLE001 - checking needs no database, nor one that answers
        return []


def _tell(applied: Applied) -> None:
    click.echo(f"{applied.jurisdiction_id} : {'appliqué' if applied.differences else 'inchangé'}.")
    for line in applied.differences:
        click.echo(f"  {line}")


def _rerender(here: Installation, applied: Applied) -> None:
    """Bring the documents of requests to the new words, behind the committed file."""
    for environment in ("production", "test"):
        side = here.side(applied.jurisdiction_id, environment)
        count = sum(rerender_side(here, side))
        if count:
            click.echo(f"  {count} demandes ({environment}) portent les nouveaux noms.")
