"""One server process: database, photos, application, and the work beside requests."""

from __future__ import annotations

from flask import Flask

from open311.config.settings import Settings
from open311.http.app import create_app
from open311.http.upkeep import Upkeep
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import open_media_store


class Application:
    """What a worker process serves.

    Attributes:
        wsgi: the application to give to a WSGI server.
    """

    def __init__(self, settings: Settings) -> None:
        self._database = open_server_database(settings)
        installation = Installation(
            self._database,
            open_media_store(settings.media_url),
            public_url=settings.public_url,
            refresh_s=settings.configuration_refresh_s,
        )
        self.wsgi: Flask = create_app(settings, installation)
        self._upkeep = Upkeep(installation, idempotency_hours=settings.idempotency_hours)
        self._upkeep.start()

    def close(self) -> None:
        """Finish what is queued for writing, then let go of everything."""
        self._upkeep.stop()
        self._database.close()


def open_server_database(settings: Settings) -> Database:
    """The database as a server process writes to it: with group commit on SQLite."""
    if settings.is_sqlite:
        return GroupCommitDatabase(
            settings.database_url,
            synchronous=settings.sqlite_synchronous,
            pool_size=2,
            lock_wait_s=settings.lock_wait_s,
            read_limit_s=settings.read_limit_s,
        )
    return Database(
        settings.database_url,
        pool_size=settings.thread_count + 1,
        lock_wait_s=settings.lock_wait_s,
        read_limit_s=settings.read_limit_s,
    )
