"""Scores and the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from open311_conformance.model import Outcome, Profile, Verdict

CONFORMANT, FAILURES, COULD_NOT_RUN = 0, 1, 2


@dataclass(frozen=True)
class Score:
    """How one profile came out. ``tested`` leaves out what was not tested and what only reports."""

    profile: Profile
    passed: int
    failed: int
    not_tested: int

    @property
    def tested(self) -> int:
        """Clauses with a verdict."""
        return self.passed + self.failed

    @property
    def conformant(self) -> bool:
        """No failure, and something was tested."""
        return self.failed == 0 and self.passed > 0


def score(profile: Profile, outcomes: Iterable[Outcome]) -> Score:
    """Count the outcomes that matter for a profile."""
    found = [outcome.verdict for outcome in outcomes if outcome.clause.level in profile.levels]
    return Score(
        profile,
        found.count(Verdict.PASSED),
        found.count(Verdict.FAILED),
        found.count(Verdict.NOT_TESTED),
    )


def exit_code(outcomes: Iterable[Outcome], *, fail_untested: bool = False) -> int:
    """0 conformant, 1 failures, 2 when nothing could be tested or a check broke."""
    verdicts = [outcome.verdict for outcome in outcomes]
    if Verdict.FAILED in verdicts:
        return FAILURES
    if fail_untested and Verdict.NOT_TESTED in verdicts:
        return FAILURES
    if Verdict.BROKEN in verdicts or not {Verdict.PASSED, Verdict.REPORTED} & set(verdicts):
        return COULD_NOT_RUN
    return CONFORMANT
