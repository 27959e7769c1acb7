"""Show that tickets arrive once, or that somebody knows: behind `make prove-delivery`.

Reports are made while real worker processes deliver each of them to a peer (a fake of
our own) that fails half of the time in every way: 500, connection reset before and
after the ticket was made, answers that come too late, garbage. All the while workers
are killed (kill -9): at any moment, at the moment a call arrives, and at the moment
between the ticket's creation and its answer. Every report goes to three destinations:
one where tickets can be looked up, one that takes our key, one that knows neither; one
report in ten has a photo and a note, which obey the same rules. On SQLite with two
workers, on PostgreSQL with four.

The last line is JSON. `tickets`: on each engine, tickets in the tool that is looked
into; `kills`: of all workers; `lost`: reports without a ticket that nobody was told
of; `stuck`: deliveries that never came to an end; `duplicates`: second tickets,
photos or notes where the tool gives a way against them; `unflagged_duplicates`: those
elsewhere that nobody was told of. The exit status is 1 unless all is well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tests.delivery.delivery_site import GRADES, DeliverySite, Workers, await_, workers_on
from tests.delivery.toxic_peer import ToxicPeer
from tests.postgres import PrivateCluster
from tests.postgres_binaries import PostgresMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Where the killer strikes, in turn.
_MOMENTS = ("after", "before", "any")
_KILL_EVERY_S = 0.35
_GUARD_S = 75.0


@dataclass
class Findings:
    """What the end of one run showed."""

    tickets: int
    kills: int
    lost: int
    stuck: int
    duplicates: int
    unflagged_duplicates: int
    faults: list[str] = field(default_factory=list)

    def is_good(self, tickets: int, kills: int) -> bool:
        wrong = self.lost + self.stuck + self.duplicates + self.unflagged_duplicates
        return self.tickets == tickets and self.kills >= kills and not wrong


class Killer:
    """Kills a worker every so often, at the moments that hurt.

    The peer reports each call to `on_call`; a kill "after" strikes the sender when its
    ticket is made and the answer is not yet given.
    """

    def __init__(self, workers: Workers, count: int, chance: random.Random) -> None:
        self._workers = workers
        self._count = count
        self._chance = chance
        self._lock = threading.Lock()
        self._next = time.monotonic() + 3 * _KILL_EVERY_S

    @property
    def is_done(self) -> bool:
        return self._workers.kills >= self._count

    def on_call(self, moment: str, pid: int) -> None:
        """Kill the sender of a call if its moment has come."""
        with self._lock:
            wanted = _MOMENTS[self._workers.kills % len(_MOMENTS)]
            if self._due() and wanted == moment:
                self._strike(pid)

    def turn(self) -> None:
        """Kill whoever, if any moment will do; start again who is gone."""
        with self._lock:
            wanted = _MOMENTS[self._workers.kills % len(_MOMENTS)]
            pids = self._workers.pids()
            if self._due() and wanted == "any" and pids:
                self._strike(self._chance.choice(pids))
            self._workers.revive()

    def _due(self) -> bool:
        return not self.is_done and time.monotonic() >= self._next

    def _strike(self, pid: int) -> None:
        if self._workers.kill(pid):
            self._next = time.monotonic() + _KILL_EVERY_S


def run(url: str, folder: Path, *, workers: int, tickets: int, kills: int, seed: int) -> Findings:
    """One engine: make reports, deliver, kill, wait for the end, count."""
    chance = random.Random(seed)
    with ToxicPeer(seed) as peer:
        site = DeliverySite(url, folder, peer.url)
        try:
            with workers_on(site, workers) as running:
                killer = Killer(running, kills, chance)
                peer.on_call = killer.on_call
                _report(site, killer, tickets)
                await_(lambda: _is_over(site, killer), guard_s=_GUARD_S)
                _say(f"  happened: {dict(sorted(peer.happened.items()))}")
                _say(f"  ended as: {_ends(site)}")
                findings = audit(site, peer, running.kills)
            findings.faults += _complaints(folder / "workers.log")
            return findings
        finally:
            site.close()


def _report(site: DeliverySite, killer: Killer, tickets: int) -> None:
    """Make the reports little by little, so that kills find work under way."""
    for number in range(tickets):
        has_more = number % 10 == 0
        id_ = site.post(with_photo=has_more)
        if has_more:
            site.note(id_, "Toujours là.")
        killer.turn()
        time.sleep(0.02)


def _is_over(site: DeliverySite, killer: Killer) -> bool:
    killer.turn()
    return killer.is_done and site.unfinished() == 0


def audit(site: DeliverySite, peer: ToxicPeer, kills: int) -> Findings:
    """Compare what was reported, what we believe, and what is in the tools."""
    faults = []
    reported = {
        row[0] for row in site.database.rows("SELECT service_request_id FROM service_request")
    }
    lost = duplicates = unflagged = 0
    for grade in GRADES:
        count = Counter(peer.tickets(grade))
        keys = site.keys(grade)
        unknown, done = site.keys(grade, "unknown"), site.keys(grade, "done")
        missing = [id_ for id_ in reported if not any(key.endswith(f"-{id_}") for key in keys)]
        absent = {key for key in keys - unknown if not count[key]}
        twice = {key for key, times in count.items() if times > 1}
        lost += len(missing) + len(absent)
        faults += [f"{grade}: no delivery of request {id_}" for id_ in missing]
        faults += [f"{grade}: no ticket for {key}" for key in sorted(absent)]
        faults += [f"{grade}: {count[key]} tickets for {key}" for key in sorted(twice)]
        if grade == "none":
            unflagged += len(twice - unknown)
        else:
            duplicates += len(twice)
            faults += [f"{grade}: not done: {key}" for key in sorted(keys - done)]
        steps = _audit_steps(site, peer, grade)
        lost, duplicates = lost + steps.lost, duplicates + steps.duplicates
        unflagged, faults = unflagged + steps.unflagged, faults + steps.faults
    return Findings(
        tickets=len(peer.tickets("lookup")),
        kills=kills,
        lost=lost,
        stuck=site.unfinished(),
        duplicates=duplicates,
        unflagged_duplicates=unflagged,
        faults=faults,
    )


@dataclass
class _Steps:
    """What became of the photos and notes of one grade."""

    lost: int = 0
    duplicates: int = 0
    unflagged: int = 0
    faults: list[str] = field(default_factory=list)


def _audit_steps(site: DeliverySite, peer: ToxicPeer, grade: str) -> _Steps:
    """A photo or note is in the tool once, or its delivery says that somebody must look."""
    found, count = _Steps(), {what: peer.added(grade, what) for what in ("files", "notes")}
    for what, name, state in site.steps(grade):
        times = count[what][name]
        flagged = state == "unknown"
        if state == "done" and not times:
            found.lost += 1
            found.faults.append(f"{grade}: {name} is done, and not there")
        if times > 1 and grade == "none":
            found.unflagged += not flagged
        elif times > 1:
            found.duplicates += 1
            found.faults.append(f"{grade}: {name} is there {times} times")
        if grade != "none" and state != "done":
            found.faults.append(f"{grade}: {name} is {state}")
    return found


def _ends(site: DeliverySite) -> str:
    return ", ".join(f"{grade} {state} {n}" for (grade, state), n in sorted(site.states().items()))


def _complaints(log: Path) -> list[str]:
    """Errors of the workers that nobody provoked."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [f"a worker said: {line[:300]}" for line in lines[:5]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both engines, say how each went, and return the exit status."""
    options = _parser().parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    started, found = time.monotonic(), {}
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    _say(f"seed {seed}")
    for engine, workers in (("SQLite", 2), ("PostgreSQL", 4)):
        if options.engine not in (None, engine.lower()):
            continue
        with tempfile.TemporaryDirectory(prefix="open311-deliver-") as folder:
            try:
                with _empty_database(engine, Path(folder)) as url:
                    _say(f"{engine}, {workers} workers, {options.tickets} reports:")
                    found[engine] = run(
                        url, Path(folder), workers=workers, tickets=options.tickets,
                        kills=options.kills, seed=seed,
                    )  # fmt: skip
            except PostgresMissingError as error:
                _say(f"SKIPPED: {engine}, because: {error}")
    good = bool(found)
    for engine, findings in found.items():
        good = good and findings.is_good(options.tickets, options.kills) and not findings.faults
        _say(f"{engine}: {_counts(findings)}")
        for fault in findings.faults[:20]:
            _say(f"FAULT: {engine}: {fault}")
    _say(f"done in {time.monotonic() - started:.0f} s")
    print(json.dumps(_summed(found)), flush=True)
    return 0 if good else 1


def _counts(findings: Findings) -> dict[str, int]:
    return {name: value for name, value in vars(findings).items() if name != "faults"}


def _summed(found: dict[str, Findings]) -> dict[str, object]:
    """Sums over the engines, but for the tickets: the same number on each, or the least."""
    names = ("kills", "lost", "stuck", "duplicates", "unflagged_duplicates")
    sums = {name: sum(getattr(each, name) for each in found.values()) for name in names}
    tickets = min((each.tickets for each in found.values()), default=0)
    return {"tickets": tickets, **sums, "engines": sorted(found)}


@contextlib.contextmanager
def _empty_database(engine: str, folder: Path) -> Iterator[str]:
    if engine == "SQLite":
        yield f"sqlite:///{folder / 'open311.sqlite3'}"
        return
    with PrivateCluster() as cluster:
        yield cluster.create_database("open311")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prove-delivery", description=__doc__)
    parser.add_argument("--tickets", type=int, default=300, help="reports on each engine")
    parser.add_argument("--kills", type=int, default=25, help="workers killed on each engine")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--seed", type=int, default=None, help="of the failures")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
