"""One benchmarked installation, and how results are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.settings import Settings
from open311.config.shipped import shipped_path
from open311.http.app import create_app
from open311.operations.installation import Installation, Side
from open311.operations.keys import create_key
from open311.storage import catalogue, migrate
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.benchmarks.dataset import BIG_CITY, NOW, fill
from tests.benchmarks.measure import Wsgi
from tests.benchmarks.naive import create_naive_app

HELLO = "/open311/hello"


@dataclass(frozen=True)
class Bench:
    """An installation of some size on one engine, our application and the naive one."""

    engine: str
    database: Database
    installation: Installation
    side: Side
    ours: Wsgi
    naive: Wsgi
    key: str


@contextmanager
def benched(
    engine: str, url: str, folder: Path, size: int, *, pool_size: int = 5
) -> Iterator[Bench]:
    """Make, fill and serve an installation."""
    opened = GroupCommitDatabase if engine == "SQLite" else Database
    database = opened(url, pool_size=pool_size)
    try:
        migrate.upgrade(database)
        key = database.write(_configure)
        installation = Installation(
            database,
            DiskMediaStore(folder / "media"),
            public_url="http://open311.test",
            clock=lambda: NOW,
        )
        fill(database, installation, size)
        yield _bench(engine, database, installation, key)
    finally:
        database.close()


def _bench(engine: str, database: Database, installation: Installation, key: str) -> Bench:
    app = create_app(Settings(log_level="WARNING"), installation)
    app.add_url_rule(HELLO, "hello", lambda: "ok")
    side = installation.side(BIG_CITY, "production")
    naive = create_naive_app(database.engine, side)
    return Bench(engine, database, installation, side, Wsgi(app), Wsgi(naive), key)


def _configure(connection: object) -> str:
    for path in sorted(shipped_path("fixtures/jurisdictions").glob("*.toml")):
        document = read_jurisdiction_file(path)
        catalogue.put_jurisdiction(connection, document["jurisdiction_id"], document, NOW)  # type: ignore[arg-type]
    return create_key(
        connection,  # type: ignore[arg-type]
        label="benchmark",
        jurisdictions=["*"],
        rights=["create"],
        environment="production",
        now=NOW,
    )


class Report:
    """Prints one line per target; remembers whether all were reached."""

    def __init__(self) -> None:
        self.short = 0

    def at_most(self, target: str, name: str, ratio: float, limit: float) -> None:
        """A ratio that must not exceed its limit."""
        self._line(target, name, ratio, f"<= {limit:g}", ok=ratio <= limit)

    def at_least(self, target: str, name: str, ratio: float, limit: float) -> None:
        """A ratio that must reach its limit."""
        self._line(target, name, ratio, f">= {limit:g}", ok=ratio >= limit)

    def skipped(self, target: str, name: str, why: str) -> None:
        """A target that cannot be measured here, and why."""
        print(f"{target:>3}  {name:<64} {why}  skipped", flush=True)

    def _line(self, target: str, name: str, ratio: float, wanted: str, *, ok: bool) -> None:
        self.short += not ok
        verdict = "ok" if ok else "short"
        print(f"{target:>3}  {name:<64} {ratio:9.3g}  {wanted:<9} {verdict}", flush=True)
