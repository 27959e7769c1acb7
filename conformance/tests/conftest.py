"""Fixtures: the reference server, and runs against any function that answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from open311_conformance import engine
from open311_conformance.model import Profile, Verdict
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.reference import KEY
from open311_conformance.proving.serving import reference, serving
from open311_conformance.run import Run
from open311_conformance.target import Aim
from open311_conformance.wire.client import Manners

PROJECT = Path(__file__).parent.parent
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def healthy() -> Iterator[str]:
    """The base URL of a reference server that keeps every clause."""
    with reference() as url:
        yield url


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command as a process, in an empty folder, as an integrator would."""

    def run(
        *arguments: str, cwd: Path = tmp_path, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "open311_conformance", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **(env or {})},
        )

    return run


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


def answering(respond: Callable[[Ask], Answer]) -> Any:
    """Serve a function on the loopback."""
    return serving(respond)
