"""Show that nothing acknowledged is lost: the program behind `make prove-durability`.

The real server takes reports from many clients while it is killed (kill -9) and
while the power of its disk is cut (as root, on Linux). After each crash it is
started again, every report without an answer is sent again under its
Idempotency-Key, and what was acknowledged is compared with what is there. The
same server with SQLite's `synchronous=NORMAL` must lose something at a power
cut: this negative control shows that the rig can see a loss.

The last line is JSON: `acknowledged`, `lost`, `duplicated`, `torn` (rows without
all they were written with), `rounds`, `control_lost` (null where power cannot be
cut). The exit status is 1 unless all is well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from tests.durability.audit import Findings, audit
from tests.durability.load import Books, RefusedError
from tests.durability.power_cut import LoopDisk, enter_private_mounts, why_impossible
from tests.durability.rounds import Site, load_until_crash, open_site, run_round
from tests.postgres import PrivateCluster
from tests.postgres_binaries import PostgresMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JURISDICTION_FILE = Path(__file__).parents[2] / "fixtures" / "jurisdictions" / "gentilly.fr.toml"
PLACE = (48.8133, 2.3444)  # degrees, WGS 84: Gentilly's town hall
_ACKNOWLEDGED_AT_LEAST = 3_000
_CONTROL_ROUNDS = 3
_LOAD_S = (0.3, 1.0)  # short: a crash every few seconds shows more than a long load
_ROUNDS_AT_LEAST = 2
_SQLITE_SHARE = 0.6  # of the budget; the control and PostgreSQL have the rest
# A cluster on a small disk: the log of changes must not outgrow it.
_CLUSTER_SETTINGS = {"max_wal_size": "64MB", "min_wal_size": "32MB"}


@dataclass
class Tally:
    """The sums over all rounds."""

    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    rounds: int = 0
    control_lost: int | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Enough was acknowledged, nothing lost, nothing twice, and losses can be seen."""
        return (
            not self.faults
            and self.control_lost != 0
            and self.acknowledged >= _ACKNOWLEDGED_AT_LEAST
        )

    def add(self, engine: str, books: Books, findings: Findings, *, rounds: int) -> None:
        """Add what the rounds on one site gave."""
        self.acknowledged += len(books.acknowledged)
        self.rounds += rounds
        for name in ("lost", "duplicated", "torn"):
            wrong = getattr(findings, name)
            setattr(self, name, getattr(self, name) + len(wrong))
            self.faults += [f"{engine}: {name}: {each}" for each in sorted(wrong)]

    def as_json(self) -> str:
        """The last line."""
        figures = {name: value for name, value in vars(self).items() if name != "faults"}
        return json.dumps(figures)


@dataclass
class Course:
    """One run of the program: its chances, its sums, and the time it may take.

    `cuttable` says whether power can be cut here; `budget_s` is in seconds.
    """

    cuttable: bool
    budget_s: float
    chance: random.Random
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def load_s(self) -> float:
        """For how long to load a server before its next crash, in seconds."""
        return self.chance.uniform(*_LOAD_S)

    def crashes(self, kills: int, cuts: int) -> list[str]:
        """The crashes of one site in turn; where power cannot be cut, a kill stands in."""
        cut = "power cut" if self.cuttable else "kill -9"
        pairs = zip_longest(["kill -9"] * kills, [cut] * cuts)
        return [kind for pair in pairs for kind in pair if kind]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all rounds, say how each went, and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # tidy up then, too
    enter_private_mounts()
    reason = why_impossible()
    if reason:
        _say(
            f"SKIPPED: every power cut and the negative control, because {reason}. Kills stand in."
        )
    course = Course(reason is None, options.budget, random.Random(options.seed))
    try:
        _prove_sqlite(course, options.kills, options.cuts)
        if course.cuttable:
            course.tally.control_lost = _control(course)
        _prove_postgresql(course, options.postgresql_kills, options.postgresql_cuts)
    except (RefusedError, RuntimeError, OSError) as error:
        course.tally.faults.append(str(error))
    _say(f"done in {course.elapsed_s:.0f} s")
    for fault in course.tally.faults[:20]:
        _say(f"FAULT: {fault}")
    print(course.tally.as_json(), flush=True)
    return 0 if course.tally.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prove-durability", description=__doc__)
    parser.add_argument("--kills", type=int, default=12, help="kill -9 rounds on SQLite")
    parser.add_argument("--cuts", type=int, default=12, help="power cuts on SQLite")
    parser.add_argument("--postgresql-kills", type=int, default=4, help="kill -9 rounds")
    parser.add_argument("--postgresql-cuts", type=int, default=4, help="power cuts")
    parser.add_argument("--budget", type=float, default=160.0, help="seconds for all rounds")
    parser.add_argument("--seed", type=int, default=None, help="of the rounds' lengths")
    return parser


