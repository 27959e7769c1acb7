"""open311 openapi: the description of the API."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from open311.cli.teaching import TeachingCommand
from open311.config.settings import Settings
from open311.http.app import create_app
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.media import DiskMediaStore


@click.command(cls=TeachingCommand)
def openapi() -> None:
    """Écrire le document OpenAPI 3.1 de l'API ; aucune base n'est nécessaire.

    open311 openapi > openapi.json
    """
    settings, nowhere = Settings(), Database("sqlite://")
    with tempfile.TemporaryDirectory() as folder:
        media = DiskMediaStore(Path(folder))
        app = create_app(settings, Installation(nowhere, media, public_url=settings.public_url))
    click.echo(json.dumps(app.extensions["open311-openapi"], ensure_ascii=False, indent=2))
