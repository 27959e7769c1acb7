"""The open311 command: one module per family of verbs, each imported when it is called."""

from __future__ import annotations

import click

from open311 import __version__
from open311.cli.teaching import TeachingGroup

_COMMANDS = {
    "demo": "open311.cli.demo:demo",
    "serve": "open311.cli.serving:serve",
    "worker": "open311.cli.workers:worker",
    "db": "open311.cli.database:db",
    "jurisdiction": "open311.cli.jurisdictions:jurisdiction",
    "key": "open311.cli.keys:key",
    "request": "open311.cli.requests:request",
    "delivery": "open311.cli.deliveries:delivery",
    "destination": "open311.cli.destinations:destination",
    "adapter": "open311.cli.adapters:adapter",
    "import": "open311.cli.transfer:import_",
    "export": "open311.cli.transfer:export",
    "backup": "open311.cli.backup:backup",
    "restore": "open311.cli.backup:restore",
    "openapi": "open311.cli.openapi:openapi",
}


@click.group(cls=TeachingGroup, lazy=_COMMANDS)
@click.version_option(__version__, prog_name="open311", help="Afficher la version et s'arrêter.")
def main() -> None:
    """Serveur Open311 GeoReport v2 pour les communes et leurs groupements.

    Pour essayer, sans rien régler :

        open311 demo

    Pour installer, dans l'ordre :

        export OPEN311_DATABASE_URL=sqlite:///open311.sqlite3
        open311 db upgrade
        open311 jurisdiction apply gentilly.fr.toml
        open311 key create --jurisdiction gentilly.fr --label "Site de la ville"
        open311 serve

    Chaque commande s'explique : open311 COMMANDE --help. Les réglages se donnent
    par l'environnement (OPEN311_…, voir docs/settings.md). Codes de sortie :
    0 fait, 1 refusé ou échoué, 2 commande mal écrite.
    """
