"""The words of the suite: levels, profiles, clauses, verdicts, outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from open311_conformance.probe import Probe
    from open311_conformance.wire.exchange import Exchange


class Level(StrEnum):
    """How much weight a clause has."""

    MUST = "M"
    SHOULD = "S"
    MAY = "O"
    FRENCH = "P"
    EXTENSION = "X"


class Profile(StrEnum):
    """A set of levels under which a server is judged."""

    CORE = "core"
    RECOMMENDED = "recommended"
    FR = "fr"
    EXT = "ext"

    @property
    def levels(self) -> frozenset[Level]:
        """The levels whose failures count under this profile."""
        return _LEVELS[self]


_LEVELS = {
    Profile.CORE: frozenset({Level.MUST}),
    Profile.RECOMMENDED: frozenset({Level.MUST, Level.SHOULD, Level.MAY}),
    Profile.FR: frozenset({Level.MUST, Level.SHOULD, Level.MAY, Level.FRENCH}),
    Profile.EXT: frozenset({Level.EXTENSION}),
}


class Verdict(StrEnum):
    """What came out of a check. *Not tested* is never *passed*."""

    PASSED = "passed"
    FAILED = "failed"
    REPORTED = "reported"  # a "may" clause: told, never counted
    NOT_TESTED = "not tested"
    BROKEN = "broken"  # the check itself went wrong: a fault of the suite


class Phase(StrEnum):
    """When a check runs: reading first, then writing, then looking back at all answers."""

    READING = "reading"
    WRITING = "writing"
    LOOKING_BACK = "looking back"


@dataclass(frozen=True)
class Clause:
    """One numbered rule and what to change, in English and French (regle, conseil)."""

    id: str
    level: Level
    rule: str
    regle: str
    source: str
    advice: str
    conseil: str
    section: str
    untestable: str = ""


@dataclass(frozen=True)
class Check:
    """The function that tests a clause from outside."""

    clause_id: str
    phase: Phase
    run: Callable[[Probe], None]


@dataclass(frozen=True)
class Outcome:
    """The result of one clause, with the exchanges that prove it."""

    clause: Clause
    verdict: Verdict
    message: str = ""
    warnings: tuple[str, ...] = ()
    evidence: tuple[Exchange, ...] = ()
    seconds: float = 0.0


class Failed(Exception):
    """The server breaks the clause; the text says how."""

    def __init__(self, message: str, exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.exchange = exchange


class NotTested(Exception):
    """The clause could not be tested; the text says why."""


class CannotRun(Exception):
    """The run makes no sense (no server, no jurisdiction…); the text says why."""
