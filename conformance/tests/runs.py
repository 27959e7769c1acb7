"""Runs of the whole suite in this process, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from open311_conformance import engine
from open311_conformance.model import Profile, Verdict
from open311_conformance.proving.reference import KEY
from open311_conformance.run import Run
from open311_conformance.target import Aim
from open311_conformance.wire.client import Manners

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def run_suite(url: str, *profiles: Profile, **aim: Any) -> Run:
    """Run profiles (all by default) against a URL, writing allowed, in this process."""
    manners = Manners(concurrency=2, delay_s=0, timeout_s=aim.pop("timeout_s", 5))
    settings = {"api_key": KEY, "write": True, "yes": True, "patience_s": 1.0, **aim}
    run = Run(Aim(url=url, **settings), manners, profiles or tuple(Profile))
    engine.execute(run)
    return run


def failures(run: Run) -> set[str]:
    """The clauses that failed."""
    return {name for name, it in run.outcomes.items() if it.verdict is Verdict.FAILED}


def broken(run: Run) -> dict[str, str]:
    """The checks that broke, with their tracebacks: there must be none."""
    return {name: it.message for name, it in run.outcomes.items() if it.verdict is Verdict.BROKEN}
