"""What a server does beside requests: documents to render again, receipts and photos to forget."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import structlog

from open311.domain.errors import Open311Error
from open311.operations.installation import Installation
from open311.operations.keys import LONGEST_SAME_BODY_WINDOW_S
from open311.operations.photo_sweep import sweep_photos
from open311.operations.rerender import needs_rerender, rerender_installation
from open311.storage.receipts import forget_receipts
from open311.storage.turn import only_process

_log = structlog.get_logger("open311.upkeep")

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S
_LONGEST_WINDOW = timedelta(seconds=LONGEST_SAME_BODY_WINDOW_S)
#: How soon to look again after another process had its turn, or the database was away.
_RETRY_S = 30.0


class Upkeep(threading.Thread):
    """One thread per server process; of all processes, one at a time works.

    Args:
        idempotency_hours: how long answers to an Idempotency-Key are kept.
    """

    def __init__(self, installation: Installation, *, idempotency_hours: int) -> None:
        super().__init__(name="upkeep", daemon=True)
        self._installation = installation
        self._kept = timedelta(hours=idempotency_hours)
        self._stopping = threading.Event()
        # Whoever serves a wrong place has an hour to see it before a photo is deleted.
        self._next_sweep = time.monotonic() + _HOUR_S

    def run(self) -> None:
        """Work, wait, work again, until `stop`."""
        while True:
            try:
                done = self._take_turn()
            except Open311Error:
                done = False
            except Exception as error:  # noqa: BLE001 - the server must outlive its upkeep
                _log.error("upkeep failed", exc_info=error)
                done = False
            if self._stopping.wait(_HOUR_S if done else _RETRY_S):
                self._installation.database.end_thread()
                return

    def stop(self) -> None:
        """End within one small transaction."""
        self._stopping.set()
        self.join()

    def _take_turn(self) -> bool:
        """Do all that is due; False when some of it is left."""
        with only_process(self._installation.database) as ours:
            if not ours:
                return not needs_rerender(self._installation)
            if needs_rerender(self._installation):
                self._rerender()
            self._forget_receipts()
            self._sweep_photos()
        return not needs_rerender(self._installation)

    def _rerender(self) -> None:
        started, count = time.monotonic(), 0
        for written in rerender_installation(self._installation):
            count += written
            if self._stopping.is_set():
                return
        duration_s = round(time.monotonic() - started, 1)
        _log.info("documents rendered again", count=count, duration_s=duration_s)

    def _sweep_photos(self) -> None:
        """Once a day: it reads the names of all photos."""
        if time.monotonic() < self._next_sweep:
            return
        here = self._installation
        count = sweep_photos(here.database, here.media, now=here.now())
        self._next_sweep = time.monotonic() + _DAY_S
        if count:
            _log.info("photos without a request deleted", count=count)

    def _forget_receipts(self) -> None:
        now = self._installation.now()
        self._installation.database.write(
            lambda connection: forget_receipts(
                connection, keys_before=now - self._kept, bodies_before=now - _LONGEST_WINDOW
            )
        )
