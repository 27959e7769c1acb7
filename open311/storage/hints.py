"""A hint between workers on PostgreSQL: look now, do not wait for your turn.

Only a hint: whoever misses it looks within a second all the same. A POST gives none,
since NOTIFY makes commits wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.database import Database

_CHANNEL = "open311_delivery"
_LOOK_S = 1.0
_RETRY_S = 5.0


def give_hint(connection: Connection) -> None:
    """Wake the other workers when this transaction commits."""
    if connection.dialect.name != "sqlite":
        sql.rows(connection, f"SELECT pg_notify('{_CHANNEL}', '')")


def listen(database: Database, stopping: threading.Event, wake: Callable[[], None]) -> None:
    """Call `wake` at each hint, until `stopping`; at once back where there are none."""
    if database.dialect == "sqlite":
        return
    url = database.engine.url.set(drivername="postgresql")
    while not stopping.is_set():
        try:
            _listen(url.render_as_string(hide_password=False), stopping, wake)
        except psycopg.Error:
            stopping.wait(_RETRY_S)


def _listen(url: str, stopping: threading.Event, wake: Callable[[], None]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"LISTEN {_CHANNEL}")
        while not stopping.is_set():
            for _ in connection.notifies(timeout=_LOOK_S, stop_after=1):
                wake()
