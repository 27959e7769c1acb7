"""Every clause and the check that tests it: the one table the reports are made from."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from open311_conformance.model import Check, Clause, Level, Phase, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from open311_conformance.probe import Probe

CLAUSE_FOLDER = Path(str(files("open311_conformance"))) / "clauses"
_CHECKS: dict[str, Check] = {}


def check(
    clause_id: str, phase: Phase = Phase.READING
) -> Callable[[Callable[[Probe], None]], Callable[[Probe], None]]:
    """Register the decorated function as the check of a clause.

    Raises:
        ValueError: the clause does not exist or has a check already.
    """

    def register(function: Callable[[Probe], None]) -> Callable[[Probe], None]:
        if clause_id not in clauses() or clause_id in _CHECKS:
            raise ValueError(f"{clause_id} is unknown or registered twice")
        _CHECKS[clause_id] = Check(clause_id, phase, function)
        return function

    return register


def writes(clause_id: str) -> Callable[[Callable[[Probe], None]], Callable[[Probe], None]]:
    """Register a check that sends something else than GET, HEAD or OPTIONS."""
    return check(clause_id, Phase.WRITING)


def looks_back(clause_id: str) -> Callable[[Callable[[Probe], None]], Callable[[Probe], None]]:
    """Register a check that judges all the answers of the run."""
    return check(clause_id, Phase.LOOKING_BACK)


@cache
def clauses() -> dict[str, Clause]:
    """All clauses by id, in the order of the sections."""
    found: dict[str, Clause] = {}
    for path in sorted(CLAUSE_FOLDER.glob("*.toml")):
        for clause in read_section(path):
            found[clause.id] = clause
    return found


def read_section(path: Path) -> list[Clause]:
    """The clauses of one file."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    section = path.stem.split("_", 1)[1]
    return [
        Clause(id=clause_id, section=section, **{**table, "level": Level(table["level"])})
        for clause_id, table in tables.items()
    ]


def checks() -> dict[str, Check]:
    """All checks by clause id."""
    import open311_conformance.checks  # noqa: F401, PLC0415 - importing registers them

    return _CHECKS


def clauses_of(profiles: Iterable[Profile], only: Iterable[str] = ()) -> list[Clause]:
    """The clauses to run for some profiles, or only the named ones."""
    wanted = {clause_id.upper() for clause_id in only}
    if wanted:
        return [clause for clause in clauses().values() if clause.id in wanted]
    levels = frozenset[Level]().union(*(profile.levels for profile in profiles))
    return [clause for clause in clauses().values() if clause.level in levels]
