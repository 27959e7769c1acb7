"""open311 db: the schema of the database, and its health."""

from __future__ import annotations

import click

from open311.cli.site import open_database, read_settings
from open311.cli.teaching import TeachingGroup
from open311.storage import migrate


@click.group(cls=TeachingGroup)
def db() -> None:
    """Créer, mettre à jour et vérifier la base de données."""


@db.command()
def upgrade() -> None:
    """Créer les tables, ou les amener à la version de ce programme.

    Sans effet quand elles y sont déjà. Sauvegardez d'abord une base qui sert.

        OPEN311_DATABASE_URL=sqlite:///open311.sqlite3 open311 db upgrade
        OPEN311_DATABASE_URL=postgresql://open311@localhost/open311 open311 db upgrade
    """
    with open_database(read_settings(), at_head=False) as database:
        before = migrate.current_revision(database)
        migrate.upgrade(database)
        after = migrate.current_revision(database)
    if before == after:
        click.echo(f"La base est à jour (révision {after}).")
    else:
        click.echo(f"La base est passée de la révision {before or 'aucune'} à {after}.")
