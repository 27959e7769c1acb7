"""Fixtures: the reference server, and runs against any function that answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import Command

from open311_conformance.proving.serving import reference

PROJECT = Path(__file__).parent.parent


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
