"""open311 serve: the web server."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import click

from open311.cli.site import (
    alone_with_file,
    is_given,
    media_store,
    open_database,
    read_settings,
)
from open311.cli.teaching import TeachingCommand
from open311.cli.workers import worker_beside
from open311.config.settings import LOOPBACK, Settings
from open311.domain.errors import Open311Error
from open311.http.listening import Listening
from open311.http.logs import configure_logs
from open311.http.server import public_settings, run_server
from open311.storage.database import unsafe_durability


@click.command(cls=TeachingCommand)
@click.option("--host", metavar="ADRESSE", help="Adresse d'écoute (OPEN311_HOST ; 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="PORT",
    help="Port (OPEN311_PORT ; 8311) ; 0 en prend un libre.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(0, 256), metavar="N",
    help="Processus (OPEN311_WORKERS) ; sans avis : 1 sur SQLite, un par cœur sur PostgreSQL.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(0, 256), metavar="N",
    help="Fils par processus (OPEN311_THREADS) ; sans avis : 16 sur SQLite, 4 sur PostgreSQL.",
)  # fmt: skip
@click.option(
    "--naked", is_flag=True,
    help="Accepter d'écouter sur une adresse publique, sans nginx devant.",
)  # fmt: skip
@click.option(
    "--with-worker", is_flag=True,
    help="Lancer aussi « open311 worker », relancé s'il meurt, arrêté avec le serveur.",
)  # fmt: skip
def serve(
    host: str | None,
    port: int | None,
    workers: int | None,
    threads: int | None,
    naked: bool,  # noqa: FBT001 - click gives options by name
    with_worker: bool,  # noqa: FBT001
) -> None:
    """Servir l'API jusqu'à Ctrl-C ou SIGTERM ; les demandes en cours sont répondues.

    La ligne BASE=… paraît sur la sortie standard quand le serveur est vraiment prêt ;
    les journaux vont sur la sortie d'erreur. La mise en service derrière nginx est
    décrite dans docs/deploy.md.

        open311 serve
        open311 serve --port 0
        OPEN311_DATABASE_URL=postgresql://open311@localhost/open311 open311 serve --workers 4
    """
    settings = read_settings(host=host, port=port, workers=workers, threads=threads)
    _check_exposure(settings, naked=naked)
    _check_storage(settings)
    for warning in settings.warnings():
        _warn(warning)
    with alone_with_file(settings), Listening(settings.host, settings.port) as listening:
        configure_logs(settings.log_format, settings.log_level)
        settings = public_settings(settings, listening, is_given=is_given("public_url"))
        with worker_beside(settings) if with_worker else nullcontext():
            code = run_server(settings, listening, ready=lambda: announce(listening))
        sys.exit(code)


def announce(listening: Listening) -> None:
    """Print the line that scripts wait for."""
    click.echo(f"BASE={listening.url}/open311/v2")
    sys.stdout.flush()


def _check_exposure(settings: Settings, *, naked: bool) -> None:
    if settings.host in LOOPBACK:
        return
    if not naked:
        raise Open311Error(
            f"{settings.host} n'est pas une adresse locale : mettez nginx devant un serveur sur "
            "127.0.0.1 (docs/deploy.md), ou acceptez les risques avec --naked."
        )
    _warn(
        f"Le serveur écoute sans protection sur {settings.host} : ni TLS, ni défense contre les "
        "connexions lentes ou sans fin. Réservé à un réseau de confiance."
    )


def _check_storage(settings: Settings) -> None:
    """Refuse a database that is not ours, or that could lose an acknowledged report."""
    with open_database(settings) as database:
        unsafe = unsafe_durability(database)
    media_store(settings)
    if unsafe and not settings.accepts_loss:
        raise Open311Error(unsafe)


def _warn(sentence: str) -> None:
    click.echo(f"ATTENTION : {sentence}", err=True)
