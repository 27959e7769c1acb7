"""What a command works on: settings, database, jurisdictions, keys."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from sqlalchemy.engine import make_url

from open311.config.settings import Settings
from open311.domain.errors import NotFound, Open311Error, Unavailable
from open311.operations.installation import Installation, Side
from open311.operations.rerender import rendered_public_url
from open311.storage import migrate
from open311.storage.database import Database
from open311.storage.media import MediaStore, open_media_store


def read_settings(**given: str | int | None) -> Settings:
    """The settings of the environment, with what the command line replaces.

    Raises:
        ConfigurationError: all faults at once.
    """
    environ: dict[str, str] = dict(os.environ)
    environ |= {
        f"OPEN311_{name.upper()}": str(value) for name, value in given.items() if value is not None
    }
    return Settings.from_environment(environ)


def is_given(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment itself sets a setting."""
    key = f"OPEN311_{name.upper()}"
    return bool(environ.get(key) or environ.get(f"{key}_FILE"))


@contextmanager
def open_database(
    settings: Settings, *, at_head: bool = True, makes_it: bool = False
) -> Iterator[Database]:
    """The database, for commands: each write is a transaction of its own.

    Args:
        at_head: its schema must be the one this program needs.
        makes_it: this command may begin a new SQLite file; any other finds its own.

    Raises:
        Open311Error: there is no database, it is another program's, or its schema is another.
    """
    if not makes_it:
        _check_file(settings)
    database = Database(settings.database_url, synchronous=settings.sqlite_synchronous)
    try:
        check_owner(database)
        if at_head:
            check_schema(database)
        yield database
    finally:
        database.close()


def _check_file(settings: Settings) -> None:
    """Refuse to look into a SQLite file that is not there: SQLite would make an empty one."""
    path = make_url(settings.database_url).database if settings.is_sqlite else None
    if path is not None and not path.startswith("file:") and not Path(path).exists():
        raise Open311Error(
            f"Il n'y a pas de base de données ici ({path}) : créez-la avec « open311 db upgrade », "
            "ou nommez la vôtre dans OPEN311_DATABASE_URL."
        )


def check_schema(database: Database) -> None:
    """Refuse a database whose schema is not the one this program needs."""
    current = migrate.current_revision(database)
    if current == migrate.head_revision():
        return
    if current is None:
        raise Open311Error("La base est vide : lancez d'abord « open311 db upgrade ».")
    check_age(current)
    raise Open311Error(
        f"Le schéma de la base est à la révision {current}, ce programme demande "
        f"{migrate.head_revision()} : lancez « open311 db upgrade »."
    )


def check_age(revision: str | None) -> None:
    """Refuse a database that a later version of this program made."""
    said = migrate.too_new(revision)
    if said:
        raise Open311Error(said)


def check_owner(database: Database) -> None:
    """Refuse a database in which another program has its tables."""
    said = migrate.of_another_program(database)
    if said:
        raise Open311Error(said)


@contextmanager
def alone_with_file(settings: Settings) -> Iterator[None]:
    """Keep a SQLite file for this server; the system lets go of it however we end.

    A second server would render every document with its own address, in turn.

    Raises:
        Open311Error: another server has it.
    """
    path = make_url(settings.database_url).database if settings.is_sqlite else None
    if path is None or path.startswith("file:"):
        yield
        return
    with Path(path).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Open311Error(
                f"Un autre serveur se sert déjà de {path}, et SQLite n'en admet qu'un : "
                "arrêtez-le, ou passez à PostgreSQL (OPEN311_DATABASE_URL)."
            ) from error
        yield


@contextmanager
def open_installation(
    settings: Settings | None = None, *, refresh_s: float = 0
) -> Iterator[Installation]:
    """The installation that commands change; its documents keep the server's own address."""
    settings = settings or read_settings()
    with open_database(settings) as database:
        public_url = rendered_public_url(database) or settings.public_url
        media = cast("MediaStore", _MediaWhenAsked(settings))
        yield Installation(database, media, public_url=public_url, refresh_s=refresh_s)


class _MediaWhenAsked:
    """The photos' store, opened when a command first needs a photo: most never do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _store(self) -> MediaStore:
        return media_store(self._settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def media_store(settings: Settings) -> MediaStore:
    """Where photos are.

    Raises:
        Open311Error: the setting names no place that can be opened.
    """
    try:
        return open_media_store(settings.media_url)
    except ValueError as error:
        raise Open311Error(f"OPEN311_MEDIA_URL : {error}") from error
    except Unavailable as error:
        raise Open311Error(
            f"OPEN311_MEDIA_URL : {settings.media_url} ne peut pas être ouvert ; "
            "nommez un dossier où cet utilisateur peut écrire."
        ) from error


def find_side(installation: Installation, jurisdiction_id: str | None, *, test: bool) -> Side:
    """The side that a command names; the only jurisdiction need not be named.

    Raises:
        Open311Error: none is named and several are served. NotFound: no such one.
    """
    environment = "test" if test else "production"
    served = sorted({id_ for id_, _ in installation.sides})
    if jurisdiction_id is None and len(served) != 1:
        raise Open311Error(
            f"Précisez --jurisdiction : {', '.join(served)}."
            if served
            else "Aucune juridiction : lancez « open311 jurisdiction apply FICHIER »."
        )
    if jurisdiction_id is not None and jurisdiction_id not in served:
        raise NotFound(
            f"La juridiction « {jurisdiction_id} » n'est pas servie ici ; servies : "
            f"{', '.join(served) or 'aucune'}."
        )
    return installation.side(jurisdiction_id or served[0], environment)
