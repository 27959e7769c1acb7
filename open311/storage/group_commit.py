"""SQLite under many writers: one writes at a time, one fsync serves all who wait.

Sixteen clients that each commit for themselves wait for sixteen fsyncs in turn. Here
whoever has the lead writes for all who queued meanwhile, in one transaction, wakes
them, and hands the lead to the first who came since. Each piece of work has its own
savepoint: what one refuses does not touch the others, and nobody is answered before
the commit that holds his rows. A lone client pays for no hand-over between threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from open311.domain.errors import Unavailable
from open311.storage import sql
from open311.storage.database import UNAVAILABLE, Database

T = TypeVar("T")

_MAX_GROUP = 64
_CHECKPOINT_INTERVAL_S = 1.0
_CHECKPOINT_BYTES = 8 * 1024 * 1024


class _Job:
    """One piece of work, what became of it, and the bed of who waits for that."""

    __slots__ = ("done", "error", "result", "woken", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None
        self.woken = threading.Lock()
        self.woken.acquire()

    def fail(self, error: Exception) -> None:
        self.done, self.error = True, error


class GroupCommitDatabase(Database):
    """A SQLite database with one writer at a time in this process, and group commit.

    One per server process; other processes (command line, worker) take their turn at
    SQLite's own lock. Call `close` to end the checkpoint thread.
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
        super().__init__(
            url,
            synchronous=synchronous,
            pool_size=pool_size,
            lock_wait_s=lock_wait_s,
            read_limit_s=read_limit_s,
        )
        self._waiting: deque[_Job] = deque()
        self._queue = threading.Lock()
        self._led = False
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._checkpointer = threading.Thread(
            target=self._checkpoint_forever, name="checkpoint", daemon=True
        )
        self._checkpointer.start()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a durable transaction, its own or one that is shared."""
        job = _Job(work)
        with self._queue:
            self._waiting.append(job)
            leads, self._led = not self._led, True
        if not leads:
            job.woken.acquire()
        if not job.done:
            self._lead(job)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def close(self) -> None:
        """Let the last group end, then let go of the thread and the connections."""
        self._stopped.set()
        self._checkpointer.join()
        with self._turn:
            super().close()

    def _lead(self, own: _Job) -> None:
        """Write for all who wait now, `own` first; then wake them and hand the lead on."""
        group = self._take()
        try:
            with self._turn:
                self._write_group(group)
        finally:
            with self._queue:
                heir = self._waiting[0] if self._waiting else None
                self._led = heir is not None
            for job in group:
                if not job.done:  # an interrupt before the work began: nothing was written
                    job.fail(Unavailable(UNAVAILABLE))
            for waiting in (heir, *group):
                if waiting is not None and waiting is not own:
                    waiting.woken.release()

    def _take(self) -> list[_Job]:
        """The first who wait, in order: the leader's own job is the very first."""
        with self._queue:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_GROUP))]

    def _write_group(self, group: list[_Job]) -> None:
        try:
            with self.begin() as connection:
                self._run(connection, group)
        except self.write_errors as error:
            self._fail(group, Unavailable(UNAVAILABLE), error)
        except Exception as error:  # noqa: BLE001 - told to each who asked
            self._fail(group, error, error)
        except BaseException as error:  # an interrupt: whoever waits must not wait for ever
            self._fail(group, Unavailable(UNAVAILABLE), error)
            raise
        else:
            for job in group:
                job.done = True

    def _run(self, connection: Connection, group: list[_Job]) -> None:
        if len(group) == 1:  # the transaction itself is his savepoint
            group[0].result = group[0].work(connection)
            return
        for job in group:
            sql.execute(connection, "SAVEPOINT job")
            try:
                job.result = job.work(connection)
            except self.write_errors:
                raise  # SQLite may have rolled back everything: the whole group fails
            except Exception as error:  # noqa: BLE001 - told to the one who asked
                sql.execute(connection, "ROLLBACK TO job")
                job.error = error
            sql.execute(connection, "RELEASE job")

    @staticmethod
    def _fail(group: list[_Job], error: Exception, cause: BaseException) -> None:
        if error is not cause:
            error.__cause__ = cause
        for job in group:
            job.fail(error)

    def _checkpoint_forever(self) -> None:
        """Move the log into the main file beside the writer, so that no POST pays for it."""
        wal = Path(f"{self.engine.url.database}-wal")
        while not self._stopped.wait(_CHECKPOINT_INTERVAL_S):
            if wal.exists() and wal.stat().st_size > _CHECKPOINT_BYTES:
                self.rows("PRAGMA wal_checkpoint(PASSIVE)")
