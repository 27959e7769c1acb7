"""The database: engines, durability settings, reads and durable writes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from open311.domain.errors import Open311Error, TooCostly, Unavailable
from open311.storage.sql import Parameters, Row, for_driver

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 10_000
#: Of a new database: a document and its neighbours are read in fewer steps than from 4096.
_PAGE_BYTES = 8192
#: Pages; the background checkpoint normally keeps the log far below.
_AUTOCHECKPOINT_PAGES = 20_000
#: Steps of SQLite between two looks at the clock: a page of 1000 requests takes 13,000.
_STEPS_BETWEEN_LOOKS = 20_000
_QUERY_CANCELED = "57014"  # PostgreSQL, appendix A
UNAVAILABLE = "Le serveur ne peut rien enregistrer pour le moment ; réessayez dans un instant."


class Database:
    """One database, SQLite or PostgreSQL, behind one interface.

    Reads run on a connection held by each thread, in autocommit; writes are
    functions given a connection inside one transaction, acknowledged after its
    commit. A subclass may replace `write` (storage.group_commit does).

    Args:
        url: SQLAlchemy URL, `sqlite:///file` or `postgresql://…`.
        synchronous: SQLite's durability: FULL survives a power cut, anything
            else is for experiments.
        pool_size: connections kept for writing.
        lock_wait_s: seconds that a write waits for a lock; None waits ten on SQLite,
            for ever on PostgreSQL (commands and migrations may have to).
        read_limit_s: seconds that one query of `rows` or `first` may take; None or 0
            sets no limit (commands may have to read everything).
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "FULL",
        pool_size: int = 5,
        lock_wait_s: float | None = None,
        read_limit_s: float | None = None,
    ) -> None:
        self.engine = _create_engine(url, synchronous, pool_size, lock_wait_s)
        self.dialect = self.engine.dialect.name
        self._read_limit_s = read_limit_s or 0.0
        self._held = threading.local()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction; return its result once that is durable.

        Raises:
            Unavailable: the database cannot be written now.
            Open311Error: whatever `work` refuses; nothing is written then.
        """
        try:
            return self._write_once(work)
        except self.write_errors as error:
            raise Unavailable(UNAVAILABLE) from error

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        """One transaction; begun again on new connections when the server had gone before."""
        with self.engine.connect().execution_options(open311_write=True) as connection:
            transaction = connection.begin()
            try:
                result = work(connection)
            except Exception:
                transaction.rollback()
                if not self._is_lost(connection):
                    raise
            else:
                transaction.commit()
                return result
        # Nothing was committed, and no commit was asked: doing it again is safe.
        self.engine.dispose()
        with self.begin() as connection:
            return work(connection)

    def _is_lost(self, connection: Connection) -> bool:
        """Whether the connection itself is gone: a restarted PostgreSQL."""
        driver: Any = connection.connection.dbapi_connection
        return self.dialect != "sqlite" and (driver is None or bool(driver.broken or driver.closed))

    @property
    def write_errors(self) -> tuple[type[Exception], ...]:
        """What the engine raises when it cannot write now: full disk, lock, lost server."""
        return (OperationalError, *self._driver_lost())

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction, committed at the end."""
        writing = self.engine.connect().execution_options(open311_write=True)
        with writing as connection, connection.begin():
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A read-only look at one state of the database, for the command line."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Rows of a query on this thread's own connection, outside any transaction.

        Raises:
            Unavailable: the database cannot be reached.
            TooCostly: the query took longer than `read_limit_s`.
        """
        text = for_driver(sql, self.dialect)
        try:
            return self._read(text, parameters or {})
        except Exception as error:
            if not isinstance(error, self._driver_lost()):
                raise
            self._drop_held()
        if self.dialect != "sqlite":
            self.engine.dispose()  # what the pool holds was lost with it: a restarted server
        try:
            return self._read(text, parameters or {})
        except self.write_errors as error:
            self._drop_held()
            raise Unavailable(UNAVAILABLE) from error

    def _read(self, text: str, parameters: Parameters) -> list[Row]:
        """One try; what ran out of its time is no lost connection, and is not tried again."""
        cursor = self._held_cursor()
        self._held.deadline = time.monotonic() + self._read_limit_s
        try:
            return list(cursor.execute(text, parameters).fetchall())
        except self.write_errors as error:
            if self._read_limit_s and _ran_out_of_time(error):
                raise TooCostly(
                    "Cette lecture demande trop de travail au serveur : restreignez-la (dates, "
                    "service, étendue) ou réessayez plus tard."
                ) from error
            raise

    def first(self, sql: str, parameters: Parameters | None = None) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def empty_log(self) -> None:
        """Empty SQLite's write-ahead log: what was erased stands in it until then.

        Raises:
            Unavailable: somebody read or wrote all the while.
        """
        if self.dialect == "sqlite":
            busy = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
            if busy:
                raise Unavailable("Le journal de SQLite est occupé ; redemandez dans un instant.")

    def purge(self, tables: Iterable[str]) -> None:
        """Write tables anew, so that nothing erased is left in the database's own files.

        PostgreSQL keeps the bytes of deleted rows in its pages, plain VACUUM or not, and
        values in its statistics. Each table is locked while it is copied. SQLite writes
        zeros over what it deletes: there only the log is emptied.

        Raises:
            Unavailable: somebody read or wrote SQLite's log all the while.
            Open311Error: PostgreSQL left a table out, with no more than a warning.
        """
        self.empty_log()
        if self.dialect == "sqlite":
            return
        alone = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with alone as connection, _warnings_of(connection) as warnings:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table}")
            connection.exec_driver_sql("VACUUM (FULL) pg_catalog.pg_statistic")
        if warnings:
            raise Open311Error(
                "PostgreSQL n'a pas tout réécrit, ce qui a été effacé peut rester dans ses "
                "fichiers : purgez avec le rôle à qui la base et ses tables appartiennent.\n"
                f"Détail : {' ; '.join(warnings)}"
            )

    def end_thread(self) -> None:
        """Let go of this thread's own connection: a thread that ends calls it last."""
        self._drop_held()

    def close(self) -> None:
        """Let go of every connection."""
        self._drop_held()
        self.engine.dispose()

    def _held_cursor(self) -> Any:
        cursor = getattr(self._held, "cursor", None)
        if cursor is None:
            proxied = self.engine.raw_connection()
            proxied.detach()
            connection: Any = proxied.dbapi_connection
            self._limit_reads(connection)
            cursor = self._held.cursor = (
                connection.cursor() if self.dialect == "sqlite" else connection.cursor(binary=True)
            )
        return cursor

    def _limit_reads(self, connection: Any) -> None:
        """Have the engine itself end a query of this connection that takes too long."""
        if self.dialect != "sqlite":
            connection.autocommit = True
            if self._read_limit_s:
                limit_ms = max(1, int(self._read_limit_s * 1000))
                connection.execute(f"SET statement_timeout = {limit_ms}")
        elif self._read_limit_s:
            held = self._held  # only the thread that holds a connection reads with it
            connection.set_progress_handler(
                lambda: time.monotonic() > held.deadline, _STEPS_BETWEEN_LOOKS
            )

    def _drop_held(self) -> None:
        cursor = getattr(self._held, "cursor", None)
        if cursor is not None:
            self._held.cursor = None
            cursor.connection.close()

    def _driver_lost(self) -> tuple[type[Exception], ...]:
        dbapi: Any = self.engine.dialect.dbapi
        return (dbapi.OperationalError, dbapi.InterfaceError)


