"""The registry is complete, and what is generated from it is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from open311_conformance import coverage, registry
from open311_conformance.model import Clause, Level

CLAUSES = list(registry.clauses().values())
DOCS = Path(__file__).parent.parent / "docs"


def test_the_standard_is_cut_into_162_clauses() -> None:
    standard = [clause for clause in CLAUSES if clause.level is not Level.EXTENSION]
    assert len(standard) == 162
    assert sum(clause.id in registry.checks() for clause in standard) >= 140


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.id)
def test_a_clause_is_checked_or_says_why_not(clause: Clause) -> None:
    assert (clause.id in registry.checks()) != bool(clause.untestable)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.id)
def test_a_clause_speaks_both_languages_and_advises(clause: Clause) -> None:
    for sentence in (clause.rule, clause.regle, clause.advice, clause.conseil):
        assert sentence.endswith(".")
        assert len(sentence) > 10
    assert clause.source
    assert clause.rule != clause.regle
    assert clause.advice != clause.conseil


def test_the_table_in_docs_is_the_generated_one() -> None:
    written = (DOCS / "clauses.md").read_text(encoding="utf-8")
    assert written == coverage.markdown(), (
        "run: open311-conformance --list-clauses > docs/clauses.md"
    )


def test_the_numbers_of_the_readme_are_those_of_the_registry() -> None:
    standard = [clause for clause in CLAUSES if clause.level is not Level.EXTENSION]
    checked = sum(clause.id in registry.checks() for clause in standard)
    words = {0: "none", 1: "one", 2: "two", 3: "three", 4: "four"}
    for sentence in (
        f"cut into {len(standard)} numbered clauses",
        f"{checked} have a check that works from outside over plain HTTP",
        f"{words[len(standard) - checked]} cannot be tested and say why",
        f"{len(CLAUSES) - len(standard)} extensions met in the wild",
    ):
        assert sentence in (DOCS.parent / "README.md").read_text(encoding="utf-8")
