"""open311 db: the schema of the database, and its health."""

from __future__ import annotations

import click

from open311.cli.site import check_age, open_database, read_settings
from open311.cli.teaching import TeachingGroup
from open311.operations.database_check import check_database
from open311.storage import migrate
from open311.storage.models import Base


@click.group(cls=TeachingGroup)
def db() -> None:
    """Créer, mettre à jour et vérifier la base de données."""


@db.command()
def upgrade() -> None:
    """Créer les tables, ou les amener à la version de ce programme.

    Sans effet quand elles y sont déjà. Sauvegardez d'abord une base qui sert. La base d'un
    autre programme est refusée.

        OPEN311_DATABASE_URL=sqlite:///open311.sqlite3 open311 db upgrade
        OPEN311_DATABASE_URL=postgresql://open311@localhost/open311 open311 db upgrade
    """
    with open_database(read_settings(), at_head=False, makes_it=True) as database:
        before = migrate.current_revision(database)
        check_age(before)
        migrate.upgrade(database)
        after = migrate.current_revision(database)
    if before == after:
        click.echo(f"La base est à jour (révision {after}).")
    else:
        click.echo(f"La base est passée de la révision {before or 'aucune'} à {after}.")


@db.command()
def purge() -> None:
    """Retirer des fichiers de la base les octets de ce qui a été effacé ou changé.

    Sur PostgreSQL, « request erase » rend tout illisible par la base, mais des octets
    restent dans ses fichiers jusqu'à leur réemploi, même après VACUUM. Ici chaque table
    est réécrite (VACUUM FULL), verrouillée le temps de la copie : choisissez une heure
    calme, sans sauvegarde en cours, qui retiendrait ce qu'elle lit. Le journal de
    PostgreSQL (WAL), ses archives et les sauvegardes gardent ce qu'ils ont jusqu'à leur
    propre fin. SQLite efface au fur et à mesure : seul son journal est vidé.

        open311 db purge
    """
    with open_database(read_settings()) as database:
        database.purge(table.name for table in Base.metadata.sorted_tables)
    click.echo("Rien de ce qui a été effacé n'est plus dans les fichiers de la base.")


@db.command()
def check() -> None:
    """Vérifier que la base est entière ; rien n'est changé, le serveur peut tourner.

    Révision et schéma, réglages de durabilité, fichier SQLite, lignes orphelines,
    demandes sans document public ou sans historique. Code de sortie 1 à la moindre faute.

        open311 db check
    """
    with open_database(read_settings(), at_head=False) as database:
        faults = 0
        for fault in check_database(database):
            click.echo(fault)
            faults += 1
    if faults:
        raise click.exceptions.Exit(1)
    click.echo("La base est entière.")
