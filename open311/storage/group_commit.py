"""SQLite under many writers: one thread writes, one fsync serves all who wait.

Sixteen clients that each commit for themselves wait for sixteen fsyncs in turn;
here everything queued while one commit runs shares the next. Each piece of work
has its own savepoint: what one refuses does not touch the others, and nobody is
answered before the commit that holds his rows.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from open311.domain.errors import Unavailable
from open311.storage.database import UNAVAILABLE, Database

T = TypeVar("T")

_MAX_GROUP = 64
_CHECKPOINT_INTERVAL_S = 1.0
_CHECKPOINT_BYTES = 8 * 1024 * 1024


class _Job:
    """One piece of work and the caller who waits for it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.result: Any = None


class GroupCommitDatabase(Database):
    """A SQLite database written by one thread, with group commit.

    One per server process; other processes (command line, worker) take their turn at
    SQLite's own lock. Call `close` to end the threads.
    """

    def __init__(self, url: str, *, synchronous: str = "FULL", pool_size: int = 5) -> None:
        super().__init__(url, synchronous=synchronous, pool_size=pool_size)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._writer = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._checkpointer = threading.Thread(
            target=self._checkpoint_forever, name="checkpoint", daemon=True
        )
        self._writer.start()
        self._checkpointer.start()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Hand `work` to the writing thread; return its result after the durable commit."""
        if self._stopped.is_set():
            raise Unavailable(UNAVAILABLE)
        job = _Job(work)
        self._jobs.put(job)
        result: T = job.future.result()
        return result

    def close(self) -> None:
        """Finish what is queued, then end the threads and the connections."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._jobs.put(None)
            self._writer.join()
            self._checkpointer.join()
        super().close()

    def _write_forever(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._commit([job, *self._waiting()])

    def _waiting(self) -> Iterator[_Job]:
        """What is already queued, up to the size of a group."""
        for _ in range(_MAX_GROUP - 1):
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)  # the signal to stop, read again after this group
                return
            yield job

    def _commit(self, group: list[_Job]) -> None:
        try:
            with self.begin() as connection:
                done = [job for job in group if self._run(connection, job)]
        except self.write_errors as error:
            self._fail(group, Unavailable(UNAVAILABLE), error)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any surprise
            self._fail(group, error, error)
        else:
            for job in done:
                job.future.set_result(job.result)

    def _run(self, connection: Connection, job: _Job) -> bool:
        """Run one job in its savepoint; False, with its error told, when it refuses."""
        connection.exec_driver_sql("SAVEPOINT job")
        try:
            job.result = job.work(connection)
        except self.write_errors:
            raise  # SQLite may have rolled back everything: the whole group fails
        except Exception as error:  # noqa: BLE001 - told to the one who asked
            connection.exec_driver_sql("ROLLBACK TO job")
            connection.exec_driver_sql("RELEASE job")
            job.future.set_exception(error)
            return False
        connection.exec_driver_sql("RELEASE job")
        return True

    @staticmethod
    def _fail(group: list[_Job], error: Exception, cause: Exception) -> None:
        if error is not cause:
            error.__cause__ = cause
        for job in group:
            if not job.future.done():
                job.future.set_exception(error)

    def _checkpoint_forever(self) -> None:
        """Move the log into the main file beside the writer, so that no POST pays for it."""
        wal = Path(f"{self.engine.url.database}-wal")
        while not self._stopped.wait(_CHECKPOINT_INTERVAL_S):
            if wal.exists() and wal.stat().st_size > _CHECKPOINT_BYTES:
                self.rows("PRAGMA wal_checkpoint(PASSIVE)")
