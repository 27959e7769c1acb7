"""open311 backup and open311 restore: one moment of everything, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from open311.cli.progress import say
from open311.cli.site import media_store, open_database, read_settings
from open311.cli.teaching import TeachingCommand
from open311.config.settings import Settings
from open311.operations.backup import backup as make_backup
from open311.operations.backup import check_backup
from open311.operations.backup_archive import Manifest, read_register
from open311.operations.restore import ID_GAP, Restore, Restored

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=TeachingCommand)
@click.argument("file", type=_FILE, metavar="FICHIER.tar[.gz]")
@click.option(
    "--without-media", is_flag=True, help="Sans les photos, si leur dépôt est copié à part."
)
def backup(file: Path, without_media: bool) -> None:  # noqa: FBT001 - click gives options by name
    """Sauvegarder la base et les photos, serveur en marche.

    Tout ce qui a été acquitté avant le début y est. Le fichier est relu et vérifié avant
    de recevoir son nom. Il contient les coordonnées des usagers : gardez-le sous clé.

    À côté s'écrit FICHIER.erased.csv, la liste des demandes effacées à la demande des
    usagers (des numéros et des dates, rien d'autre). Gardez-en la dernière version ailleurs :
    une sauvegarde plus ancienne se restaure avec elle, et personne n'est ressuscité.

        open311 backup /var/backups/open311-2026-03-01.tar.gz
    """
    settings = read_settings()
    with open_database(settings, at_head=False) as database:
        made = make_backup(
            database, media_store(settings), file, now=_now(), with_photos=not without_media
        )
    click.echo(f"{made.path} : {_content(made.manifest)}, vérifiée.")
    if made.manifest.missing_photos:
        say(
            f"ATTENTION : {len(made.manifest.missing_photos)} photo(s) manquent au dépôt "
            "(effacées pendant la sauvegarde, ou perdues) ; leurs noms sont dans le manifeste."
        )


@click.command(cls=TeachingCommand)
@click.argument("file", type=_FILE, metavar="FICHIER.tar[.gz]")
@click.option(
    "--into", metavar="DOSSIER|URL",
    help="Dossier vide (open311.sqlite3 et media/), ou base postgresql://… avec --media ; sans "
    "cette option, OPEN311_DATABASE_URL et OPEN311_MEDIA_URL.",
)  # fmt: skip
@click.option(
    "--media", metavar="DOSSIER|URL",
    help="Où vont les photos : avec --into, jamais le dépôt de la base en service.",
)  # fmt: skip
@click.option(
    "--erased", "registers", type=_FILE, multiple=True, metavar="FICHIER",
    help="Registre des effacements, ou sauvegarde plus récente qui le contient ; répétable.",
)  # fmt: skip
@click.option(
    "--force", is_flag=True,
    help="Remplacer une base qui contient des données (SQLite : mise de côté).",
)  # fmt: skip
@click.option(
    "--id-gap", type=click.IntRange(0, 100_000_000), default=ID_GAP, metavar="NOMBRE",
    help="Identifiants sautés, donnés peut-être depuis la sauvegarde (10000 si rien n'est dit).",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Vérifier la sauvegarde, ne rien restaurer.")
def restore(
    file: Path,
    into: str | None,
    media: str | None,
    registers: tuple[Path, ...],
    force: bool,  # noqa: FBT001
    id_gap: int,
    check: bool,  # noqa: FBT001
) -> None:
    """Restaurer une sauvegarde dans une place vide, serveur arrêté.

    La sauvegarde est d'abord vérifiée de bout en bout ; son schéma est amené à la version
    de ce programme. Les clients qui suivent les changements reprennent du début. Une clé
    révoquée depuis la sauvegarde vaut de nouveau : revoyez « open311 key list ».

    Rien n'est livré aux outils métier depuis une base restaurée tant que personne ne dit
    que c'est elle qui livre : « open311 delivery take-over ». Un essai, une copie de
    formation se gardent de le dire.

        open311 restore open311-2026-03-01.tar.gz --check
        open311 restore open311-2026-03-01.tar.gz --into /srv/open311-essai
        open311 restore open311-2026-03-01.tar.gz --erased open311-2026-03-08.tar.gz.erased.csv
    """
    if check:
        click.echo(f"{file} : {_content(check_backup(file))}, en bon état.")
        return
    settings = _destination(into, media)
    names_no_photos = into is not None and "://" in into and media is None
    done = Restore(
        archive=file,
        database_url=settings.database_url,
        media=None if names_no_photos else media_store(settings),
        register=tuple(each for register in registers for each in read_register(register)),
        now=_now(),
        force=force,
        id_gap=id_gap,
    ).run()
    _tell(done, settings)


def _destination(into: str | None, media: str | None) -> Settings:
    """The settings, with the database and the photos that --into and --media name."""
    if into is None or "://" in into:
        return read_settings(database_url=into, media_url=media)
    folder = Path(into).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return read_settings(
        database_url=f"sqlite:///{folder / 'open311.sqlite3'}",
        media_url=media or str(folder / "media"),
    )


def _content(manifest: Manifest) -> str:
    requests = manifest.snapshot.counts["service_request"]
    photos = "sans les photos" if manifest.photos is None else f"{manifest.photos} image(s)"
    return f"sauvegarde du {manifest.created_datetime}, {requests} demande(s), {photos}"


def _tell(done: Restored, settings: Settings) -> None:
    click.echo(
        f"Restaurée : {_content(done.manifest)} ; {done.erased} demande(s) effacée(s) de nouveau ; "
        f"prochain identifiant : {done.last_service_request_id + 1}."
    )
    say(
        "Les envois aux outils métier sont retenus : si cette base remplace l'ancienne, "
        "« open311 delivery take-over » les reprend ; sinon, n'y touchez pas."
    )
    if done.aside is not None:
        say(f"La base remplacée est dans {done.aside} : détruisez-la quand elle ne sert plus.")
    if done.manifest.photos is None:
        say(f"Cette sauvegarde est sans photos : remettez-les dans {settings.media_url}.")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
