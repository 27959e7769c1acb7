"""The delivery worker: routes, delivers, asks what changed, until it is told to stop.

One lane, a thread, for each destination: a slow tool delays nobody but itself. Any
number of workers may run beside each other (on SQLite, on one machine): leases in the
database keep them apart. Killed at any moment, a worker leaves nothing behind that
the next one does not understand.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import Destination
from open311.domain.errors import Open311Error, Unavailable
from open311.operations.copies import held_sentence, settle_in
from open311.operations.delivery import Desk, deliver_next
from open311.operations.installation import Installation, Side
from open311.operations.polling import (
    Poll,
    answer_hints,
    poll_destination,
    retry_translations,
)
from open311.operations.routing import route_events
from open311.storage import copies, deliveries, delivery_records, destinations, hints, inbox

_log = structlog.get_logger("open311.worker")

_RETRY_S = 5.0
_BROKEN_RETRY_S = 60.0
_MINUTE_S = 60.0
#: An attempt that lasts longer no longer counts as a sign of life.
_LONGEST_ATTEMPT_S = 600.0
#: How long what was said on the wire is kept.
_RECORDS_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Post:
    """What one lane serves: a destination as configured, and from where."""

    side: Side
    destination: Destination
    version: int


@dataclass
class Rhythm:
    """When something is due again, by a clock that nobody can set."""

    every_s: float
    _next: float = field(default=float("-inf"))

    def is_due(self) -> bool:
        """Whether it is due; it is then due again `every_s` later."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self.every_s
        return True


class Lane(threading.Thread):
    """One destination of one worker: deliver, then look what changed.

    Args:
        make: makes the destination's adapter.
        look_s: seconds between two looks at an empty queue.
    """

    def __init__(
        self, desk: Desk, post: Post, make: Callable[[Destination], Adapter], look_s: float
    ) -> None:
        name = post.destination.name
        super().__init__(name=f"lane {name}", daemon=True)
        self.post = post
        holder = f"{desk.worker}-{post.version}/{name}"  # no two lanes hold leases under one name
        self.desk = replace(desk, worker=holder, version=post.version, is_stopping=self.is_stopping)
        self.busy_since: float | None = None
        self._away: tuple[type[Exception], ...] = (
            Unavailable,
            *desk.installation.database.write_errors,
        )
        self._make = make
        self._look_s = look_s
        self._stopping = threading.Event()
        self._awake = threading.Event()

    def is_stopping(self) -> bool:
        """Whether this lane takes nothing more."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Look at once."""
        self._awake.set()

    def stop(self) -> None:
        """Take nothing more; what is being sent is finished."""
        self._stopping.set()
        self._awake.set()

    def run(self) -> None:
        """Serve until `stop`, whatever goes wrong."""
        while not self.is_stopping():
            try:
                self._serve()
            except self._away as error:
                _log.warning("database away", destination=self.name, reason=type(error).__name__)
                self._stopping.wait(_RETRY_S)
            except Exception as error:  # noqa: BLE001 - the lane must outlive any surprise
                self._tell_surprise(error)
                self._stopping.wait(_RETRY_S)
        self.desk.installation.database.end_thread()

    def _serve(self) -> None:
        adapter = self._adapter()
        if adapter is None:
            self._stopping.wait(_BROKEN_RETRY_S)
            return
        poll = Poll(self.desk, self.post.side, self.post.destination, adapter)
        looking = Rhythm(self._look_s)
        polling = Rhythm(min(self.post.destination.poll_s / 4, _MINUTE_S))
        try:
            self._unharmed(lambda: retry_translations(poll) > 0)
            while not self.is_stopping():
                worked = self._deliver(adapter)
                if looking.is_due():
                    worked |= self._unharmed(lambda: self._look(poll, polling))
                if not worked:
                    self._awake.wait(self._look_s)
                    self._awake.clear()
        finally:
            adapter.close()

    def _tell_surprise(self, error: Exception) -> None:
        """Say in the log, and where people look, what nobody foresaw."""
        name = self.post.destination.name
        _log.error("lane failed", destination=name, exc_info=error)
        fault = f"Erreur interne : {type(error).__name__} (voir le journal) ; essayé de nouveau."
        with contextlib.suppress(Unavailable):
            self.desk.installation.database.write(
                lambda connection: destinations.put_fault(connection, name, fault)
            )

    def _adapter(self) -> Adapter | None:
        """The adapter; None, with the reason where people look, when it cannot be made."""
        destination, database = self.post.destination, self.desk.installation.database
        reason = None
        try:
            return self._make(destination)
        except Open311Error as error:
            reason = error.message
            _log.error("destination cannot be served", destination=destination.name, reason=reason)
            return None
        finally:
            database.write(
                lambda connection: destinations.put_fault(connection, destination.name, reason)
            )

    def _deliver(self, adapter: Adapter) -> bool:
        self.busy_since = time.monotonic()
        try:
            return deliver_next(self.desk, self.post.side, self.post.destination, adapter)
        finally:
            self.busy_since = None

    def _look(self, poll: Poll, polling: Rhythm) -> bool:
        """Look what changed."""
        hinted = answer_hints(poll) > 0
        return bool(polling.is_due() and poll_destination(poll)) or hinted

    def _unharmed(self, look: Callable[[], bool]) -> bool:
        """What `look` answers; a surprise on the way back does not hold up deliveries."""
        try:
            return look()
        except self._away:
            raise
        except Exception as error:  # noqa: BLE001 - one odd change must not stop the lane
            self._tell_surprise(error)
            return False


