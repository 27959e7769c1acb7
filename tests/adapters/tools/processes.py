"""Starting real third-party servers: a free port, their own log, and an end."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

#: A guard against hanging, no measure.
_BOOT_S = 60


def need_package(module: str) -> None:
    """Skip, loudly, where the extra `test-tools` is not installed."""
    if find_spec(module) is None:
        pytest.skip(f"{module} is missing: pip install -e '.[test-tools]' (make test does)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run one command of a tool to its end; what it said is in the failure."""
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=_BOOT_S
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@contextlib.contextmanager
def served(
    command: Sequence[str],
    *,
    cwd: Path,
    url: str,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from its first answer at `url` to its end."""
    log = log or cwd / "server.log"
    with log.open("wb") as told:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=told, stderr=told)
    try:
        _await(process, url, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _BOOT_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        try:
            requests.get(url, timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer: {log.read_text(errors='replace')[-4000:]}")
