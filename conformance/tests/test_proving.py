"""The suite bites: a sample here, all of it with `python -m open311_conformance.proving`."""

from __future__ import annotations

import pytest

from open311_conformance import registry
from open311_conformance.model import Level
from open311_conformance.proving.__main__ import MUTATIONS, run_against

SAMPLE = ("C-021", "C-055", "C-109", "C-127", "C-172", "C-175", "C-215", "C-231", "X-34")


@pytest.mark.parametrize("clause_id", SAMPLE)
def test_a_fault_is_caught_by_its_own_clause_and_by_few_others(clause_id: str) -> None:
    for index, mutation in enumerate(MUTATIONS):
        if mutation.clause == clause_id:
            failed = run_against(index).failed
            assert clause_id in failed, mutation.title
            assert len(failed) <= 10, mutation.title


@pytest.mark.parametrize("index", [-1, -2], ids=["one jurisdiction", "several"])
def test_the_reference_server_keeps_every_clause(index: int) -> None:
    assert run_against(index).failed == set()


def test_every_must_and_should_that_is_checked_has_its_mutation() -> None:
    faulted = {mutation.clause for mutation in MUTATIONS}
    wanted = {
        clause.id
        for clause in registry.clauses().values()
        if clause.level in (Level.MUST, Level.SHOULD) and clause.id in registry.checks()
    }
    assert wanted <= faulted
