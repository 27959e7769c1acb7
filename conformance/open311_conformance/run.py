"""One run: the clauses of the profiles asked for, checked against one target."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from open311_conformance import registry
from open311_conformance.model import (
    CannotRun,
    Check,
    Clause,
    Failed,
    Level,
    NotTested,
    Outcome,
    Phase,
    Profile,
    Verdict,
)
from open311_conformance.posting import Posting
from open311_conformance.probe import Probe
from open311_conformance.target import Aim, Target
from open311_conformance.wire.client import Manners, PoliteClient
from open311_conformance.wire.reading import Unreadable

EVIDENCE_KEPT = 3


@dataclass
class Run:
    """What is run, and what came out."""

    aim: Aim
    manners: Manners
    profiles: tuple[Profile, ...]
    only: tuple[str, ...] = ()
    on_outcome: Callable[[Outcome], None] = lambda _: None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.client = PoliteClient(self.manners)
        self.target = Target(self.aim, self.client)
        self.posting = Posting(self.target)
        self.clauses = {clause.id: clause for clause in self._chosen()}

    def _chosen(self) -> list[Clause]:
        unknown = [name for name in self.only if name.upper() not in registry.clauses()]
        if unknown:
            raise CannotRun(f"no such clause: {', '.join(unknown)}")
        return registry.clauses_of(self.profiles, self.only)

    def arrive(self) -> None:
        """Find the endpoint.

        Raises:
            CannotRun: it cannot be tested; the text says why.
        """
        try:
            self.target.arrive()
        except NotTested as error:
            raise CannotRun(str(error)) from error
        with suppress(NotTested):  # checks will say why there is nothing to look at
            self.posting.sow()
        self.posting.check_key()

    def phase_of(self, clause_id: str) -> Phase:
        """When the check of a clause runs; clauses without check come last."""
        found = registry.checks().get(clause_id)
        return found.phase if found else Phase.LOOKING_BACK

    def judge(self, clause_id: str) -> Outcome:
        """Run the check of one clause, once."""
        with self._lock:
            if clause_id in self.outcomes:
                return self.outcomes[clause_id]
        outcome = self._judge(self.clauses[clause_id], registry.checks().get(clause_id))
        with self._lock:
            self.outcomes[clause_id] = outcome
        self.on_outcome(outcome)
        return outcome

    def _judge(self, clause: Clause, found: Check | None) -> Outcome:
        if found is None:
            return Outcome(clause, Verdict.NOT_TESTED, clause.untestable)
        probe = Probe(clause, self.target, self.posting)
        started = time.monotonic()
        verdict, message = self._verdict(found, probe)
        return Outcome(
            clause,
            verdict,
            message,
            tuple(probe.warnings),
            tuple(probe.trail[-EVIDENCE_KEPT:]),
            time.monotonic() - started,
        )

    def _verdict(self, found: Check, probe: Probe) -> tuple[Verdict, str]:
        may = probe.clause.level is Level.MAY
        try:
            found.run(probe)
        except Failed as failure:
            if failure.exchange is not None:
                probe.trail.append(failure.exchange)
            return (Verdict.REPORTED if may else Verdict.FAILED), str(failure)
        except (NotTested, Unreadable) as reason:
            return Verdict.NOT_TESTED, str(reason)
        except Exception:  # noqa: BLE001 - a fault of ours must neither pass nor fail a server
            return Verdict.BROKEN, traceback.format_exc(limit=-3)
        return (Verdict.REPORTED if may else Verdict.PASSED), probe.told


def judged(outcomes: Iterable[Outcome]) -> dict[Verdict, int]:
    """How many outcomes of each verdict."""
    counts = dict.fromkeys(Verdict, 0)
    for outcome in outcomes:
        counts[outcome.verdict] += 1
    return counts
