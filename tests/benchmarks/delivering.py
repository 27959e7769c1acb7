"""Deliveries: what a tool that is down costs those who report, and how fast a backlog drains."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from open311.domain.delivery import Idempotency
from open311.domain.retry import Pace
from open311.operations.delivery import Desk, deliver_next
from open311.operations.routing import route_events
from open311.storage import deliveries
from tests.benchmarks.bench import Report
from tests.delivery.delivery_site import DeliverySite, await_, workers_on
from tests.delivery.fake_tool import FakeTool
from tests.postgres import PrivateCluster

_POSTS = 200
_BACKLOG = 300
#: A port of this machine where nobody listens.
_NOBODY = "http://127.0.0.1:9"
#: Beside the server, a worker that looks, finds the tool away and waits.
_POST_LIMIT = 1.25
_DRAIN_LIMIT = 0.15


def measure_delivering(engine: str, report: Report) -> None:
    """Print the lines of one engine."""
    with _site(engine) as site:
        quiet = _median_post(site)
        with workers_on(site, 1):
            await_(lambda: any(state == "pending" for _, state in site.states()), guard_s=30)
            ratio = _median_post(site) / quiet
        name = f"{engine}: POST while the tool is down / without a worker"
        report.at_most("D1", name, ratio, _POST_LIMIT)
    with _site(engine) as site:
        for _ in range(2 * _BACKLOG):
            site.post()
        while route_events(site.installation, now=site.installation.now()):
            pass
        desk = Desk(site.installation, "bench", site.installation.now, Pace())
        raw, drained = _rate(_claiming(site, desk)), _rate(_draining(site, desk))
        name = f"{engine}: backlog drained, per raw claim ({drained:.0f}/s, {raw:.0f}/s)"
        report.at_least("D2", name, drained / raw, _DRAIN_LIMIT)


def _median_post(site: DeliverySite) -> float:
    times = []
    for _ in range(_POSTS):
        start = time.perf_counter()
        site.post()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _rate(step: Callable[[], object]) -> float:
    """How often a step can be done in a second."""
    start = time.perf_counter()
    for _ in range(_BACKLOG):
        assert step()
    return _BACKLOG / (time.perf_counter() - start)


def _claiming(site: DeliverySite, desk: Desk) -> Callable[[], object]:
    """Take a delivery, and nothing else."""

    def claim() -> object:
        return site.database.write(
            lambda connection: deliveries.claim(
                connection, "native", desk.worker, now=desk.clock(), lease_s=3600
            )
        )

    return claim


def _draining(site: DeliverySite, desk: Desk) -> Callable[[], object]:
    """Take a delivery, send it to a tool that answers at once, settle it."""
    side = site.installation.side("gentilly.fr", "production")
    (destination,) = side.jurisdiction.destinations
    tool = FakeTool(Idempotency.NONE)
    other = replace(desk, worker="drain")
    return lambda: deliver_next(other, side, destination, tool)


@contextlib.contextmanager
def _site(engine: str) -> Iterator[DeliverySite]:
    with (
        tempfile.TemporaryDirectory(prefix="open311-bench-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        url = f"sqlite:///{folder / 'open311.sqlite3'}"
        if engine != "SQLite":
            url = stack.enter_context(PrivateCluster()).create_database("open311")
        site = DeliverySite(url, folder, _NOBODY, ("native",))
        stack.callback(site.close)
        yield site