def _prove_sqlite(course: Course, kills: int, cuts: int) -> None:
    if not kills + cuts:
        return
    with _place(course) as (folder, disk), _sqlite_site(folder, disk) as site:
        _rounds(course, "SQLite", site, course.crashes(kills, cuts), share=_SQLITE_SHARE)


def _prove_postgresql(course: Course, kills: int, cuts: int) -> None:
    if not kills + cuts:
        return
    with contextlib.ExitStack() as stack:
        folder, disk = stack.enter_context(_place(course))
        try:
            cluster = stack.enter_context(
                PrivateCluster(_CLUSTER_SETTINGS, parent=folder if disk else None)
            )
        except PostgresMissingError as error:
            _say(f"SKIPPED: every round on PostgreSQL, because: {error}")
            return
        url = cluster.create_database("open311")
        site = stack.enter_context(_running(folder, url, disk=disk, cluster=cluster))
        _rounds(course, "PostgreSQL", site, course.crashes(kills, cuts), share=1.0)


def _control(course: Course) -> int:
    """Power cuts with `synchronous=NORMAL`: return how many promises were lost, at last some."""
    books = Books()
    lost: set[str] = set()
    with (
        _place(course) as (folder, disk),
        _sqlite_site(folder, disk, {"OPEN311_SQLITE_SYNCHRONOUS": "NORMAL"}) as site,
    ):
        for number in range(_CONTROL_ROUNDS):
            if number:
                site.recover()
            name = f"control-{number}"
            load_until_crash(site, books, site.cut_power, load_s=course.load_s(), name=name)
            lost = audit(site.database_url, books).lost
            _say(f"control  {number + 1:3}  power cut, NORMAL: {len(lost)} lost, as it must be")
            if lost:
                break
    return len(lost)


def _rounds(course: Course, engine: str, site: Site, crashes: list[str], *, share: float) -> None:
    """Run rounds on one site, its database growing from one to the next.

    Past its share of the budget no round is begun, once each kind of crash had its turn.
    """
    books, seen, done = Books(), Findings(), 0
    for kind in crashes:
        if done >= _ROUNDS_AT_LEAST and course.elapsed_s > share * course.budget_s:
            _say(f"{engine:10} time is up: {len(crashes) - done} rounds left out")
            break
        done += 1
        crash = site.kill if kind == "kill -9" else site.cut_power
        name = f"{engine}-{done}"
        figures = run_round(site, books, crash, load_s=course.load_s(), name=name)
        seen.add(figures.findings)
        _say(f"{engine:10} {done:3}  {kind:9}  {figures}: {seen}")
    course.tally.add(engine, books, seen, rounds=done)


@contextlib.contextmanager
def _place(course: Course) -> Iterator[tuple[Path, LoopDisk | None]]:
    """A folder for one site: on a disk whose power can be cut, or a temporary one."""
    if course.cuttable:
        with LoopDisk() as disk:
            yield disk.root, disk
    else:
        with tempfile.TemporaryDirectory(prefix="open311-prove-") as folder:
            yield Path(folder), None


@contextlib.contextmanager
def _sqlite_site(
    folder: Path, disk: LoopDisk | None, settings: dict[str, str] | None = None
) -> Iterator[Site]:
    url = f"sqlite:///{folder / 'site' / 'open311.sqlite3'}"
    with _running(folder, url, settings=settings, disk=disk) as site:
        yield site


@contextlib.contextmanager
def _running(
    folder: Path,
    url: str,
    *,
    settings: dict[str, str] | None = None,
    disk: LoopDisk | None = None,
    cluster: PrivateCluster | None = None,
) -> Iterator[Site]:
    site = open_site(
        folder / "site",
        url,
        JURISDICTION_FILE,
        PLACE,
        settings=settings,
        disk=disk,
        cluster=cluster,
    )
    try:
        yield site
    finally:
        site.server.kill()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
