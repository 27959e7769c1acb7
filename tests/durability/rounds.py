"""One round: load, crash, restart, retry of every doubt, audit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tests.durability.audit import Findings, audit
from tests.durability.load import Books, Client, Load, Target, description_of, has_photo
from tests.durability.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.durability.power_cut import LoopDisk
    from tests.postgres import PrivateCluster

_REPEATED = 20  # promises of each round that are asked for once more


@dataclass
class Site:
    """A server on its storage, and the ways to hurt it.

    `disk` is set if its power can be cut, `cluster` if the database is PostgreSQL.
    """

    server: ServerProcess
    database_url: str
    target: Target
    disk: LoopDisk | None = None
    cluster: PrivateCluster | None = None

    def kill(self) -> None:
        """Kill -9 the database server, if there is one, and the web server."""
        if self.cluster is not None:
            self.cluster.crash()
        self.server.kill()

    def cut_power(self) -> None:
        """Cut the power of the disk under load, then give it back with nobody running."""
        assert self.disk is not None
        self.disk.cut()
        self.kill()
        self.disk.restore()

    def recover(self) -> None:
        """Start everything again, as the machine would after a crash."""
        if self.cluster is not None:
            self.cluster.start()
        self.server.start()


@dataclass(frozen=True)
class RoundFigures:
    """What one round gave. `in_doubt` reports had no answer; `stored` of them were there."""

    acknowledged: int
    in_doubt: int
    stored: int
    recovery_s: float
    findings: Findings

    def __str__(self) -> str:
        return (
            f"{self.acknowledged:5} acknowledged, {self.in_doubt:3} in doubt "
            f"({self.stored} stored), back in {self.recovery_s:.1f} s"
        )


def open_site(
    folder: Path,
    database_url: str,
    jurisdiction_file: Path,
    place: tuple[float, float],
    *,
    settings: dict[str, str] | None = None,
    disk: LoopDisk | None = None,
    cluster: PrivateCluster | None = None,
) -> Site:
    """Set up and start a server on an empty database.

    Args:
        folder: Where the server keeps its photos.
        database_url: SQLAlchemy URL of the database.
        jurisdiction_file: Its name, without suffix, is the `jurisdiction_id`.
        place: Latitude and longitude (degrees, WGS 84) of a point inside.
        settings: What the server runs with; the set-up itself runs with defaults.
        disk: See `Site`.
        cluster: See `Site`.
    """
    folder.mkdir(exist_ok=True)
    jurisdiction_id = jurisdiction_file.stem
    key = ServerProcess(folder, database_url).prepare(jurisdiction_file, jurisdiction_id)
    server = ServerProcess(folder, database_url, settings)
    server.start()
    lat, long = place
    target = Target(jurisdiction_id, key, "", lat, long)
    with Client(server.base, target) as client:
        code = client.first_service_without_attributes()
    return Site(server, database_url, Target(jurisdiction_id, key, code, lat, long), disk, cluster)


def run_round(
    site: Site, books: Books, crash: Callable[[], None], *, load_s: float, name: str
) -> RoundFigures:
    """Load a site, crash it, recover it, retry every doubt, and audit before and after."""
    known = set(books.acknowledged)
    load_until_crash(site, books, crash, load_s=load_s, name=name)
    started = time.monotonic()
    site.recover()
    recovery_s = time.monotonic() - started

    found = audit(site.database_url, books)
    in_doubt = set(books.unknown)
    fresh = books.acknowledged.keys() - known
    _retry(site, books, [*in_doubt, *islice(fresh, _REPEATED)])
    stored = len(in_doubt & found.stored)
    found.add(audit(site.database_url, books))  # what a retry mends was wrong all the same
    found.lost |= _unreadable(site, books, fresh | in_doubt)
    return RoundFigures(len(fresh), len(in_doubt), stored, recovery_s, found)


def load_until_crash(
    site: Site, books: Books, crash: Callable[[], None], *, load_s: float, name: str
) -> None:
    """Let the clients post for `load_s` seconds, then crash the site under their load."""
    load = Load(site.server.base, site.target, books, name)
    load.start()
    time.sleep(load_s)
    crash()
    load.stop()


def _retry(site: Site, books: Books, keys: list[str]) -> None:
    with Client(site.server.base, site.target) as client:
        for key in keys:
            books.acknowledge(key, client.post_until_answered(key))


def _unreadable(site: Site, books: Books, keys: set[str]) -> set[str]:
    """Those of the acknowledged keys that the public cannot read as they were sent."""
    with Client(site.server.base, site.target) as client:
        return {key for key in keys if not _is_readable(client, key, books.acknowledged[key])}


def _is_readable(client: Client, key: str, service_request_id: str) -> bool:
    request = client.read(service_request_id)
    if request is None or request["description"] != description_of(key):
        return False
    return not has_photo(key) or client.has_photo(request["media_url"])