def _create_engine(url: str, synchronous: str, pool_size: int, lock_wait_s: float | None) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed, pool_size=pool_size, connect_args={"check_same_thread": False}
        )
        wait_ms = _BUSY_TIMEOUT_MS if lock_wait_s is None else int(lock_wait_s * 1000)
        event.listen(
            engine, "connect", lambda dbapi, _entry: _prepare_sqlite(dbapi, synchronous, wait_ms)
        )
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = "" if lock_wait_s is None else f"-c lock_timeout={int(lock_wait_s * 1000)}"
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        connect_args={"options": options} if options else {},
    )


def _prepare_sqlite(connection: sqlite3.Connection, synchronous: str, wait_ms: int) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    for pragma in (
        f"page_size={_PAGE_BYTES}",
        f"busy_timeout={wait_ms}",
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "secure_delete=ON",
        "cache_size=-8000",
        "mmap_size=1073741824",
        f"wal_autocheckpoint={_AUTOCHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("open311_write")
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _warnings_of(connection: Connection) -> Iterator[list[str]]:
    """What PostgreSQL warns of meanwhile: a VACUUM without the right to it is no error."""
    found: list[str] = []

    def note(diagnostic: Any) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            found.append(str(diagnostic.message_primary))

    driver: Any = connection.connection.dbapi_connection
    driver.add_notice_handler(note)
    try:
        yield found
    finally:
        driver.remove_notice_handler(note)


def _ran_out_of_time(error: Exception) -> bool:
    """Whether the engine ended a query itself: its connection is as good as before."""
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return getattr(error, "sqlstate", None) == _QUERY_CANCELED


def unsafe_durability(database: Database) -> str | None:
    """Say in one sentence why this database could lose an acknowledged report, or None.

    The settings are read back from the engine itself, never from our own wishes.
    """
    if database.dialect == "sqlite":
        mode = str((database.first("PRAGMA journal_mode") or ("",))[0])
        level = (database.first("PRAGMA synchronous") or (0,))[0]
        if mode != "wal" or level < 2:
            return (
                f"SQLite écrit en journal_mode={mode}, synchronous={level} : une coupure de "
                "courant perdrait des demandes acquittées. Il faut WAL et FULL."
            )
        return None
    return _unsafe_postgresql(database)


def _unsafe_postgresql(database: Database) -> str | None:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        found = database.first("SELECT current_setting(:name)", {"name": name})
        if found is not None and found[0] == "off":
            return f"PostgreSQL tourne avec {name}=off : des demandes acquittées peuvent se perdre."
    return None
