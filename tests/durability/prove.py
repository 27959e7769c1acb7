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
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.durability.audit import audit
from tests.durability.load import Books, RefusedError
from tests.durability.power_cut import LoopDisk, enter_private_mounts, why_impossible
from tests.durability.rounds import Site, load_until_crash, open_site, run_round
from tests.postgres import PostgresMissingError, PrivateCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JURISDICTION_FILE = Path(__file__).parents[2] / "fixtures" / "jurisdictions" / "gentilly.fr.toml"
PLACE = (48.8133, 2.3444)  # degrees, WGS 84: Gentilly's town hall
_ACKNOWLEDGED_AT_LEAST = 3_000
_CONTROL_ROUNDS = 3
_LOAD_S = (0.5, 1.5)
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

    def as_json(self) -> str:
        """The last line."""
        figures = {name: value for name, value in vars(self).items() if name != "faults"}
        return json.dumps(figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all rounds, say how each went, and return the exit status."""
    options = _parser().parse_args(arguments)
    chance = random.Random(options.seed)
    enter_private_mounts()
    reason = why_impossible()
    if reason:
        _say(
            f"SKIPPED: every power cut and the negative control, because {reason}. Kills stand in."
        )
    tally, started = Tally(), time.monotonic()
    try:
        _prove_sqlite(options, chance, tally, cuttable=not reason)
        if not reason:
            tally.control_lost = _control(chance)
        _prove_postgresql(options, chance, tally, cuttable=not reason)
    except (RefusedError, RuntimeError) as error:
        tally.faults.append(str(error))
    _say(f"done in {time.monotonic() - started:.0f} s")
    for fault in tally.faults[:20]:
        _say(f"FAULT: {fault}")
    print(tally.as_json(), flush=True)
    return 0 if tally.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prove-durability", description=__doc__)
    parser.add_argument("--kills", type=int, default=12, help="kill -9 rounds on SQLite")
    parser.add_argument("--cuts", type=int, default=12, help="power cuts on SQLite")
    parser.add_argument("--postgresql-kills", type=int, default=4, help="kill -9 rounds")
    parser.add_argument("--postgresql-cuts", type=int, default=4, help="power cuts")
    parser.add_argument("--seed", type=int, default=None, help="of the rounds' lengths")
    return parser


def _kinds(kills: int, cuts: int, *, cuttable: bool) -> list[str]:
    """The crashes of one site; where power cannot be cut, a kill stands in for each cut."""
    return ["kill -9"] * kills + ["power cut" if cuttable else "kill -9"] * cuts


def _prove_sqlite(
    options: argparse.Namespace, chance: random.Random, tally: Tally, *, cuttable: bool
) -> None:
    kinds = _kinds(options.kills, options.cuts, cuttable=cuttable)
    if not kinds:
        return
    with _place(cuttable=cuttable) as (folder, disk), _sqlite_site(folder, disk) as site:
        _rounds("SQLite", site, kinds, chance, tally)


def _prove_postgresql(
    options: argparse.Namespace, chance: random.Random, tally: Tally, *, cuttable: bool
) -> None:
    kinds = _kinds(options.postgresql_kills, options.postgresql_cuts, cuttable=cuttable)
    if not kinds:
        return
    with contextlib.ExitStack() as stack:
        folder, disk = stack.enter_context(_place(cuttable=cuttable))
        try:
            cluster = stack.enter_context(
                PrivateCluster(_CLUSTER_SETTINGS, parent=folder if disk else None)
            )
        except PostgresMissingError as error:
            _say(f"SKIPPED: every round on PostgreSQL, because: {error}")
            return
        url = cluster.create_database("open311")
        site = stack.enter_context(_running(folder, url, disk=disk, cluster=cluster))
        _rounds("PostgreSQL", site, kinds, chance, tally)


def _control(chance: random.Random) -> int:
    """Power cuts with `synchronous=NORMAL`: return how many promises were lost, at last some."""
    books = Books()
    lost: set[str] = set()
    with (
        _place(cuttable=True) as (folder, disk),
        _sqlite_site(folder, disk, {"OPEN311_SQLITE_SYNCHRONOUS": "NORMAL"}) as site,
    ):
        for number in range(_CONTROL_ROUNDS):
            if number:
                site.recover()
            name = f"control-{number}"
            load_until_crash(
                site, books, site.cut_power, load_s=chance.uniform(*_LOAD_S), name=name
            )
            lost = audit(site.database_url, books).lost
            _say(f"control  {number + 1:3}  power cut, NORMAL: {len(lost)} lost, as it must be")
            if lost:
                break
    return len(lost)


def _rounds(engine: str, site: Site, kinds: list[str], chance: random.Random, tally: Tally) -> None:
    """Run the rounds in random order on one site, the database growing from one to the next."""
    books = Books()
    lost: set[str] = set()
    duplicated: set[str] = set()
    torn: set[str] = set()
    for number, kind in enumerate(chance.sample(kinds, len(kinds)), start=1):
        crash = site.kill if kind == "kill -9" else site.cut_power
        name = f"{engine}-{number}"
        figures = run_round(site, books, crash, load_s=chance.uniform(*_LOAD_S), name=name)
        lost |= figures.findings.lost
        duplicated |= figures.findings.duplicated
        torn |= set(figures.findings.torn)
        _say(
            f"{engine:10} {number:3}  {kind:9}  {figures.acknowledged:5} acknowledged, "
            f"{figures.in_doubt:2} in doubt ({figures.stored} stored), "
            f"back in {figures.recovery_s:.1f} s: {len(lost)} lost, "
            f"{len(duplicated)} duplicated, {len(torn)} torn"
        )
    tally.acknowledged += len(books.acknowledged)
    tally.lost += len(lost)
    tally.duplicated += len(duplicated)
    tally.torn += len(torn)
    tally.rounds += len(kinds)
    tally.faults += [f"{engine}: lost {key}" for key in sorted(lost)]
    tally.faults += [f"{engine}: duplicated {key}" for key in sorted(duplicated)]
    tally.faults += [f"{engine}: {fault}" for fault in sorted(torn)]


@contextlib.contextmanager
def _place(*, cuttable: bool) -> Iterator[tuple[Path, LoopDisk | None]]:
    """A folder for one site: on a disk whose power can be cut, or a temporary one."""
    if cuttable:
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