class Worker:
    """One worker process.

    Args:
        clock: the time that all workers of the database share.
        look_s: seconds between two looks at the outbox and at empty lanes.
        make: makes adapters.
        alert: called about once a minute, to tell people what needs them.
    """

    def __init__(
        self,
        installation: Installation,
        desk: Desk,
        *,
        look_s: float = 1.0,
        make: Callable[[Destination], Adapter] = make_adapter,
        alert: Callable[[datetime], object] = lambda _: None,
    ) -> None:
        self._installation = installation
        self._desk = desk
        self._look_s = look_s
        self._make = make
        self._alert = alert
        self._lanes: dict[str, Lane] = {}
        self._leaving: list[Lane] = []
        self._awake = threading.Event()
        self._is_settled = False
        self._renewing = Rhythm(desk.pace.lease_s / 3)
        self._minutely = Rhythm(_MINUTE_S)
        self._hourly = Rhythm(60 * _MINUTE_S)

    def run(self, stopping: threading.Event, *, grace_s: float = 10.0) -> bool:
        """Work until `stopping`; whether all that was being sent ended within `grace_s`."""
        listener = threading.Thread(
            target=hints.listen,
            args=(self._installation.database, stopping, self._wake),
            daemon=True,
        )
        listener.start()
        while not stopping.is_set():
            try:
                self._turn()
            except (Unavailable, SQLAlchemyError) as error:
                _log.warning("database away", reason=type(error).__name__)
                stopping.wait(_RETRY_S)
            self._awake.wait(self._look_s)
            self._awake.clear()
        return self._stop(grace_s)

    def stop_soon(self) -> None:
        """End the present wait: called after `stopping` was set, from a signal."""
        self._awake.set()

    def _turn(self) -> None:
        now = self._desk.clock()
        self._staff()
        while route_events(self._installation, now=now):
            for lane in self._lanes.values():
                lane.wake()
        if self._renewing.is_due():
            self._renew(now)
        if self._minutely.is_due():
            self._alert(now)
        if self._hourly.is_due():
            self._forget(now - _RECORDS_KEPT)

    def _staff(self) -> None:
        """One lane for each destination, made anew when the configuration changes."""
        wanted = {} if self._is_held() else self._posts()
        for name, lane in list(self._lanes.items()):
            if name not in wanted or wanted[name].version != lane.post.version:
                lane.stop()
                self._leaving.append(self._lanes.pop(name))
        self._leaving = [lane for lane in self._leaving if lane.is_alive()]
        for name, post in wanted.items():
            if name not in self._lanes:
                lane = Lane(self._desk, post, self._make, self._look_s)
                self._lanes[name] = lane
                lane.start()

    def _posts(self) -> dict[str, Post]:
        version = self._installation.version
        return {
            destination.name: Post(side, destination, version)
            for side in self._installation.sides.values()
            if not side.scope.is_test
            for destination in side.jurisdiction.destinations
        }

    def _is_held(self) -> bool:
        """Whether this database is a copy that does not deliver: no tool is spoken to then."""
        database = self._installation.database
        if self._is_settled:
            return copies.why_held(database) is not None
        reason = settle_in(database, self._desk.clock())
        self._is_settled = True
        if reason is not None:
            _log.error("deliveries are held", reason=held_sentence(database))
        return reason is not None

    def _renew(self, now: datetime) -> None:
        """Prolong the leases of lanes that are sending right now."""
        lease_s, latest = self._desk.pace.lease_s, time.monotonic() - _LONGEST_ATTEMPT_S
        lanes = (*self._lanes.values(), *self._leaving)
        busy = [lane for lane in lanes if (lane.busy_since or latest) > latest]
        if busy:
            self._installation.database.write(
                lambda connection: [
                    deliveries.renew(connection, lane.desk.worker, now=now, lease_s=lease_s)
                    for lane in busy
                ]
            )

    def _forget(self, moment: datetime) -> None:
        self._installation.database.write(
            lambda connection: (
                delivery_records.forget_attempts_before(connection, moment),
                inbox.forget_raw_before(connection, moment),
            )
        )

    def _wake(self) -> None:
        self._awake.set()
        for lane in list(self._lanes.values()):
            lane.wake()

    def _stop(self, grace_s: float) -> bool:
        lanes = [*self._lanes.values(), *self._leaving]
        for lane in lanes:
            lane.stop()
        deadline = time.monotonic() + grace_s
        for lane in lanes:
            lane.join(max(0.0, deadline - time.monotonic()))
        return not any(lane.is_alive() for lane in lanes)


def worker_name() -> str:
    """A name for leases that no other worker has, and that people can place."""
    return f"{socket.gethostname()[:30]}-{os.getpid()}-{os.urandom(3).hex()}"
