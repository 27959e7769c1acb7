"""open311 demo: everything in one command, to try."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from open311.cli.site import alone_with_file, open_installation, read_settings
from open311.cli.teaching import TeachingCommand
from open311.cli.workers import worker_beside
from open311.config.settings import Settings
from open311.config.shipped import shipped_path
from open311.domain.errors import Open311Error
from open311.domain.request import Photo
from open311.domain.system_reasons import reason_of
from open311.formats.photos import prepare_photo
from open311.http.listening import Listening
from open311.http.logs import configure_logs
from open311.http.server import run_server
from open311.operations.demonstration import (
    JURISDICTION_ID,
    apply_shipped_jurisdictions,
    load_demo_reports,
    renew_keys,
)
from open311.operations.installation import Installation
from open311.storage import migrate
from open311.storage.database import Database
from open311.storage.media import MediaStore

_REPORTS = 3000
_DATABASE = "open311.sqlite3"
_LOADED = "loaded"
#: What of a category is on the shipped photos; the last suits everything else.
_PHOTOS = {
    "roads": "nid-de-poule.jpg",
    "illegal_dumping": "depot-sauvage.jpg",
    "lighting": "lampadaire.png",
    "": "banc.webp",
}


@click.command(cls=TeachingCommand)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8311, metavar="PORT",
    help="Port (8311) ; 0 en prend un libre.",
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("var/demo"),
    metavar="DOSSIER", help="Où vivent la base et les photos d'essai (var/demo).",
)  # fmt: skip
@click.option("--reset", is_flag=True, help="Repartir d'une base neuve.")
@click.option(
    "--reports", type=click.IntRange(0, 1_000_000), default=_REPORTS, metavar="N",
    help=f"Signalements d'essai d'une base neuve ({_REPORTS}).",
)  # fmt: skip
def demo(port: int, folder: Path, reset: bool, reports: int) -> None:  # noqa: FBT001
    """Essayer : un serveur complet, de vrais territoires, des signalements d'essai.

    La première fois, une base SQLite est créée et remplie (quelques secondes) ; ensuite
    elle resert. Quand tout est prêt, trois lignes paraissent pour les programmes (BASE,
    KEY, JURISDICTION), puis des exemples à copier. Ctrl-C arrête.

        open311 demo
        open311 demo --port 0 --reset
    """
    with _alone_in(folder), Listening("127.0.0.1", port) as listening:
        settings = _settings(folder, listening)
        configure_logs(settings.log_format, settings.log_level)
        if reset or not (folder / _LOADED).exists():
            _empty(folder)
        key, test_key = _prepare(settings, folder, reports)
        with alone_with_file(settings), worker_beside(settings):
            code = run_server(
                settings, listening, ready=lambda: _announce(listening, key, test_key)
            )
        sys.exit(code)


def _settings(folder: Path, listening: Listening) -> Settings:
    """Settings of the environment, but for what makes the demonstration one."""
    chosen = {"database_url", "media_url", "public_url", "host", "port"}
    for name in chosen:
        os.environ.pop(f"OPEN311_{name.upper()}", None)
        os.environ.pop(f"OPEN311_{name.upper()}_FILE", None)
    environment = {"log_level": "WARNING", "log_format": "text"}
    given = {name: text for name, text in environment.items() if _is_free(name)}
    return replace(
        read_settings(**given),
        database_url=f"sqlite:///{folder.resolve() / _DATABASE}",
        media_url=str(folder.resolve() / "media"),
        public_url=listening.url,
        host=listening.host,
        port=listening.port,
    )


def _is_free(name: str) -> bool:
    return not os.environ.get(f"OPEN311_{name.upper()}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep the folder for this process; the system lets go of it however we end."""
    with _lock_of(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Open311Error(
                f"Une démonstration tourne déjà dans {folder} : arrêtez-la, "
                "ou prenez un autre dossier (--folder)."
            ) from error
        yield


def _lock_of(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "lock").open("w")
    except OSError as error:
        raise Open311Error(
            f"Impossible d'écrire dans {folder} ({reason_of(error)}) : "
            "prenez un autre dossier (--folder)."
        ) from error


def _empty(folder: Path) -> None:
    """Remove what a demonstration made here, and nothing else."""
    (folder / _LOADED).unlink(missing_ok=True)
    for path in folder.glob(f"{_DATABASE}*"):
        path.unlink()
    shutil.rmtree(folder / "media", ignore_errors=True)


def _prepare(settings: Settings, folder: Path, reports: int) -> tuple[str, str]:
    """Tables, territories, reports and keys; the keys."""
    database = Database(settings.database_url)
    migrate.upgrade(database)
    database.close()
    with open_installation(settings) as here:
        here.public_url = settings.public_url
        now = here.now()
        count = here.database.write(lambda c: apply_shipped_jurisdictions(c, now=now))
        _say(f"{count} juridictions en vigueur.")
        if not (folder / _LOADED).exists():
            _load(here, reports)
            (folder / _LOADED).touch()
        return here.database.write(lambda connection: renew_keys(connection, here))


def _load(here: Installation, reports: int) -> None:
    photos = {category: _stored(name, here.media) for category, name in _PHOTOS.items()}
    bar = click.progressbar(
        length=reports, label="Signalements d'essai", file=sys.stderr, show_pos=True
    )
    with bar as progress:
        for count in load_demo_reports(here, reports, photos):
            progress.update(count)


def _stored(name: str, media: MediaStore) -> Photo:
    photo = prepare_photo(shipped_path(f"fixtures/photos/{name}").read_bytes())
    return Photo(
        name=media.put(photo.content, suffix=".jpg"),
        thumbnail=media.put(photo.thumbnail, suffix=".jpg"),
        width=photo.width,
        height=photo.height,
    )


def _announce(listening: Listening, key: str, test_key: str) -> None:
    base = f"{listening.url}/open311/v2"
    photo = shipped_path("fixtures/photos/nid-de-poule.jpg")
    click.echo(
        f"BASE={base}\nKEY={key}\nJURISDICTION={JURISDICTION_ID}\nTEST_KEY={test_key}\n"
        + _EXAMPLES.format(
            base=base, key=key, id=JURISDICTION_ID, photo=photo, home=f"{listening.url}/"
        )
    )
    sys.stdout.flush()


def _say(text: str) -> None:
    click.echo(text, err=True)


_EXAMPLES = """
# Les services, en XML
curl '{base}/services.xml?jurisdiction_id={id}'

# Un signalement avec une photo, en JSON
curl '{base}/requests.json' \\
  -F jurisdiction_id={id} -F api_key={key} \\
  -F service_code=chaussee -F 'attribute[PLACE]=road' \\
  -F lat=48.8130 -F long=2.3444 -F 'description=Nid-de-poule devant l’école' \\
  -F 'media=@{photo}'

# Les dernières demandes, en Python
python3 - <<'PYTHON'
import json, urllib.request
url = "{base}/requests.json?jurisdiction_id={id}&status=open&page_size=5"
for request in json.load(urllib.request.urlopen(url)):
    print(request["service_request_id"], request["requested_datetime"], request["service_name"])
PYTHON

# Documentation et essais dans le navigateur : {home}   (Ctrl-C arrête le serveur)
"""
